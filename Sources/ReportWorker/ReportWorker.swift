import GRPC
import GRPCAPI
package import Logging
import MeridianAPI
import NIOCore
import NIOPosix
package import Primitives
import Registry
import ServiceLifecycle
import Synchronization

/// What one worker process is started with.
package struct ReportWorkerConfiguration: Sendable {
    package var id: WorkerID
    package var service: ServiceName
    package var version: String
    package var locality: Locality
    package var listen: EndpointAddress
    /// Where proxies reach the worker; nil means where it listens.
    package var advertise: EndpointAddress?
    package var controlPlanes: [EndpointAddress]
    /// Reports at once without queueing.
    package var capacity: Int
    package var databasePath: String
    /// The database to make when the file is missing; nil means that it must be there.
    package var sample: SampleDatabase?
    package var reportsPath: String

    package init(
        id: WorkerID,
        service: ServiceName,
        version: String,
        locality: Locality,
        listen: EndpointAddress,
        advertise: EndpointAddress?,
        controlPlanes: [EndpointAddress],
        capacity: Int,
        databasePath: String,
        sample: SampleDatabase?,
        reportsPath: String
    ) {
        self.id = id
        self.service = service
        self.version = version
        self.locality = locality
        self.listen = listen
        self.advertise = advertise
        self.controlPlanes = controlPlanes
        self.capacity = capacity
        self.databasePath = databasePath
        self.sample = sample
        self.reportsPath = reportsPath
    }
}

/// A report worker: the database, the gRPC server and the registration, in one process.
package struct ReportWorker: Sendable {
    private let configuration: ReportWorkerConfiguration
    private let logger: Logger

    package init(_ configuration: ReportWorkerConfiguration, logger: Logger) {
        self.configuration = configuration
        self.logger = logger
    }

    /// Serves until SIGTERM or SIGINT, then drains: the endpoint leaves every proxy before the
    /// server stops.
    ///
    /// - Parameter onReady: told the address once the worker holds its first lease.
    package func run(onReady: @escaping @Sendable (EndpointAddress) -> Void) async throws {
        let definitions = try ReportDirectory(path: configuration.reportsPath).definitions()
        if let sample = configuration.sample {
            let outcome = try sample.prepare(at: configuration.databasePath)
            logger.info("the sample database is ready", metadata: ["outcome": "\(outcome)"])
        }
        let databaseThreads = max(2, System.coreCount)
        let engine = try ReportEngine(
            reports: definitions,
            databasePath: configuration.databasePath,
            limits: ReportLimits(maximumConnections: databaseThreads)
        )
        let threads = NIOThreadPool(numberOfThreads: databaseThreads)
        threads.start()
        let reports = ReportService(
            engine: engine,
            threads: threads,
            identity: identity,
            capacity: configuration.capacity
        )
        let health = HealthService()
        let group = MultiThreadedEventLoopGroup.singleton
        let server = GRPCServer(
            address: configuration.listen,
            methods: methods(reports, health),
            group: group,
            logger: logger
        )
        let address = try await server.start()
        health.set(.serving)
        health.set(.serving, for: "meridian.v1.ReportService")
        let isFirst = Mutex(true)
        let registration = RegistrationClient(
            client: GRPCClient(addresses: configuration.controlPlanes, eventLoop: group.next()),
            configuration: .init(registration: registration(at: address)),
            logger: logger,
            report: { .init(load: reports.meter.load, isServing: health.isServing) },
            onLease: { _ in
                if isFirst.withLock({ isFirst in
                    defer { isFirst = false }
                    return isFirst
                }) {
                    onReady(address)
                }
            }
        )
        // The registration is shut down first and so drains while the server still serves.
        let services = ServiceGroup(
            services: [server, health, registration],
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: logger
        )
        try await services.run()
        try await threads.shutdownGracefully()
    }

    private func methods(_ reports: ReportService, _ health: HealthService) -> MethodTable {
        var methods = MethodTable()
        reports.register(in: &methods)
        health.register(in: &methods)
        ReflectionService(files: MeridianDescriptors.files + GRPCDescriptors.files)
            .register(in: &methods)
        return methods
    }

    private var identity: Meridian_V1_ServedBy {
        .with {
            $0.workerID = configuration.id.rawValue
            $0.version = configuration.version
            $0.locality = wireLocality
        }
    }

    private func registration(at address: EndpointAddress) -> Meridian_V1_Registration {
        let reached = configuration.advertise ?? address
        return .with {
            $0.workerID = configuration.id.rawValue
            $0.service = configuration.service.rawValue
            $0.version = configuration.version
            $0.locality = wireLocality
            $0.address = .with {
                $0.host = reached.host
                $0.port = UInt32(reached.port)
            }
            $0.capacity = UInt32(clamping: configuration.capacity)
        }
    }

    private var wireLocality: Meridian_V1_Locality {
        .with {
            $0.region = configuration.locality.region.rawValue
            $0.zone = configuration.locality.zone.rawValue
            $0.subZone = configuration.locality.subZone
        }
    }
}
