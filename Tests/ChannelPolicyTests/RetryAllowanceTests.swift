import ChannelPolicy
import Primitives
import Testing

@Suite struct RetryAllowanceTests {
    @Test func `retries are allowed above half of the tokens`() {
        var throttle = RetryThrottle(.init(maximumTokens: 10, tokenRatioThousandths: 100))
        var allowed: [Bool] = []
        for _ in 0..<6 {
            allowed.append(throttle.allowsRetries)
            throttle.failed()
        }
        #expect(allowed == [true, true, true, true, true, false])
    }

    @Test func `an odd number of tokens has a half between two tokens`() {
        var throttle = RetryThrottle(.init(maximumTokens: 1, tokenRatioThousandths: 501))
        throttle.failed()
        let empty = throttle.allowsRetries
        throttle.succeeded()
        let over = throttle.allowsRetries
        #expect(!empty && over)
    }

    @Test func `successes give back the ratio and no more than the maximum`() {
        let configuration = RetryThrottling(maximumTokens: 10, tokenRatioThousandths: 100)
        var throttle = RetryThrottle(configuration)
        for _ in 0..<5 { throttle.failed() }
        let atHalf = throttle.allowsRetries
        throttle.succeeded()
        let overHalf = throttle.allowsRetries
        for _ in 0..<1_000 { throttle.succeeded() }
        #expect(!atHalf && overHalf && throttle == RetryThrottle(configuration))
    }

    @Test func `the tokens never fall below none`() {
        var throttle = RetryThrottle(.init(maximumTokens: 2, tokenRatioThousandths: 1_000))
        for _ in 0..<100 { throttle.failed() }
        throttle.succeeded()
        let atHalf = throttle.allowsRetries
        throttle.succeeded()
        #expect(!atHalf && throttle.allowsRetries)
    }

    @Test func `without a configuration nothing is throttled`() {
        var throttle = RetryThrottle(nil)
        for _ in 0..<100 { throttle.failed() }
        #expect(throttle.allowsRetries)
    }

    /// The attempts of all calls to a server that fails a share of them.
    private static func attempts(
        calls: Int,
        failing share: Double,
        _ allowance: inout RetryAllowance,
        seed: UInt64
    ) -> Int {
        var random = SeededRandom(seed: seed)
        let policy = RetryPolicy(
            maximumAttempts: 5,
            backoff: .init(initial: .zero, multiplier: 1, maximum: .zero),
            retryableStatusCodes: [.unavailable]
        )
        var attempts = 0
        for call in 0..<calls {
            var machine = RetryMachine(policy: policy)
            machine.callStarted(&allowance)
            var isRunning = true
            while isRunning {
                attempts += 1
                let fails = Double.random(in: 0..<1, using: &random) < share
                let action = machine.attemptEnded(
                    AttemptEnd(status: fails ? .unavailable : .ok),
                    allowance: &allowance,
                    now: .milliseconds(call),
                    using: &random
                )
                if case .finish = action { isRunning = false }
            }
            machine.callEnded(&allowance)
        }
        return attempts
    }

    @Test(arguments: 1...20)
    func `throttled retries never exceed their share`(seed: UInt64) {
        // A token lost for each retry and a tenth gained for each success: in the long run at most
        // a tenth of the successes, and at first half of the tokens.
        for share in [0.2, 0.5, 0.9, 1.0] {
            let throttling = RetryThrottling(maximumTokens: 100, tokenRatioThousandths: 100)
            var allowance = RetryAllowance(throttling: throttling)
            let calls = 2_000
            let attempts = Self.attempts(calls: calls, failing: share, &allowance, seed: seed)
            let retries = attempts - calls
            let bound = 50.0 + 0.1 * (1 - share) * Double(attempts) * 1.3
            #expect(Double(retries) <= bound, "seed \(seed), share \(share)")
            #expect(retries > 0, "seed \(seed), share \(share)")
        }
    }

    @Test func `a server that fails little is retried fully`() {
        let throttling = RetryThrottling(maximumTokens: 100, tokenRatioThousandths: 100)
        var allowance = RetryAllowance(throttling: throttling)
        let attempts = Self.attempts(calls: 10_000, failing: 0.05, &allowance, seed: 1)
        // 10,000 / 0.95 attempts.
        #expect((10_400...10_650).contains(attempts))
    }

    // MARK: - The budget

    @Test func `retries in flight are a share of the calls in flight`() {
        var budget = RetryBudget(.init(ratioThousandths: 200, minimumPerSecond: 0))
        for _ in 0..<14 { budget.callStarted() }
        let granted = (0..<4).map { _ in budget.retryRequested(now: .zero) }
        budget.callStarted()
        let more = budget.retryRequested(now: .zero)
        let tooMany = budget.retryRequested(now: .zero)
        budget.retryEnded()
        let next = budget.retryRequested(now: .zero)
        // A fifth of 14 is 2, of 15 is 3.
        #expect(granted == [true, true, false, false])
        #expect(more && !tooMany && next)
    }

    @Test func `past the share a reserve fills with time up to one second's worth`() {
        var budget = RetryBudget(.init(ratioThousandths: 0, minimumPerSecond: 4))
        func granted(_ budget: inout RetryBudget, at now: MonotonicTime) -> Int {
            (0..<10).filter { _ in budget.retryRequested(now: now) }.count
        }
        let first = granted(&budget, at: .seconds(50))
        let none = granted(&budget, at: .milliseconds(50_249))
        let one = granted(&budget, at: .milliseconds(50_250))
        let all = granted(&budget, at: .seconds(500))
        // Time that goes back gives nothing.
        let back = granted(&budget, at: .seconds(400))
        let since = granted(&budget, at: .milliseconds(500_500))
        #expect([first, none, one, all, back, since] == [4, 0, 1, 4, 0, 2])
    }

    @Test func `without a configuration every retry is granted`() {
        var budget = RetryBudget(nil)
        let granted = (0..<100).allSatisfy { _ in budget.retryRequested(now: .zero) }
        #expect(granted)
    }

    @Test(arguments: 1...20)
    func `retries never exceed the share and the rate`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var budget = RetryBudget(.init(ratioThousandths: 250, minimumPerSecond: 5))
        var (calls, retries, overShare) = (0, 0, 0)
        let steps = 20_000
        for step in 0..<steps {
            let now = MonotonicTime.milliseconds(step)
            switch Int.random(in: 0..<5, using: &random) {
            case 0:
                budget.callStarted()
                calls += 1
            case 1 where calls > 0:
                budget.callEnded()
                calls -= 1
            case 2 where retries > 0:
                budget.retryEnded()
                retries -= 1
            default:
                guard budget.retryRequested(now: now) else { continue }
                retries += 1
                if retries * 4 > calls { overShare += 1 }
            }
        }
        // 5 a second for 20 s, and the 5 saved at the start.
        #expect(overShare <= 105, "seed \(seed)")
        #expect(overShare > 50, "seed \(seed)")
    }
}
