import ChannelPolicy
import Primitives
import Testing

/// One call with its allowance.
private struct Call: ~Copyable {
    var machine: RetryMachine
    var allowance: RetryAllowance
    var random = SeededRandom(seed: 1)
    var now = MonotonicTime.zero

    static let policy = RetryPolicy(
        maximumAttempts: 4,
        backoff: .init(initial: .seconds(1), multiplier: 2, maximum: .seconds(3), jitter: 0),
        retryableStatusCodes: [.unavailable, .aborted]
    )

    init(
        _ policy: RetryPolicy? = Call.policy,
        allowance: RetryAllowance = RetryAllowance()
    ) {
        machine = RetryMachine(policy: policy)
        self.allowance = allowance
        machine.callStarted(&self.allowance)
    }

    mutating func ends(
        _ status: StatusCode,
        _ reach: AttemptEnd.Reach = .server,
        _ pushback: Pushback = .none
    ) -> RetryMachine.OnAttemptEnd {
        machine.attemptEnded(
            AttemptEnd(status: status, reach: reach, pushback: pushback),
            allowance: &allowance,
            now: now,
            using: &random
        )
    }
}

@Suite struct RetryMachineTests {
    @Test func `a retryable failure is tried again up to the attempts, with growing delays`() {
        var call = Call()
        let outcomes = (0..<4).map { _ in call.ends(.unavailable) }
        #expect(
            outcomes == [
                .retry(after: .seconds(1)), .retry(after: .seconds(2)), .retry(after: .seconds(3)),
                .finish(.attemptsExhausted),
            ]
        )
        #expect(call.machine.previousAttempts == 3)
    }

    @Test func `success ends the call`() {
        var call = Call()
        _ = call.ends(.unavailable)
        #expect(call.ends(.ok) == .finish(.succeeded))
    }

    @Test func `another status ends the call`() {
        var call = Call()
        #expect(call.ends(.notFound) == .finish(.notRetryable))
    }

    @Test func `the delays have a jitter of a fifth`() {
        var policy = Call.policy
        policy.backoff.jitter = 0.2
        let delays = (0..<500).map { seed in
            var call = Call(policy)
            call.random = SeededRandom(seed: UInt64(seed))
            guard case .retry(let delay) = call.ends(.aborted) else { return 0.0 }
            return delay / .seconds(1)
        }
        #expect(delays.allSatisfy { (0.8...1.2).contains($0) })
        #expect(delays.contains { $0 < 0.82 } && delays.contains { $0 > 1.18 })
    }

    @Test func `a committed call is not tried again`() {
        var call = Call()
        call.machine.committed()
        #expect(call.ends(.unavailable) == .finish(.committed))
    }

    @Test func `a committed call is not even tried again when the server has not seen it`() {
        var call = Call()
        call.machine.committed()
        #expect(call.ends(.unavailable, .neverLeft) == .finish(.committed))
    }

    // MARK: - Pushback

    @Test func `the server's delay is taken exactly and the backoff starts again after it`() {
        var call = Call()
        let outcomes = [
            call.ends(.unavailable), call.ends(.unavailable, .server, .retry(after: .seconds(7))),
            call.ends(.unavailable),
        ]
        #expect(
            outcomes == [
                .retry(after: .seconds(1)), .retry(after: .seconds(7)), .retry(after: .seconds(1)),
            ]
        )
    }

    @Test func `a server that says stop is not tried again`() {
        var call = Call()
        #expect(call.ends(.unavailable, .server, .stop) == .finish(.pushedBack))
    }

    @Test func `a server's delay adds no attempt and makes no status retryable`() {
        var call = Call()
        for _ in 0..<3 { _ = call.ends(.unavailable) }
        let exhausted = call.ends(.unavailable, .server, .retry(after: .zero))
        var other = Call()
        let fatal = other.ends(.internal, .server, .retry(after: .zero))
        #expect(exhausted == .finish(.attemptsExhausted) && fatal == .finish(.notRetryable))
    }

    // MARK: - Transparent retries

    @Test func `what never left is made again without counting, 32 times`() {
        var call = Call()
        let outcomes = (0..<33).map { _ in call.ends(.unavailable, .neverLeft) }
        #expect(outcomes.dropLast().allSatisfy { $0 == .transparentRetry })
        #expect(outcomes.last == .retry(after: .seconds(1)))
        #expect(call.machine.previousAttempts == 1)
    }

    @Test func `what the application has not seen is made again once, then by the policy`() {
        var call = Call()
        let outcomes = (0..<2).map { _ in call.ends(.unavailable, .unprocessed) }
        #expect(outcomes == [.transparentRetry, .retry(after: .seconds(1))])
    }

    @Test func `transparent retries need no policy`() {
        var call = Call(nil)
        let outcomes = [
            call.ends(.unavailable, .unprocessed), call.ends(.unavailable, .neverLeft),
            call.ends(.unavailable, .unprocessed),
        ]
        #expect(outcomes == [.transparentRetry, .transparentRetry, .finish(.notRetryable)])
    }

    @Test func `transparent retries take no tokens`() {
        let throttling = RetryThrottling(maximumTokens: 10, tokenRatioThousandths: 100)
        var call = Call(allowance: RetryAllowance(throttling: throttling))
        for _ in 0..<32 { _ = call.ends(.unavailable, .neverLeft) }
        #expect(call.allowance.throttle == RetryThrottle(throttling))
    }

    @Test func `what we drop ourselves is never tried again`() {
        var call = Call()
        #expect(call.ends(.unavailable, .dropped) == .finish(.dropped))
    }

    // MARK: - The shared allowance

    @Test func `a throttled channel retries nothing`() {
        let throttling = RetryThrottling(maximumTokens: 4, tokenRatioThousandths: 100)
        var call = Call(allowance: RetryAllowance(throttling: throttling))
        let outcomes = (0..<2).map { _ in call.ends(.unavailable) }
        // 4 - 1 = 3 is over the half, 3 - 1 = 2 is not.
        #expect(outcomes == [.retry(after: .seconds(1)), .finish(.throttled)])
    }

    @Test func `a status that says stop counts as failure, another fatal one does not`() {
        let throttling = RetryThrottling(maximumTokens: 4, tokenRatioThousandths: 100)
        var stopped = Call(allowance: RetryAllowance(throttling: throttling))
        var fatal = Call(allowance: RetryAllowance(throttling: throttling))
        for _ in 0..<2 {
            _ = stopped.ends(.internal, .server, .stop)
            _ = fatal.ends(.internal)
        }
        #expect(!stopped.allowance.throttle.allowsRetries)
        #expect(fatal.allowance.throttle.allowsRetries)
    }

    @Test func `a channel over its budget retries nothing until a retry has ended`() {
        let budget = RetryBudget.Configuration(ratioThousandths: 1_000, minimumPerSecond: 0)
        var call = Call(allowance: RetryAllowance(budget: budget))
        // One call with one retry fills a ratio of 1.
        let first = call.ends(.unavailable)
        let other = call.allowance.budget.retryRequested(now: .zero)
        let second = call.ends(.unavailable)
        #expect(first == .retry(after: .seconds(1)) && second == .retry(after: .seconds(2)))
        #expect(!other)
    }

    @Test func `the end of a call gives back what it held`() {
        let budget = RetryBudget.Configuration(ratioThousandths: 1_000, minimumPerSecond: 0)
        let fresh = RetryAllowance(budget: budget)
        var call = Call(allowance: fresh)
        _ = call.ends(.unavailable)
        // Cancelled in the delay.
        call.machine.callEnded(&call.allowance)
        #expect(call.allowance == fresh)
    }

    @Test func `a transparent retry of a retry keeps its place in the budget`() {
        let budget = RetryBudget.Configuration(ratioThousandths: 1_000, minimumPerSecond: 0)
        var call = Call(allowance: RetryAllowance(budget: budget))
        _ = call.ends(.unavailable)
        let again = call.ends(.unavailable, .neverLeft)
        let other = call.allowance.budget.retryRequested(now: .zero)
        #expect(again == .transparentRetry && !other)
    }
}
