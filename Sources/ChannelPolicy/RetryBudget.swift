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

    /// nil grants every retry.
    package init(_ configuration: Configuration?) {
    }

    package mutating func callStarted() {}
    package mutating func callEnded() {}

    /// Whether one more retry may be sent; it then counts until `retryEnded`.
    package mutating func retryRequested(now: MonotonicTime) -> Bool { true }
    package mutating func retryEnded() {}
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
