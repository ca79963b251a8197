/// The token bucket of a server name that stops retries when too many calls fail (gRFC A6).
///
/// Integers in thousandths of a token, so that no rounding adds up.
package struct RetryThrottle: Sendable, Equatable {
    /// nil never throttles.
    package init(_ configuration: RetryThrottling?) {
    }

    /// Whether retries and hedges may be sent.
    package var allowsRetries: Bool { true }

    /// A call ended with OK.
    package mutating func succeeded() {}

    /// A call failed in a way that counts (retryable, non-fatal or told not to retry).
    package mutating func failed() {}
}
