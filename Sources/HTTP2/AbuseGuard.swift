import NIOCore

/// How often a peer may do what costs it little and us more.
///
/// An honest peer comes nowhere near: gRPC clients PING once in ten seconds at most, or once for each
/// round trip in which we send them data, and that earns them PINGs.
package struct FloodLimits: Hashable, Sendable {
    /// RST_STREAMs (CVE-2023-44487).
    ///
    /// Generous, for a sidecar whose calls all time out at once.
    package var resets = Rate(burst: 10_000, perSecond: 1_000)
    /// PINGs and their acknowledgements (CVE-2019-9512).
    package var pings = Rate(burst: 1_000, perSecond: 100)
    /// SETTINGS and their acknowledgements (CVE-2019-9515).
    package var settings = Rate(burst: 100, perSecond: 10)
    /// PRIORITY frames (CVE-2019-9513).
    package var priorities = Rate(burst: 1_000, perSecond: 100)
    /// WINDOW_UPDATEs; each DATA frame that we send earns ten more.
    package var windowUpdates = Rate(burst: 20_000, perSecond: 10_000)
    /// DATA frames without data that don't end their stream (CVE-2019-9518).
    package var emptyFrames = Rate(burst: 1_000, perSecond: 100)
    /// GOAWAYs and whatever else the library gives no meaning to.
    package var otherFrames = Rate(burst: 1_000, perSecond: 100)
    /// Streams beyond what we allow at once, each refused.
    package var refusedStreams = Rate(burst: 5_000, perSecond: 500)
    /// Streams that we had to reset because the peer broke a rule on them (CVE-2025-8671).
    package var streamErrors = Rate(burst: 1_000, perSecond: 100)

    package init() {}
}

/// Decides when a peer has done too much of something.
struct AbuseGuard {
    /// What a peer can do too often.
    enum Event: CaseIterable {
        case reset
        case ping
        case settings
        case priority
        case windowUpdate
        case emptyFrame
        case otherFrame
        case refusedStream
        case streamError
    }

    private var resets: TokenBucket
    private var pings: TokenBucket
    private var settings: TokenBucket
    private var priorities: TokenBucket
    private var windowUpdates: TokenBucket
    private var emptyFrames: TokenBucket
    private var otherFrames: TokenBucket
    private var refusedStreams: TokenBucket
    private var streamErrors: TokenBucket

    init(_ limits: FloodLimits, now: NIODeadline) {
        resets = TokenBucket(limits.resets, now: now)
        pings = TokenBucket(limits.pings, now: now)
        settings = TokenBucket(limits.settings, now: now)
        priorities = TokenBucket(limits.priorities, now: now)
        windowUpdates = TokenBucket(limits.windowUpdates, now: now)
        emptyFrames = TokenBucket(limits.emptyFrames, now: now)
        otherFrames = TokenBucket(limits.otherFrames, now: now)
        refusedStreams = TokenBucket(limits.refusedStreams, now: now)
        streamErrors = TokenBucket(limits.streamErrors, now: now)
    }

    /// The rule that ends the connection, or nil when the event is within the limits.
    mutating func happened(
        _ event: Event,
        now: @autoclosure () -> NIODeadline
    ) -> EndingRule? {
        switch event {
        case .reset: resets.take(now: now()) ? nil : .resetFlood
        case .ping: pings.take(now: now()) ? nil : .pingFlood
        case .settings: settings.take(now: now()) ? nil : .settingsFlood
        case .priority: priorities.take(now: now()) ? nil : .priorityFlood
        case .windowUpdate: windowUpdates.take(now: now()) ? nil : .windowUpdateFlood
        case .emptyFrame: emptyFrames.take(now: now()) ? nil : .emptyFrameFlood
        case .otherFrame: otherFrames.take(now: now()) ? nil : .otherFrameFlood
        case .refusedStream: refusedStreams.take(now: now()) ? nil : .refusedStreamFlood
        case .streamError: streamErrors.take(now: now()) ? nil : .streamErrorFlood
        }
    }

    /// A peer that gets data has reason to update windows and to measure round trips with PINGs.
    mutating func dataSent() {
        windowUpdates.earn(Self.windowUpdatesPerDataFrame)
        pings.earn(1)
    }

    /// As Envoy has it; gRPC clients send two at most.
    static let windowUpdatesPerDataFrame = 10
}
