/// The attempts of one call under a retry policy (gRFC A6).
///
/// The shell keeps the sent messages until the call is committed, makes the attempts one after the
/// other and tells the machine how each ended. The deadline of the call is the shell's: it may end
/// the call at any time, with `callEnded`.
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

    private let policy: RetryPolicy?
    private var backoff: ExponentialBackoff?
    private var transparent = TransparentRetries()
    private var isCommitted = false
    /// Whether the present attempt counts in the budget as a retry.
    private var isBudgeted = false

    /// The retries so far, the value of `previousAttemptsHeader`; 0 sends no header.
    package private(set) var previousAttempts = 0

    /// nil has no retries but the transparent ones.
    package init(policy: RetryPolicy?) {
        self.policy = policy
        self.backoff = policy.map { ExponentialBackoff($0.backoff) }
    }

    /// The call begins; ends with `callEnded`.
    package mutating func callStarted(_ allowance: inout RetryAllowance) {
        allowance.budget.callStarted()
    }

    /// Response headers came or the buffer of sent messages overflowed.
    package mutating func committed() {
        isCommitted = true
    }

    package mutating func attemptEnded(
        _ end: AttemptEnd,
        allowance: inout RetryAllowance,
        now: MonotonicTime,
        using random: inout some RandomNumberGenerator
    ) -> OnAttemptEnd {
        if end.status != .ok, !isCommitted, transparent.allow(end.reach) {
            return .transparentRetry
        }
        leaveBudget(&allowance)
        guard end.status != .ok else {
            allowance.throttle.succeeded()
            return .finish(.succeeded)
        }
        guard end.reach != .dropped else { return .finish(.dropped) }
        let isRetryable = policy?.retryableStatusCodes.contains(end.status) ?? false
        if isRetryable || end.pushback == .stop { allowance.throttle.failed() }
        guard isRetryable, let policy else { return .finish(.notRetryable) }
        guard end.pushback != .stop else { return .finish(.pushedBack) }
        guard !isCommitted else { return .finish(.committed) }
        guard previousAttempts + 1 < policy.maximumAttempts else {
            return .finish(.attemptsExhausted)
        }
        guard allowance.throttle.allowsRetries else { return .finish(.throttled) }
        guard allowance.budget.retryRequested(now: now) else { return .finish(.overBudget) }
        isBudgeted = true
        previousAttempts += 1
        if case .retry(let delay) = end.pushback {
            // The server's own delay; what follows starts from the initial one again (A6).
            backoff?.reset()
            return .retry(after: delay)
        }
        return .retry(after: backoff?.failed(using: &random) ?? .zero)
    }

    /// The call is over in any way, a cancellation or deadline in a delay included; exactly once.
    package mutating func callEnded(_ allowance: inout RetryAllowance) {
        leaveBudget(&allowance)
        allowance.budget.callEnded()
    }

    private mutating func leaveBudget(_ allowance: inout RetryAllowance) {
        guard isBudgeted else { return }
        isBudgeted = false
        allowance.budget.retryEnded()
    }
}

/// The retries of what no server application has seen: always safe, whatever the policy (gRFC A6).
struct TransparentRetries: Sendable {
    private var neverLeft = 0
    private var hasRetriedUnprocessed = false

    /// Whether the attempt is made again without counting.
    mutating func allow(_ reach: AttemptEnd.Reach) -> Bool {
        switch reach {
        case .neverLeft:
            neverLeft += 1
            return neverLeft <= RetryMachine.maximumNeverLeftRetries
        case .unprocessed:
            // Once only: it costs the server a stream each time.
            defer { hasRetriedUnprocessed = true }
            return !hasRetriedUnprocessed
        case .server, .dropped: return false
        }
    }
}
