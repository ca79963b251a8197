/// A point on the clock of the process that runs the machine, in nanoseconds since an origin that the shell chooses.
///
/// A value of its own, not `ContinuousClock.Instant`, because that one can't be made without asking the clock: here a
/// test writes the instants down. All instants of one machine share one origin.
package struct MonotonicInstant: InstantProtocol, BitwiseCopyable, Sendable {
    package let nanoseconds: Int64

    package init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    /// The instant that lies `elapsed` after the origin.
    package init(sinceOrigin elapsed: Duration) {
        self.nanoseconds = elapsed.wholeNanoseconds
    }

    package func advanced(by duration: Duration) -> Self {
        advanced(byNanoseconds: duration.wholeNanoseconds)
    }

    package func duration(to other: Self) -> Duration {
        .nanoseconds(other.nanoseconds) - .nanoseconds(nanoseconds)
    }

    package static func < (lhs: Self, rhs: Self) -> Bool {
        lhs.nanoseconds < rhs.nanoseconds
    }

    /// The same in plain integers, for the renewal of a lease.
    func advanced(byNanoseconds distance: Int64) -> Self {
        let (sum, overflow) = nanoseconds.addingReportingOverflow(distance)
        guard overflow else { return Self(nanoseconds: sum) }
        return Self(nanoseconds: distance < 0 ? .min : .max)
    }
}

extension Duration {
    /// Nanoseconds, cut off below and held at the ends of `Int64`, which lie 292 years away.
    var wholeNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, carry) = whole.addingReportingOverflow(attoseconds / 1_000_000_000)
        guard overflow || carry else { return sum }
        return seconds < 0 ? .min : .max
    }
}
