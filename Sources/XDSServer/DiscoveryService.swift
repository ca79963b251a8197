package import EnvoyAPI
package import GRPC
package import Logging
import NIOCore
import ServiceLifecycle
import Synchronization
package import XDSCore

/// Why a node gets no view.
package enum RefusedNode: Error {
    /// What the node says of itself makes no scope.
    case invalid(String)
    /// A bound of the control plane is reached.
    case exhausted(String)
}

/// One xDS client as operators see it.
package struct ProxyStatus: Sendable {
    package let nodeID: String
    package let region: String
    package let zone: String
    package let subZone: String
    package let userAgent: String
    package let variant: ProtocolVariant
    package let types: [SubscriptionStatus]
    package let connected: Duration
}

/// The aggregated discovery service, `envoy.service.discovery.v3.AggregatedDiscoveryService`, in
/// both forms.
package final class DiscoveryService: Service {
    private static let name = "envoy.service.discovery.v3.AggregatedDiscoveryService"

    let viewOf: @Sendable (Envoy_Config_Core_V3_Node) throws(RefusedNode) -> PublishedView
    let frames = FrameCache()
    let tally = DiscoveryTally()
    let logger: Logger
    private let streams = Mutex<[ObjectIdentifier: NIOLoopBound<DiscoveryStream>]>([:])

    /// - Parameter viewOf: the view that a node gets, asked on an event loop with the node of a
    ///   stream's first request.
    package init(
        logger: Logger,
        viewOf: @escaping @Sendable (Envoy_Config_Core_V3_Node) throws(RefusedNode) -> PublishedView
    ) {
        self.viewOf = viewOf
        self.logger = logger
    }

    package func register(in methods: inout MethodTable) {
        methods.add(
            Self.name,
            "DeltaAggregatedResources",
            .inlineStreaming { self.open($0, variant: .delta) }
        )
        methods.add(
            Self.name,
            "StreamAggregatedResources",
            .inlineStreaming { self.open($0, variant: .stateOfTheWorld) }
        )
    }

    /// Counters by metric name.
    package var counters: [String: UInt64] {
        tally.values.merging(["xds_streams": UInt64(streams.withLock { $0.count })]) { first, _ in
            first
        }
    }

    /// Ends every stream when the service group shuts down, so that the clients go to another
    /// replica.
    package func run() async throws {
        try await gracefulShutdown()
        let open = streams.withLock { $0.values.map { $0 } }
        for stream in open {
            stream.eventLoop.execute { stream.value.shutDown() }
        }
    }

    private func open(_ call: ServerCall, variant: ProtocolVariant) -> any InlineStreamHandler {
        let stream = DiscoveryStream(call: call, service: self, variant: variant)
        streams.withLock { streams in
            streams[ObjectIdentifier(stream)] = NIOLoopBound(stream, eventLoop: call.eventLoop)
        }
        return stream
    }

    func closed(_ stream: DiscoveryStream) {
        streams.withLock { _ = $0.removeValue(forKey: ObjectIdentifier(stream)) }
    }

    // MARK: - Status

    /// Every connected client, ordered by node id.
    package func proxies() async -> [ProxyStatus] {
        let open = streams.withLock { $0.values.map { $0 } }
        var proxies: [ProxyStatus] = []
        for stream in open {
            // A loop that shuts down answers nothing more; its streams are gone then.
            if let status = try? await stream.eventLoop.submit({ stream.value.status }).get() {
                proxies.append(status)
            }
        }
        return proxies.sorted { ($0.nodeID, $0.connected) < ($1.nodeID, $1.connected) }
    }

    /// Waits until every connected client has accepted what was published before the call, or until
    /// `cap` has passed.
    ///
    /// A client that refused something has not confirmed; one that comes while we wait is not
    /// waited for.
    package func waitUntilConfirmed(cap: Duration) async -> (confirmed: Int, subscribed: Int) {
        let deadline = ContinuousClock.now.advanced(by: cap)
        var open = streams.withLock { $0 }
        let subscribed = open.count
        var confirmed = 0
        while !open.isEmpty {
            for (id, stream) in open {
                let isConfirmed = try? await stream.eventLoop.submit { stream.value.hasConfirmed }
                    .get()
                if isConfirmed ?? true {
                    open[id] = nil
                    confirmed += 1
                }
            }
            guard !open.isEmpty, ContinuousClock.now < deadline else { break }
            try? await Task.sleep(for: Self.confirmationPoll)
        }
        return (confirmed, subscribed)
    }

    private static let confirmationPoll = Duration.milliseconds(5)
}

extension DiscoveryStream {
    /// True when the client has accepted everything of its view, or has gone.
    fileprivate var hasConfirmed: Bool {
        status?.types.allSatisfy { $0.state == .synced } ?? true
    }
}

/// What the discovery streams have done, counted from the start.
final class DiscoveryTally: Sendable {
    private let responses = Atomic<UInt64>(0)
    private let acks = Atomic<UInt64>(0)
    private let nacks = Atomic<UInt64>(0)
    private let violations = Atomic<UInt64>(0)

    func responseSent() { responses.wrappingAdd(1, ordering: .relaxed) }
    func acknowledged() { acks.wrappingAdd(1, ordering: .relaxed) }
    func rejected() { nacks.wrappingAdd(1, ordering: .relaxed) }
    func violated() { violations.wrappingAdd(1, ordering: .relaxed) }

    var values: [String: UInt64] {
        [
            "xds_responses_sent": responses.load(ordering: .relaxed),
            "xds_acks": acks.load(ordering: .relaxed),
            "xds_nacks": nacks.load(ordering: .relaxed),
            "xds_violations": violations.load(ordering: .relaxed),
        ]
    }
}
