#if canImport(Glibc)
import Glibc
#endif

/// What the process has used at one moment.
struct Usage {
    let clockSeconds: Double
    let cpuSeconds: Double

    static func now() -> Usage {
        var clock = timespec()
        clock_gettime(CLOCK_MONOTONIC, &clock)
        // Of all threads, in user and kernel mode.
        var cpu = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu)
        return Usage(clockSeconds: seconds(clock), cpuSeconds: seconds(cpu))
    }

    private static func seconds(_ time: timespec) -> Double {
        Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
