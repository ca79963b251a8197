package import XDSCore

/// The bounds and the rhythm of the discovery services.
package struct DiscoveryConfiguration: Sendable {
    package var streamLimits: StreamLimits
    /// Streams of one node: one for each type, and for each cluster if endpoints have streams of their own.
    package var maximumStreamsPerNode: Int
    /// Waits for confirmations that one stream keeps; the oldest of more runs to its deadline.
    package var maximumPendingConfirmationsPerStream: Int
    /// Lines in the log about responses that one stream refused; further ones are counted only.
    package var maximumLoggedRefusalsPerStream: Int
    /// How often it is looked whether a time to live has to be renewed.
    ///
    /// Each is renewed three times in its span, so spans below three of these are cut short.
    package var heartbeatTick: Duration
    /// Nodes of which a refusal is remembered beyond the end of their streams.
    package var maximumRememberedNodes: Int
    /// How often the watchdog looks for responses without an answer.
    ///
    /// A response is overdue at its second visit, which is before Envoy's own limit for warming, 15 s.
    package var watchdogInterval: Duration

    package init(
        streamLimits: StreamLimits = StreamLimits(),
        maximumStreamsPerNode: Int = 2_000,
        maximumPendingConfirmationsPerStream: Int = 64,
        maximumLoggedRefusalsPerStream: Int = 100,
        heartbeatTick: Duration = .milliseconds(500),
        maximumRememberedNodes: Int = 10_000,
        watchdogInterval: Duration = .seconds(5)
    ) {
        self.streamLimits = streamLimits
        self.maximumStreamsPerNode = maximumStreamsPerNode
        self.maximumPendingConfirmationsPerStream = maximumPendingConfirmationsPerStream
        self.maximumLoggedRefusalsPerStream = maximumLoggedRefusalsPerStream
        self.heartbeatTick = heartbeatTick
        self.maximumRememberedNodes = maximumRememberedNodes
        self.watchdogInterval = watchdogInterval
    }
}
