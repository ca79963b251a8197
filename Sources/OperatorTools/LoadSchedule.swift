/// When each call of an open loop is to start: evenly spread, decided before the first one.
///
/// A call that starts late is still measured from its place in the schedule. Otherwise a server that
/// stops for a second would show up as one slow call instead of as all those that it kept waiting
/// ("coordinated omission").
package struct LoadSchedule: Sendable {
    /// Calls that may be started in one go, so that one that has fallen behind leaves time for the
    /// answers.
    package static let maximumBurst = 64

    private let rate: Int
    /// Calls from first to last.
    package let count: Int
    private var next = 0

    /// - Precondition: the rate is from 1 to 1,000,000 a second, and the duration not negative.
    package init(rate: Int, duration: Duration) {
        precondition((1...1_000_000).contains(rate) && duration >= .zero, "no such schedule")
        self.rate = rate
        self.count = Int((Double(rate) * (duration / .seconds(1))).rounded())
    }

    /// When a call starts, from the beginning of the schedule.
    package func offset(of call: Int) -> Duration {
        .seconds(call / rate) + .nanoseconds(call % rate * 1_000_000_000 / rate)
    }

    /// What to do now.
    package enum OnTime: Hashable, Sendable {
        /// Start these calls, then ask again when others have had their turn.
        case start(Range<Int>)
        case wait(until: Duration)
        case finished
    }

    /// Says what to do at a time from the beginning; calls to start are said once.
    package mutating func timeReached(_ elapsed: Duration) -> OnTime {
        guard next < count else { return .finished }
        let first = next
        while next < count, next - first < Self.maximumBurst, offset(of: next) <= elapsed {
            next += 1
        }
        return next > first ? .start(first..<next) : .wait(until: offset(of: next))
    }
}
