import EnvoyAPI
package import GRPC
package import Loads
package import Logging
import NIOCore
package import Primitives
import ServiceLifecycle
import SwiftProtobuf
import Synchronization

/// `envoy.service.load_stats.v3.LoadReportingService` (LRS): what clients report of the load that they see.
///
/// Every client is asked for all of its clusters, each endpoint apart.
package final class LoadReportService: Service {
    private static let name = "envoy.service.load_stats.v3.LoadReportingService"

    private typealias BoundStream = NIOLoopBound<LoadReportStream>

    private struct State: ~Copyable {
        var table: LoadTable
        /// The clusters that the control plane has, as of the last slot.
        var known: Set<String>
        var lastReporter: UInt64 = 0
        var streams: [ReporterID: BoundStream] = [:]
    }

    package let configuration: LoadReportConfiguration
    let logger: Logger
    let tally = LoadReportTally()
    /// What every client is asked for.
    let request: GRPCFrame
    private let clusterNames: @Sendable () -> Set<String>
    private let origin = ContinuousClock.now
    private let state: Mutex<State>

    /// - Parameter clusterNames: the clusters that the control plane has, asked once for each slot; others have a
    ///   smaller bound.
    package init(
        configuration: LoadReportConfiguration = LoadReportConfiguration(),
        logger: Logger,
        clusterNames: @escaping @Sendable () -> Set<String>
    ) throws {
        self.configuration = configuration
        self.logger = logger
        self.clusterNames = clusterNames
        request = try GRPCFrame(
            Envoy_Service_LoadStats_V3_LoadStatsResponse.with {
                $0.sendAllClusters = true
                $0.reportEndpointGranularity = true
                $0.loadReportingInterval = .init(rounding: configuration.interval)
            }
        )
        state = Mutex(
            State(table: LoadTable(limits: configuration.limits), known: clusterNames())
        )
    }

    package func register(in methods: inout MethodTable) {
        methods.add(
            Self.name,
            "StreamLoadStats",
            .inlineStreaming { LoadReportStream(call: $0, service: self) }
        )
    }

    /// Forgets what is old until the service group shuts down, and then ends every stream, so that the clients go
    /// to another replica.
    package func run() async throws {
        await cancelWhenGracefulShutdown {
            while (try? await Task.sleep(for: self.configuration.limits.slot)) != nil {
                self.slotPassed()
            }
        }
        let streams = state.withLock { Array($0.streams.values) }
        for stream in streams {
            stream.eventLoop.execute { stream.value.shutDown() }
        }
    }

    private func slotPassed() {
        // Whoever answers may have a lock of its own, and read loads under it: never both at once.
        let known = clusterNames()
        let now = now
        state.withLock { state in
            state.known = known
            state.table.timePassed(now: now)
        }
    }

    // MARK: - Reading

    /// Everything, or only some clusters.
    package func snapshot(clusters: [String]? = nil) -> LoadSnapshot {
        let now = now
        return state.withLock { $0.table.snapshot(now: now, clusters: clusters) }
    }

    /// How each client sees one endpoint of a cluster.
    package func views(of address: EndpointAddress, in cluster: String) -> [ReporterView] {
        state.withLock { $0.table.views(of: address, in: cluster) }
    }

    /// Counters by metric name.
    package var counters: [String: UInt64] {
        let reporters = state.withLock { $0.streams.count }
        return tally.values.merging(["lrs_streams": UInt64(reporters)]) { first, _ in first }
    }

    // MARK: - Streams

    private var now: Duration { origin.duration(to: .now) }

    /// Nil when there are as many reporters as there may be.
    func came(_ stream: LoadReportStream, node: NodeID, on eventLoop: any EventLoop) -> ReporterID?
    {
        let bound = BoundStream(stream, eventLoop: eventLoop)
        let now = now
        return state.withLock { state in
            state.lastReporter += 1
            let id = ReporterID(state.lastReporter)
            switch state.table.reporterCame(id, node: node, now: now) {
            case .welcome:
                state.streams[id] = bound
                return id
            case .refuse: return nil
            }
        }
    }

    func received(_ message: MessageBytes, from id: ReporterID) throws {
        let known = state.withLock { $0.known }
        let report = try LoadReportDecoder.report(in: message, known: known)
        let now = now
        switch state.withLock({ $0.table.received(report, from: id, now: now) }) {
        case .merged(let leftOut): tally.merged(leftOut)
        // The stream has just ended.
        case .ignoreUnknownReporter: break
        }
    }

    func left(_ id: ReporterID) {
        state.withLock { state in
            state.table.reporterLeft(id)
            state.streams[id] = nil
        }
    }
}

/// One client's stream of reports, confined to the call's event loop.
final class LoadReportStream: InlineStreamHandler {
    private let call: ServerCall
    private let service: LoadReportService
    private var id: ReporterID?

    init(call: ServerCall, service: LoadReportService) {
        self.call = call
        self.service = service
    }

    func received(_ message: MessageBytes) throws {
        do {
            guard let id else { return try begin(message) }
            try service.received(message, from: id)
        } catch {
            service.tally.violated()
            throw error
        }
    }

    /// The first request says who reports, and is answered by what is to be reported (`lrs.proto`).
    private func begin(_ message: MessageBytes) throws {
        guard let node = try LoadReportDecoder.node(of: message), !node.id.isEmpty else {
            throw GRPCError(
                .invalidArgument,
                "node.id: expected in the first request of the stream"
            )
        }
        let maximum = service.configuration.limits.maximumNameBytes
        guard node.id.utf8.count <= maximum else {
            throw GRPCError(
                .invalidArgument,
                "node.id: expected at most \(maximum) bytes, got \(node.id.utf8.count)"
            )
        }
        guard let id = service.came(self, node: NodeID(node.id), on: call.eventLoop) else {
            let limit = service.configuration.limits.maximumReporters
            throw GRPCError(.resourceExhausted, "maximumReporters is \(limit)")
        }
        self.id = id
        call.send(service.request)
        service.logger.debug("a proxy reports its load", metadata: ["node": "\(node.id)"])
    }

    func receivedEnd() {
        call.finish(.ok)
    }

    func becameWritable() {
        // One response is all that is ever written.
    }

    func closed() {
        if let id { service.left(id) }
        id = nil
    }

    func shutDown() {
        call.finish(GRPCStatus(.unavailable, "the control plane stops"))
    }
}

/// What came in reports, counted from the start.
final class LoadReportTally: Sendable {
    private let reports = Atomic<UInt64>(0)
    private let malformed = Atomic<UInt64>(0)
    private let beyondBounds = Atomic<UInt64>(0)
    private let violations = Atomic<UInt64>(0)

    func merged(_ leftOut: LoadTable.LeftOut) {
        reports.wrappingAdd(1, ordering: .relaxed)
        malformed.wrappingAdd(UInt64(leftOut.malformed), ordering: .relaxed)
        beyondBounds.wrappingAdd(UInt64(leftOut.beyondBounds), ordering: .relaxed)
    }

    func violated() { violations.wrappingAdd(1, ordering: .relaxed) }

    var values: [String: UInt64] {
        [
            "lrs_reports": reports.load(ordering: .relaxed),
            "lrs_entries_malformed": malformed.load(ordering: .relaxed),
            "lrs_entries_beyond_bounds": beyondBounds.load(ordering: .relaxed),
            "lrs_violations": violations.load(ordering: .relaxed),
        ]
    }
}
