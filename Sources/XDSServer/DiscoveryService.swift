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
    /// Nil unless they were asked for.
    package let resources: [ResourceStatus]?
}

/// The discovery services, aggregated and for each type, in both forms of the protocol.
package final class DiscoveryService: Service {
    let viewOf: @Sendable (Envoy_Config_Core_V3_Node) throws(RefusedNode) -> PublishedView
    let answered: @Sendable ([AggregateAnswer], _ nodeID: String) -> Bool
    let configuration: DiscoveryConfiguration
    let frames = FrameCache()
    let tally = DiscoveryTally()
    let oddities = OddityTally()
    let logger: Logger
    let directory: StreamDirectory
    let memories: NodeMemories
    private let isHoldingEndpoints = Atomic(false)

    /// - Parameters:
    ///   - answered: told on an event loop what a node said of resources that are made of several objects;
    ///     true if the node's view may be another since.
    ///   - viewOf: the view that a node gets, asked on an event loop with the node of a stream's first
    ///     request, and again after `viewsMayHaveChanged`.
    package init(
        configuration: DiscoveryConfiguration = DiscoveryConfiguration(),
        logger: Logger,
        answered: @escaping @Sendable ([AggregateAnswer], _ nodeID: String) -> Bool = { _, _ in
            false
        },
        viewOf: @escaping @Sendable (Envoy_Config_Core_V3_Node) throws(RefusedNode) -> PublishedView
    ) {
        self.configuration = configuration
        self.answered = answered
        self.viewOf = viewOf
        self.logger = logger
        self.directory = StreamDirectory(
            maximumStreamsPerNode: configuration.maximumStreamsPerNode
        )
        self.memories = NodeMemories(maximumNodes: configuration.maximumRememberedNodes)
    }

    package func register(in methods: inout MethodTable) {
        for method in DiscoveryMethod.all {
            methods.add(method.service, method.name, .inlineStreaming { self.open($0, method) })
        }
    }

    /// Counters by metric name.
    package var counters: [String: UInt64] {
        let states: [String: UInt64] = [
            "xds_streams": UInt64(directory.count),
            "xds_endpoints_held": areEndpointsProvisional ? 1 : 0,
        ]
        return tally.values.merging(states) { first, _ in first }
            .merging(oddities.values) { first, _ in first }
    }

    var areEndpointsProvisional: Bool { isHoldingEndpoints.load(ordering: .acquiring) }

    /// The views may lack endpoints that exist: clients that come back keep those that they have.
    ///
    /// Call it before anything is served.
    package func endpointsAreProvisional() {
        isHoldingEndpoints.store(true, ordering: .releasing)
    }

    /// The views have all endpoints that are to be expected.
    package func endpointsAreKnown() {
        // A stream is in the directory before it asks, so one that heard otherwise is told.
        isHoldingEndpoints.store(false, ordering: .releasing)
        directory.all.forEachLoop { streams in
            for stream in streams { stream.endpointsAreKnown() }
        }
    }

    /// Renews times to live and keeps watch until the service group shuts down, and then ends every
    /// stream, so that the clients go to another replica.
    package func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask {
                    await self.repeatedly(every: self.configuration.heartbeatTick) {
                        self.renewTimesToLive(now: .now)
                    }
                }
                group.addTask {
                    await self.repeatedly(every: self.configuration.watchdogInterval) {
                        self.directory.all.forEachLoop { streams in
                            for stream in streams { stream.watchdogCame() }
                        }
                    }
                }
            }
        }
        directory.all.forEachLoop { streams in
            for stream in streams { stream.shutDown() }
        }
    }

    private func repeatedly(every interval: Duration, _ body: @Sendable () -> Void) async {
        while (try? await Task.sleep(for: interval)) != nil { body() }
    }

    /// Sends the heartbeats that are due.
    private func renewTimesToLive(now: ContinuousClock.Instant) {
        for view in directory.views { view.renewTimesToLive(now: now) }
    }

    /// Asks for the views of these nodes' streams again, and moves the streams that get another
    /// one.
    ///
    /// Each stream asks and moves on its own event loop, so this returns before they have. A change
    /// that was made before the call is seen. The removals that a move brings are sent last and
    /// after the ACKs, as any.
    ///
    /// - Parameter nodeIDs: the nodes whose view may be another now; all for nil.
    package func viewsMayHaveChanged(of nodeIDs: Set<String>? = nil) {
        directory.streams(of: nodeIDs).forEachLoop { streams in
            for stream in streams { stream.viewMayBeAnother() }
        }
    }

    private func open(_ call: ServerCall, _ method: DiscoveryMethod) -> any InlineStreamHandler {
        let stream = DiscoveryStream(call: call, service: self, method: method)
        directory.insert(stream, on: call.eventLoop)
        return stream
    }

    // MARK: - Status

    /// Every stream of a client, or of one node's, ordered by node id.
    package func proxies(
        of nodeID: String? = nil,
        withResources: Bool = false
    ) async -> [ProxyStatus] {
        let proxies = await directory.streams(of: nodeID.map { [$0] }).answers {
            $0.status(withResources: withResources)
        }
        return proxies.sorted { ($0.nodeID, $0.connected) < ($1.nodeID, $1.connected) }
    }

    /// The nodes of the connected clients, each once, ordered by id; of some nodes, or of all for
    /// nil.
    package func nodes(_ nodeIDs: Set<String>? = nil) async -> [Envoy_Config_Core_V3_Node] {
        var nodes: [String: Envoy_Config_Core_V3_Node] = [:]
        for node in await directory.streams(of: nodeIDs).answers({ $0.node }) {
            nodes[node.id] = node
        }
        return nodes.values.sorted { $0.id < $1.id }
    }

    /// Every connected client that is wanted with the resources of all its streams, ordered by node id.
    func clientStatuses(
        where isWanted: @escaping @Sendable (Envoy_Config_Core_V3_Node) -> Bool
    ) async -> [ClientStatus] {
        let streams = await directory.all.answers { stream -> ClientStatus? in
            guard let node = stream.node, isWanted(node) else { return nil }
            return ClientStatus(node: node, resources: stream.resourceStatuses)
        }
        return ClientStatus.merged(streams)
    }

    /// Waits until every connected client has accepted what was published before the call, or until
    /// `cap` has passed.
    ///
    /// A client that refused something has not confirmed, one that goes has; one that comes while
    /// we wait is not waited for. Nothing is polled: each stream reports when its client's answer
    /// settles it.
    package func waitUntilConfirmed(cap: Duration) async -> (confirmed: Int, subscribed: Int) {
        let open = directory.all
        guard let eventLoop = open.first?.eventLoop else { return (0, 0) }
        let confirmation = Confirmation(expected: open.count)
        open.forEachLoop { streams in
            for stream in streams { stream.report(to: confirmation) }
        }
        let deadline = eventLoop.scheduleTask(in: TimeAmount(cap)) { confirmation.deadlinePassed() }
        let confirmed = await confirmation.wait()
        deadline.cancel()
        return (confirmed, open.count)
    }
}

/// What the discovery streams have done, counted from the start.
final class DiscoveryTally: Sendable {
    private let responses = Atomic<UInt64>(0)
    private let acks = Atomic<UInt64>(0)
    private let nacks = Atomic<UInt64>(0)
    private let violations = Atomic<UInt64>(0)
    private let heartbeats = Atomic<UInt64>(0)
    private let overdueResponses = Atomic<UInt64>(0)
    private let neverAsked = Atomic<UInt64>(0)
    private let viewMoves = Atomic<UInt64>(0)

    func responseSent() { responses.wrappingAdd(1, ordering: .relaxed) }
    func acknowledged() { acks.wrappingAdd(1, ordering: .relaxed) }
    func rejected() { nacks.wrappingAdd(1, ordering: .relaxed) }
    func heartbeatSent() { heartbeats.wrappingAdd(1, ordering: .relaxed) }
    func overdue(neverAsked count: Int) {
        overdueResponses.wrappingAdd(1, ordering: .relaxed)
        neverAsked.wrappingAdd(UInt64(count), ordering: .relaxed)
    }
    func viewMoved() { viewMoves.wrappingAdd(1, ordering: .relaxed) }
    func violated() { violations.wrappingAdd(1, ordering: .relaxed) }

    var values: [String: UInt64] {
        [
            "xds_responses_sent": responses.load(ordering: .relaxed),
            "xds_acks": acks.load(ordering: .relaxed),
            "xds_nacks": nacks.load(ordering: .relaxed),
            "xds_heartbeats_sent": heartbeats.load(ordering: .relaxed),
            "xds_watchdog_unacknowledged": overdueResponses.load(ordering: .relaxed),
            "xds_watchdog_never_asked": neverAsked.load(ordering: .relaxed),
            "xds_view_moves": viewMoves.load(ordering: .relaxed),
            "xds_violations": violations.load(ordering: .relaxed),
        ]
    }
}
