import ArgumentParser
import CommandLine
import GRPC
import Logging
import Primitives
import ReportWorker
import Telemetry
import YAML

@main
struct MeridianWorker: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "meridian-worker",
        abstract:
            "A report worker: registers itself, serves reports, drains when it is told to stop."
    )

    @Option(help: "A control plane's address, HOST:PORT; several are tried in order.")
    var control: [EndpointAddress] = [EndpointAddress(host: "127.0.0.1", port: 18000)]

    @Option(help: "The worker's identity, stable over restarts, such as a pod's name.")
    var id: String

    @Option(help: "The service that the worker belongs to.")
    var service = "reports"

    @Option(help: "The software version that the worker reports.")
    var workerVersion = "0.1.0"

    @Option(help: "The region that the worker runs in.")
    var region: String

    @Option(help: "The zone inside the region.")
    var zone = ""

    @Option(help: "The address to serve on, HOST:PORT; port 0 takes a free one.")
    var listen: ListenAddress = ListenAddress(address: EndpointAddress(host: "127.0.0.1", port: 0))

    @Option(help: "The address that proxies reach the worker at, if it is not where it listens.")
    var advertise: EndpointAddress?

    @Option(help: "Reports at once without queueing.")
    var capacity = 64

    @Option(help: "The report database, a SQLite file.")
    var database: String

    @Option(help: "Makes the sample database with this seed when the file is missing.")
    var seed: UInt64?

    @Option(help: "Orders in the sample database, from 1 to 10,000,000.")
    var orders = 100_000

    @Option(help: "The directory of report definitions.")
    var reports = "xds/examples/reports"

    func validate() throws {
        guard (1...10_000_000).contains(orders) else {
            throw ValidationError("--orders: expected 1 to 10,000,000, got \(orders)")
        }
        guard (1...1_000_000).contains(capacity) else {
            throw ValidationError("--capacity: expected 1 to 1,000,000, got \(capacity)")
        }
    }

    func run() async throws {
        let worker = ReportWorker(
            ReportWorkerConfiguration(
                id: WorkerID(id),
                service: ServiceName(service),
                version: workerVersion,
                locality: Locality(region: RegionName(region), zone: ZoneName(zone)),
                listen: listen.address,
                advertise: advertise,
                controlPlanes: control,
                capacity: capacity,
                databasePath: database,
                sample: seed.map { SampleDatabase(seed: $0, orderCount: orders) },
                reportsPath: reports
            ),
            logger: Logger(label: "meridian-worker") { JSONLogHandler(label: $0) }
        )
        do {
            try await worker.run { address in announce("meridian-worker \(id) ready on \(address)")
            }
        } catch let error as Diagnostics {
            throw failure("\(error)")
        } catch let error as ServerStartError {
            throw failure("meridian-worker: \(error)")
        } catch let error as ReportError {
            throw failure("meridian-worker: \(error)")
        } catch let error as GRPCError {
            throw failure("meridian-worker: \(Self.explanation(of: error))")
        }
    }

    /// Why the registry will not have this worker, now or any more.
    private static func explanation(of error: GRPCError) -> String {
        error.code == .aborted
            ? "another process has this worker's place: \(error.message)"
            : "the control plane refused the registration: \(error.message)"
    }
}
