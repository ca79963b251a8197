import GRPC
import Logging
import MeridianAPI
import NIOPosix
import Primitives
import Synchronization
import XDSCore
import XDSServer

/// The discovery services in the tests' own process, with one view that the test fills.
final class ViewServer: Sendable {
    private struct Running {
        let discovery: DiscoveryService
        let view: PublishedView
        let server: GRPCServer
        /// Heartbeats and watchdog; owned here, and cancelled by `stop`.
        let rhythm: Task<Void, any Error>?
    }

    let address: EndpointAddress
    private let running: Mutex<Running?>

    private init(_ running: Running, _ address: EndpointAddress) {
        self.running = Mutex(running)
        self.address = address
    }

    /// - Parameter hasRhythm: false leaves out the heartbeats and the watchdog.
    static func with(
        _ resources: [EncodedResource],
        configuration: DiscoveryConfiguration = DiscoveryConfiguration(),
        hasRhythm: Bool = true,
        _ body: (ViewServer) async throws -> Void
    ) async throws {
        let view = PublishedView(id: ViewID(1))
        _ = view.replace(with: resources)
        let discovery = Self.discovery(view, configuration)
        let (running, address) = try await serve(discovery, view, hasRhythm: hasRhythm, on: nil)
        let server = ViewServer(running, address)
        let result: Result<Void, any Error>
        do {
            result = .success(try await body(server))
        } catch {
            result = .failure(error)
        }
        await server.stop()
        try result.get()
    }

    private static func discovery(
        _ view: PublishedView,
        _ configuration: DiscoveryConfiguration
    ) -> DiscoveryService {
        DiscoveryService(configuration: configuration, logger: silent) { _ in view }
    }

    private static let silent = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

    private static func serve(
        _ discovery: DiscoveryService,
        _ view: PublishedView,
        hasRhythm: Bool,
        on address: EndpointAddress?
    ) async throws -> (Running, EndpointAddress) {
        var methods = MethodTable()
        discovery.register(in: &methods)
        var configuration = GRPCServerConfiguration()
        // Streams never end by themselves, so waiting for them is in vain.
        configuration.http2.drainTimeout = .milliseconds(50)
        let server = GRPCServer(
            address: address ?? EndpointAddress(host: "127.0.0.1", port: 0),
            methods: methods,
            configuration: configuration,
            group: MultiThreadedEventLoopGroup.singleton,
            logger: silent
        )
        let taken = try await server.start()
        let rhythm = hasRhythm ? Task { try await discovery.run() } : nil
        return (Running(discovery: discovery, view: view, server: server, rhythm: rhythm), taken)
    }

    // MARK: - Life

    /// Breaks all connections, and listens no more.
    func stop() async {
        guard let running = running.withLock({ $0.take() }) else { return }
        running.rhythm?.cancel()
        await running.server.shutDown()
    }

    /// Breaks all connections; clients come back to the same server, which knows them.
    func breakConnections(thenServing resources: [EncodedResource]) async throws {
        let last = running.withLock { $0 }
        await stop()
        guard let last else { return }
        _ = last.view.replace(with: resources)
        let (next, _) = try await Self.serve(
            last.discovery,
            last.view,
            hasRhythm: last.rhythm != nil,
            on: address
        )
        running.withLock { $0 = next }
    }

    /// Another server at the same address, which has never heard of anybody.
    func restart(serving resources: [EncodedResource]) async throws {
        let hasRhythm = running.withLock { $0?.rhythm != nil }
        await stop()
        let view = PublishedView(id: ViewID(1))
        _ = view.replace(with: resources)
        let (next, _) = try await Self.serve(
            Self.discovery(view, DiscoveryConfiguration()),
            view,
            hasRhythm: hasRhythm,
            on: address
        )
        running.withLock { $0 = next }
    }

    // MARK: - Changes

    /// The clients get exactly these.
    func publish(_ resources: [EncodedResource]) {
        guard let view = running.withLock({ $0?.view }) else { return }
        if view.replace(with: resources) { view.notifyStreams() }
    }

    // MARK: - What it knows

    var counters: [String: UInt64] {
        running.withLock { $0?.discovery.counters } ?? [:]
    }

    func proxies() async -> [ProxyStatus] {
        guard let discovery = running.withLock({ $0?.discovery }) else { return [] }
        return await discovery.proxies()
    }

    /// Where the one client stands with each type, over all of its streams.
    func states() async -> [String: SubscriptionStatus.State] {
        await proxies().flatMap(\.types).reduce(into: [:]) { $0[$1.typeURL.shortName] = $1.state }
    }

    func rejections() async -> [ResourceName: String] {
        await proxies().flatMap(\.types).flatMap(\.rejections).reduce(into: [:]) {
            $0[$1.name] = $1.rejection.error.message
        }
    }

    /// Waits until the client has accepted all that it is to have.
    func waitUntilSynced(_ types: String..., within limit: Duration = .seconds(30)) async throws {
        let expected = types.isEmpty ? ["cds", "eds", "lds", "rds"] : types
        try await waitUntil("the client to have everything", within: limit) {
            let states = await states()
            return expected.allSatisfy { states[$0] == .synced }
                && states.values.allSatisfy { $0 == .synced }
        }
    }
}

/// Workers in the tests' own process: each answers any report with its name for a region.
struct FakeWorkers {
    let addresses: [EndpointAddress]

    static func with(
        _ names: [String],
        _ body: (FakeWorkers) async throws -> Void
    ) async throws {
        var servers: [GRPCServer] = []
        var addresses: [EndpointAddress] = []
        let result: Result<Void, any Error>
        do {
            for name in names {
                let server = server(name)
                servers.append(server)
                addresses.append(try await server.start())
            }
            result = .success(try await body(FakeWorkers(addresses: addresses)))
        } catch {
            result = .failure(error)
        }
        for server in servers { await server.shutDown() }
        try result.get()
    }

    private static func server(_ name: String) -> GRPCServer {
        var methods = MethodTable()
        methods.inlineUnary("meridian.v1.ReportService", "GenerateReport") {
            (_: Meridian_V1_GenerateReportRequest, _) in
            Meridian_V1_GenerateReportResponse.with { $0.servedBy.locality.region = name }
        }
        var configuration = GRPCServerConfiguration()
        configuration.http2.drainTimeout = .milliseconds(50)
        return GRPCServer(
            address: EndpointAddress(host: "127.0.0.1", port: 0),
            methods: methods,
            configuration: configuration,
            group: MultiThreadedEventLoopGroup.singleton,
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
        )
    }
}
