/// The attempts of one call under a hedging policy (gRFC A6).
///
/// Attempts are numbered from 0. The shell has one timer per call.
package struct HedgingMachine: ~Copyable, Sendable {
    /// No policy may have more; `AttemptSet` has room for them.
    package static let maximumAttempts = 32

    /// Some attempts of one call.
    package struct AttemptSet: OptionSet, Hashable, Sendable {
        package let rawValue: UInt32

        package init(rawValue: UInt32) {
            self.rawValue = rawValue
        }

        package init(attempt: Int) {
            self.init(rawValue: 1 << UInt32(attempt))
        }

        package func contains(attempt: Int) -> Bool { contains(AttemptSet(attempt: attempt)) }
    }

    package enum Action: Equatable {
        /// Send this attempt; start the timer for `timerFired` when `next` is set, else cancel it.
        case send(attempt: Int, next: MonotonicTime?)
        /// Send this attempt again: the server has not seen it. The timer stays.
        case sendAgain(attempt: Int)
        /// Wait; the timer is for this time, or cancelled when nil.
        case wait(next: MonotonicTime?)
        /// This attempt is the call from now on; cancel these others and the timer.
        case commit(attempt: Int, cancelling: AttemptSet)
        /// The result of this attempt is that of the call; cancel these others and the timer.
        case finish(attempt: Int, cancelling: AttemptSet)
        /// News of an attempt that was cancelled.
        case ignore
    }

    package init(policy: HedgingPolicy) {
    }

    /// The call begins; ends with `callEnded`.
    package mutating func callStarted(
        _ allowance: inout RetryAllowance,
        now: MonotonicTime
    ) -> Action { .ignore }

    package mutating func timerFired(
        _ allowance: inout RetryAllowance,
        now: MonotonicTime
    ) -> Action { .ignore }

    /// The first message or the response headers of an attempt are in.
    package mutating func responseStarted(
        attempt: Int,
        _ allowance: inout RetryAllowance
    ) -> Action { .ignore }

    /// The buffer of sent messages overflowed; the shell says which attempt has sent the most.
    package mutating func bufferOverflowed(
        keeping attempt: Int,
        _ allowance: inout RetryAllowance
    ) -> Action { .ignore }

    package mutating func attemptEnded(
        attempt: Int,
        _ end: AttemptEnd,
        _ allowance: inout RetryAllowance,
        now: MonotonicTime
    ) -> Action { .ignore }

    /// The call is over in any way; exactly once.
    package mutating func callEnded(_ allowance: inout RetryAllowance) {}
}
