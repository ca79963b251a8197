/// The token bucket of a server name that stops retries when too many calls fail (gRFC A6).
///
/// Integers in thousandths of a token, so that no rounding adds up.
package struct RetryThrottle: Sendable, Equatable {
    private let maximum: Int
    private let ratio: Int
    private var tokens: Int

    /// nil never throttles.
    package init(_ configuration: RetryThrottling?) {
        self.maximum = (configuration?.maximumTokens ?? 0) * 1_000
        self.ratio = configuration?.tokenRatioThousandths ?? 0
        self.tokens = maximum
    }

    /// Whether retries and hedges may be sent: more than half of the tokens are there.
    package var allowsRetries: Bool { maximum == 0 || tokens > maximum / 2 }

    /// An attempt ended with OK.
    package mutating func succeeded() {
        tokens = min(tokens + ratio, maximum)
    }

    /// An attempt failed in a way that counts (retryable, non-fatal or told not to retry).
    package mutating func failed() {
        tokens = max(tokens - 1_000, 0)
    }
}
