import AdminHTTP
import EnvoyAPI
import Foundation
import GRPC
import GRPCAPI
package import Logging
import Membership
import MeridianAPI
import Mesh
import NIOPosix
package import Primitives
import Registry
import ServiceLifecycle
import Store
import XDSServer
import YAML

/// What one control plane process is started with.
package struct ControlPlaneConfiguration: Sendable {
    package var listen: EndpointAddress
    /// Where the embedded store keeps its file; made when it is missing.
    package var dataDirectory: String
    /// The mesh description for a store that has none yet.
    package var meshPath: String?
    /// Where the admin API is served as JSON over HTTP; nil for nowhere.
    package var adminHTTP: EndpointAddress?
    /// How often proxies are asked for their load.
    package var loadReportInterval: Duration
    /// A shared store, `etcd://host:port,host:port`; nil for the embedded one.
    package var storeURL: String?

    package init(
        listen: EndpointAddress,
        dataDirectory: String,
        meshPath: String?,
        adminHTTP: EndpointAddress? = nil,
        storeURL: String? = nil,
        loadReportInterval: Duration = .seconds(10)
    ) {
        self.listen = listen
        self.dataDirectory = dataDirectory
        self.meshPath = meshPath
        self.adminHTTP = adminHTTP
        self.storeURL = storeURL
        self.loadReportInterval = loadReportInterval
    }
}

/// A control plane that can't be started as it was asked to.
package struct ControlPlaneStartError: Error, CustomStringConvertible {
    package let description: String
}

/// The control plane: xDS, the worker registry and the admin API on one port, over one store.
package struct ControlPlane: Sendable {
    let configuration: ControlPlaneConfiguration
    let logger: Logger

    package init(_ configuration: ControlPlaneConfiguration, logger: Logger) {
        self.configuration = configuration
        self.logger = logger
    }

    /// Serves until SIGTERM or SIGINT.
    ///
    /// Nothing is served before the store has been read, so that no proxy is ever given an emptier
    /// mesh than it had.
    ///
    /// - Parameter onReady: told the address once everything is served.
    package func run(onReady: @escaping @Sendable (EndpointAddress) -> Void) async throws {
        if let url = configuration.storeURL {
            let store = try sharedStore(url)
            try await serve(store, upkeep: [HistoryUpkeep(store: store, logger: logger)], onReady)
        } else {
            // It keeps its history short by itself.
            try await serve(try await embeddedStore(), upkeep: [], onReady)
        }
    }

    private func serve(
        _ store: some Store,
        upkeep: [any ServiceLifecycle.Service],
        _ onReady: @escaping @Sendable (EndpointAddress) -> Void
    ) async throws {
        do {
            try await StoreFormat.prepare(store)
        } catch {
            throw ControlPlaneStartError(description: error.message)
        }
        let loaded = try await loadMesh(store)
        let raw = try await RawCatalog.load(from: store)
        let state = MeshState(
            mesh: loaded.mesh,
            shares: loaded.shares,
            revision: UInt64(loaded.current.revision.rawValue),
            serviceRevisions: loaded.serviceRevisions,
            raw: raw.resources
        )
        let refusals = RefusalObserver(state: state, logger: logger)
        let discovery = DiscoveryService(logger: logger, answered: refusals.answered) {
            node throws(RefusedNode) in
            try state.view(of: node)
        }
        let loads = try LoadReportService(
            configuration: LoadReportConfiguration(interval: configuration.loadReportInterval),
            logger: logger
        ) {
            Set(state.mesh.services.map(\.name.rawValue))
        }
        let registry = WorkerRegistry(
            directory: state.directory,
            store: store,
            observer: EndpointPublisher(state: state, discovery: discovery),
            logger: logger
        )
        let grace = RegistryGrace(
            discovery: discovery,
            span: try await registry.restore() ? nil : loaded.mesh.registryGrace,
            logger: logger
        )
        grace.begin()
        let operators = Operator(
            store: store,
            state: state,
            discovery: discovery,
            registry: registry,
            raw: raw,
            current: loaded.current,
            logger: logger
        )
        let counters = CounterSources()
        let health = HealthService()
        var methods = MethodTable()
        discovery.register(in: &methods)
        ClientStatusService(discovery: discovery).register(in: &methods)
        loads.register(in: &methods)
        RegistrationService(registry: registry).register(in: &methods)
        var admin = AdminMethods(grpc: methods)
        let replica = ReplicaName()
        AdminService(
            operators: operators,
            registry: registry,
            discovery: discovery,
            state: state,
            loads: loads,
            replica: { replica.text },
            counters: { counters.values }
        )
        .register(in: &admin)
        methods = admin.grpc
        health.register(in: &methods)
        ReflectionService(
            files: MeridianDescriptors.files + GRPCDescriptors.files + EnvoyDescriptors.files
        )
        .register(in: &methods)
        let server = GRPCServer(
            address: configuration.listen,
            methods: methods,
            group: MultiThreadedEventLoopGroup.singleton,
            logger: logger
        )
        counters.add { server.counters }
        counters.add { discovery.counters }
        counters.add { registry.counters.values }
        let prober = HealthProber(registry: registry, group: MultiThreadedEventLoopGroup.singleton)
        counters.add { state.quarantineCounters }
        counters.add { loads.counters }
        let address = try await server.start()
        replica.becameKnown("\(address)")
        let adminHTTP = try await startAdminHTTP(admin)
        health.set(.serving)
        onReady(address)
        // The last one is shut down first: the registry ends its streams before the server could
        // break them, so that no worker is taken for dead.
        let services = ServiceGroup(
            services: upkeep
                + [server, health, discovery, loads, prober, registry, grace] + adminHTTP,
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: logger
        )
        try await services.run()
        await store.close()
    }

    private struct Loaded {
        let mesh: Mesh
        let shares: Shares
        /// Of the services that are older than the mesh as it is.
        var serviceRevisions: [ServiceName: UInt64] = [:]
        let current: (fileName: String, yaml: String, revision: Revision)
    }

    /// The store's mesh, or the file's for a store that has none: what operators applied outlives a
    /// restart.
    private func loadMesh(_ store: some Store) async throws -> Loaded {
        let file = try configuration.meshPath.map { try MeshFile(path: $0) }
        let stored = try await store.get(MeshRecords.meshKey)
        if let entry = stored.entries.first {
            let (fileName, yaml) = try MeshRecords.decodeMesh(entry.value)
            if let file, file.yaml != yaml {
                logger.warning(
                    "the store's mesh is used; the file differs: apply it with `meridian apply -f`",
                    metadata: ["file": "\(file.path)", "revision": "\(entry.modRevision)"]
                )
            }
            let mesh = try Mesh.parse(yaml, file: fileName)
            let sharesEntry = try await store.get(MeshRecords.sharesKey).entries.first
            let shares = try sharesEntry.map { try MeshRecords.decodeShares($0.value, mesh: mesh) }
            let revisions = try await store.get(MeshRecords.serviceRevisionsKey).entries.first
            return Loaded(
                mesh: mesh,
                shares: shares ?? Shares(),
                serviceRevisions: MeshRecords.decodeServiceRevisions(revisions?.value ?? []),
                current: (fileName, yaml, entry.modRevision)
            )
        }
        guard let file else {
            throw ControlPlaneStartError(
                description: "the store has no mesh yet: start with --mesh FILE once"
            )
        }
        let mesh = try Mesh.parse(file.yaml, file: file.path)
        let record = try MeshRecords.encode(fileName: file.path, yaml: file.yaml)
        let result = try await store.commit(
            Transaction(
                compares: [.isAbsent(MeshRecords.meshKey)],
                success: [.put(MeshRecords.meshKey, record)]
            )
        )
        // Another replica was first: its mesh is the store's.
        guard result.succeeded else { return try await loadMesh(store) }
        return Loaded(
            mesh: mesh,
            shares: Shares(),
            current: (file.path, file.yaml, result.revision)
        )
    }
}

extension ControlPlane {
    /// The admin API over HTTP, if it is asked for.
    private func startAdminHTTP(
        _ methods: AdminMethods
    ) async throws -> [any ServiceLifecycle.Service] {
        guard let address = configuration.adminHTTP else { return [] }
        let routes = AdminRoutes(methods: methods.json, logger: logger)
        let server = AdminHTTPServer(
            address: address,
            group: MultiThreadedEventLoopGroup.singleton,
            logger: logger
        ) { await routes.answer($0) }
        do {
            let bound = try await server.start()
            logger.info("the admin API is served over HTTP", metadata: ["address": "\(bound)"])
        } catch {
            throw ControlPlaneStartError(
                description: "--admin-http: can't listen on \(address): \(error)"
            )
        }
        return [server]
    }
}

/// A mesh description as it lies on the disk.
private struct MeshFile {
    let path: String
    let yaml: String

    init(path: String) throws {
        self.path = path
        do {
            yaml = try String(contentsOfFile: path, encoding: .utf8)
        } catch {
            throw ControlPlaneStartError(description: "cannot read the mesh file \(path)")
        }
    }
}
