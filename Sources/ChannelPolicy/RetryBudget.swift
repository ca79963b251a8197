/// How many retries may run beside the first attempts, so that retries can't multiply an overload.
///
/// A retry is granted while retries in flight stay at or below a share of the calls in flight, as in
/// Envoy; past that a reserve is used that fills at a rate per second, as in Finagle, so that a
/// client with few calls can retry at all.
package struct RetryBudget: Sendable, Equatable {
    package struct Configuration: Hashable, Sendable {
        /// Retries in flight per thousand calls in flight.
        package var ratioThousandths: Int
        /// The retries a second that are granted in any case; also what the reserve holds at most.
        package var minimumPerSecond: Int

        package init(ratioThousandths: Int = 200, minimumPerSecond: Int = 10) {
            self.ratioThousandths = ratioThousandths
            self.minimumPerSecond = minimumPerSecond
        }
    }

    private let configuration: Configuration?
    private var calls = 0
    private var retries = 0
    /// The time for which the rate per second has been saved up, at most a second.
    private var saved: Duration = .seconds(1)
    private var savedUntil: MonotonicTime?

    /// nil grants every retry.
    package init(_ configuration: Configuration?) {
        self.configuration = configuration
    }

    package mutating func callStarted() {
        calls += 1
    }

    package mutating func callEnded() {
        precondition(calls > 0, "a call ends once")
        calls -= 1
    }

    /// Whether one more retry may be sent; it then counts until `retryEnded`.
    package mutating func retryRequested(now: MonotonicTime) -> Bool {
        guard let configuration else {
            retries += 1
            return true
        }
        if (retries + 1) * 1_000 > calls * configuration.ratioThousandths {
            guard tookFromReserve(configuration, now: now) else { return false }
        }
        retries += 1
        return true
    }

    package mutating func retryEnded() {
        precondition(retries > 0, "a retry ends once")
        retries -= 1
    }

    private mutating func tookFromReserve(
        _ configuration: Configuration,
        now: MonotonicTime
    ) -> Bool {
        guard configuration.minimumPerSecond > 0 else { return false }
        if let savedUntil, now > savedUntil { saved = min(saved + (now - savedUntil), .seconds(1)) }
        savedUntil = max(savedUntil ?? now, now)
        let cost = Duration.seconds(1) / configuration.minimumPerSecond
        guard saved >= cost else { return false }
        saved -= cost
        return true
    }
}

/// What all calls of a channel share for their retries: the throttle of A6 and the budget.
///
/// The shell keeps one per channel behind a lock and hands it to the machines of the calls.
package struct RetryAllowance: Sendable, Equatable {
    package var throttle: RetryThrottle
    package var budget: RetryBudget

    package init(throttling: RetryThrottling? = nil, budget: RetryBudget.Configuration? = nil) {
        self.throttle = RetryThrottle(throttling)
        self.budget = RetryBudget(budget)
    }
}
