/// The bounds of one xDS stream.
///
/// Whatever a client controls has one; going over it ends the stream, unless it says otherwise.
package struct StreamLimits: Hashable, Sendable {
    /// Resource types subscribed to on one stream; Envoy knows about ten.
    package var maximumTypesPerStream: Int
    /// Resource names subscribed to on one stream, over all types; wildcards don't count.
    package var maximumSubscriptionsPerStream: Int
    /// Entries of `initial_resource_versions` in one request.
    package var maximumInitialVersionsPerRequest: Int
    /// UTF-8 bytes of a resource name or type URL.
    package var maximumNameBytes: Int
    /// Responses of one type without an ACK; answers beyond it wait and coalesce.
    package var maximumOutstandingResponsesPerType: Int
    /// Removed resources of one type that are kept until routes are settled; beyond it they stop waiting.
    ///
    /// A client that never answers a route update isn't owed an order for ever.
    package var maximumHeldRemovalsPerType: Int
    /// UTF-8 bytes kept of a NACK's text; Envoy cuts its own at 4,096.
    package var maximumErrorTextBytes: Int
    /// How often the watchdog comes before a response without an answer is overdue.
    package var watchdogTicksUntilOverdue: Int

    package init(
        maximumTypesPerStream: Int = 32,
        maximumSubscriptionsPerStream: Int = 10_000,
        maximumInitialVersionsPerRequest: Int = 50_000,
        maximumNameBytes: Int = 1_024,
        maximumOutstandingResponsesPerType: Int = 8,
        maximumHeldRemovalsPerType: Int = 1_000,
        maximumErrorTextBytes: Int = 4_096,
        watchdogTicksUntilOverdue: Int = 2
    ) {
        self.maximumTypesPerStream = maximumTypesPerStream
        self.maximumSubscriptionsPerStream = maximumSubscriptionsPerStream
        self.maximumInitialVersionsPerRequest = maximumInitialVersionsPerRequest
        self.maximumNameBytes = maximumNameBytes
        self.maximumOutstandingResponsesPerType = maximumOutstandingResponsesPerType
        self.maximumHeldRemovalsPerType = maximumHeldRemovalsPerType
        self.maximumErrorTextBytes = maximumErrorTextBytes
        self.watchdogTicksUntilOverdue = watchdogTicksUntilOverdue
    }
}

/// What a client did that ends its stream.
package struct Violation: Error, Hashable, Sendable, CustomStringConvertible {
    /// Which rule was broken.
    package enum Code: Hashable, Sendable {
        /// The request makes no sense: `INVALID_ARGUMENT`.
        case malformedRequest
        /// A bound of `StreamLimits` was exceeded: `RESOURCE_EXHAUSTED`.
        case limitExceeded
    }

    package let code: Code
    /// What was expected and what came; names the bound and its value.
    package let message: String

    package var description: String { message }

    static func malformed(_ message: String) -> Self {
        Self(code: .malformedRequest, message: message)
    }

    static func exceeded(_ limit: String, of maximum: Int, by actual: Int) -> Self {
        Self(
            code: .limitExceeded,
            message: "\(limit) is \(maximum), but the request brings \(actual)"
        )
    }
}
