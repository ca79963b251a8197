import Glibc

/// Nanoseconds of the monotonic clock, and of what this process has used of the processors.
enum Clock {
    static func now() -> UInt64 { nanoseconds(of: CLOCK_MONOTONIC) }

    /// User and kernel mode of all threads.
    static func cpu() -> UInt64 { nanoseconds(of: CLOCK_PROCESS_CPUTIME_ID) }

    private static func nanoseconds(of clock: clockid_t) -> UInt64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

extension UInt64 {
    static func milliseconds(_ count: Int) -> UInt64 { UInt64(count) * 1_000_000 }
    static func seconds(_ count: Int) -> UInt64 { UInt64(count) * 1_000_000_000 }
}
