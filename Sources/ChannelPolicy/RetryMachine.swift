/// The attempts of one call under a retry policy (gRFC A6).
///
/// The shell keeps the sent messages until the call is committed, makes the attempts and tells the
/// machine how each ended. The deadline of the call is the shell's: it ends the call in between.
///
///     attempting ── attemptEnded: retry ──▶ waiting ── attemptStarted ──▶ attempting
///         │  └───── attemptEnded: transparentRetry ──▶ attempting
///         └──────── attemptEnded: finish, callEnded ──▶ ended
package struct RetryMachine: ~Copyable, Sendable {
    /// Attempts that never left are made again this often; A6 sets no end, we do.
    package static let maximumNeverLeftRetries = 32
    /// The request header with the number of attempts before, from the second one on.
    package static let previousAttemptsHeader = "grpc-previous-rpc-attempts"

    package enum OnAttemptEnd: Equatable {
        /// Make another attempt after the delay.
        case retry(after: Duration)
        /// Make the attempt again at once; it does not count.
        case transparentRetry
        /// Hand the result to the caller.
        case finish(Reason)
    }

    /// Why no attempt follows, for logs and counters.
    package enum Reason: Hashable, Sendable {
        case succeeded
        /// The status is not one to retry, or there is no policy.
        case notRetryable
        case committed
        case attemptsExhausted
        case pushedBack
        case throttled
        case overBudget
        case dropped
    }

    /// nil has no retries but the transparent ones.
    package init(policy: RetryPolicy?) {
    }

    /// The retries so far, the value of `previousAttemptsHeader`; 0 sends no header.
    package var previousAttempts: Int { 0 }

    /// The call begins; ends with `callEnded`.
    package mutating func callStarted(_ allowance: inout RetryAllowance) {}

    /// Response headers came or the buffer of sent messages overflowed.
    package mutating func committed() {}

    package mutating func attemptEnded(
        _ end: AttemptEnd,
        allowance: inout RetryAllowance,
        now: MonotonicTime,
        using random: inout some RandomNumberGenerator
    ) -> OnAttemptEnd { .finish(.notRetryable) }

    /// The call is over in any way, a cancellation or deadline in a delay included; exactly once.
    package mutating func callEnded(_ allowance: inout RetryAllowance) {}
}
