/// The attempts of one call under a hedging policy (gRFC A6).
///
///     hedging ── an attempt is committed ──▶ decided ── it ends ──▶ ended
///        └───── success, fatal status, or the last failure ──────▶ ended
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

        /// One attempt; none when there is no such number.
        package init(attempt: Int) {
            self.init(rawValue: attempt < 0 ? 0 : 1 << attempt)
        }

        package func contains(attempt: Int) -> Bool {
            !isDisjoint(with: AttemptSet(attempt: attempt))
        }
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
        /// News of an attempt that was cancelled, or of a call that is over.
        case ignore
    }

    private enum State {
        case hedging(Hedge)
        /// One attempt is the call.
        case decided(attempt: Int)
        case ended
    }

    private struct Hedge {
        /// The attempts that were sent; the next one has this number.
        var sent = 1
        var running = AttemptSet(attempt: 0)
        /// When the next attempt is due; nil when there is none.
        var next: MonotonicTime?
        /// The attempt that failed last, whose result is the call's when nothing better comes.
        var lastFailed = 0
    }

    private let policy: HedgingPolicy
    private let attemptLimit: Int
    private var state = State.ended
    private var transparent = TransparentRetries()
    /// The attempts that count in the budget as retries.
    private var budgeted: AttemptSet = []

    package init(policy: HedgingPolicy) {
        self.policy = policy
        self.attemptLimit = min(policy.maximumAttempts, Self.maximumAttempts)
    }

    // MARK: - Events

    /// The call begins; ends with `callEnded`.
    package mutating func callStarted(
        _ allowance: inout RetryAllowance,
        now: MonotonicTime
    ) -> Action {
        allowance.budget.callStarted()
        var hedge = Hedge()
        hedge.next = attemptLimit > 1 ? now + policy.delay : nil
        state = .hedging(hedge)
        return .send(attempt: 0, next: hedge.next)
    }

    package mutating func timerFired(
        _ allowance: inout RetryAllowance,
        now: MonotonicTime
    ) -> Action {
        // A timer that fired as the call was decided has no attempt to send.
        guard case .hedging(let hedge) = state, let next = hedge.next else { return .ignore }
        guard now >= next else { return .wait(next: next) }
        return sendNext(hedge, &allowance, now: now)
    }

    /// The response headers of an attempt are in: they reach the caller, so it is the call.
    package mutating func responseStarted(
        attempt: Int,
        _ allowance: inout RetryAllowance
    ) -> Action {
        // Headers of an attempt that was cancelled cross the cancellation.
        guard case .hedging(let hedge) = state, hedge.running.contains(attempt: attempt) else {
            return .ignore
        }
        return commit(attempt, hedge, &allowance)
    }

    /// The buffer of sent messages overflowed; the shell says which attempt has sent the most.
    package mutating func bufferOverflowed(
        keeping attempt: Int,
        _ allowance: inout RetryAllowance
    ) -> Action {
        guard case .hedging(let hedge) = state else { return .ignore }
        guard !hedge.running.isEmpty else {
            // Between two attempts: the next could not be sent in full any more.
            state = .ended
            return .finish(attempt: hedge.lastFailed, cancelling: [])
        }
        precondition(hedge.running.contains(attempt: attempt), "only a running attempt is kept")
        return commit(attempt, hedge, &allowance)
    }

    package mutating func attemptEnded(
        attempt: Int,
        _ end: AttemptEnd,
        _ allowance: inout RetryAllowance,
        now: MonotonicTime
    ) -> Action {
        switch state {
        case .ended: return .ignore
        case .decided(let decided):
            guard decided == attempt else { return .ignore }
            count(end, in: &allowance)
            state = .ended
            return .finish(attempt: attempt, cancelling: [])
        case .hedging(let hedge):
            guard hedge.running.contains(attempt: attempt) else { return .ignore }
            if end.status != .ok, transparent.allow(end.reach) {
                return .sendAgain(attempt: attempt)
            }
            count(end, in: &allowance)
            return ended(attempt, end, hedge, &allowance, now: now)
        }
    }

    /// The call is over in any way; exactly once.
    package mutating func callEnded(_ allowance: inout RetryAllowance) {
        state = .ended
        leaveBudget(budgeted, &allowance)
        allowance.budget.callEnded()
    }

    // MARK: - Decisions

    private mutating func ended(
        _ attempt: Int,
        _ end: AttemptEnd,
        _ hedge: Hedge,
        _ allowance: inout RetryAllowance,
        now: MonotonicTime
    ) -> Action {
        var hedge = hedge
        hedge.running.remove(AttemptSet(attempt: attempt))
        leaveBudget(AttemptSet(attempt: attempt), &allowance)
        // What our circuit breaker drops says nothing of the attempts that run already.
        let isFatal =
            end.reach != .dropped && !policy.nonFatalStatusCodes.contains(end.status)
        guard !isFatal else {
            state = .ended
            return .finish(attempt: attempt, cancelling: hedge.running)
        }
        hedge.lastFailed = attempt
        guard hedge.next != nil, end.reach != .dropped else { return stopSending(hedge) }
        switch end.pushback {
        case .stop: return stopSending(hedge)
        case .retry(let delay):
            hedge.next = now + delay
            state = .hedging(hedge)
            return .wait(next: hedge.next)
        case .none: return sendNext(hedge, &allowance, now: now)
        }
    }

    private mutating func sendNext(
        _ hedge: Hedge,
        _ allowance: inout RetryAllowance,
        now: MonotonicTime
    ) -> Action {
        guard allowance.throttle.allowsRetries, allowance.budget.retryRequested(now: now) else {
            return stopSending(hedge)
        }
        var hedge = hedge
        let attempt = hedge.sent
        hedge.sent += 1
        hedge.running.insert(AttemptSet(attempt: attempt))
        budgeted.insert(AttemptSet(attempt: attempt))
        hedge.next = hedge.sent < attemptLimit ? now + policy.delay : nil
        state = .hedging(hedge)
        return .send(attempt: attempt, next: hedge.next)
    }

    /// No further attempt: the running ones decide, or the last failure when none runs.
    private mutating func stopSending(_ hedge: Hedge) -> Action {
        guard !hedge.running.isEmpty else {
            state = .ended
            return .finish(attempt: hedge.lastFailed, cancelling: [])
        }
        var hedge = hedge
        hedge.next = nil
        state = .hedging(hedge)
        return .wait(next: nil)
    }

    private mutating func commit(
        _ attempt: Int,
        _ hedge: Hedge,
        _ allowance: inout RetryAllowance
    ) -> Action {
        let others = hedge.running.subtracting(AttemptSet(attempt: attempt))
        state = .decided(attempt: attempt)
        leaveBudget(others, &allowance)
        return .commit(attempt: attempt, cancelling: others)
    }

    private func count(_ end: AttemptEnd, in allowance: inout RetryAllowance) {
        if end.status == .ok {
            allowance.throttle.succeeded()
        } else if end.reach != .dropped,
            policy.nonFatalStatusCodes.contains(end.status) || end.pushback == .stop
        {
            allowance.throttle.failed()
        }
    }

    private mutating func leaveBudget(_ attempts: AttemptSet, _ allowance: inout RetryAllowance) {
        for _ in 0..<budgeted.intersection(attempts).rawValue.nonzeroBitCount {
            allowance.budget.retryEnded()
        }
        budgeted.subtract(attempts)
    }
}
