import ArgumentParser
import CommandLine
import ControlPlane
import GRPC
import Logging
import Primitives
import Telemetry
import YAML

@main
struct MeridianControl: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "meridian-control",
        abstract:
            "The control plane: xDS for sidecars, the worker registry and the admin API on one port."
    )

    @Option(
        help:
            "The mesh description that a new store begins with; later ones come by `meridian apply`."
    )
    var mesh: String?

    @Option(help: "The address to serve on, HOST:PORT; port 0 takes a free one.")
    var listen = ListenAddress(address: EndpointAddress(host: "127.0.0.1", port: 18000))

    @Option(help: "Where the embedded store keeps its file; made when it is missing.")
    var dataDir = "meridian-data"

    @Option(
        help: """
            The shared store of several control planes, etcd://HOST:PORT,HOST:PORT; without it the \
            embedded one in --data-dir is used.
            """
    )
    var store: String?

    @Option(
        name: .customLong("admin-http"),
        help: """
            Serves the admin API as JSON over HTTP too, at HOST:PORT. It knows no users: keep it on \
            loopback, or where only operators are.
            """
    )
    var adminHTTP: ListenAddress?

    @Option(
        help:
            "How often sidecars report their load; an Envoy's report has 61 kB. (default: 10s)",
        transform: MeridianControl.interval
    )
    var loadReportInterval = Duration.seconds(10)

    private static func interval(_ text: String) throws -> Duration {
        let allowed = Duration.seconds(1)...Duration.seconds(600)
        guard let interval = parseDuration(text), allowed.contains(interval) else {
            throw ValidationError("expected a duration from 1s to 600s, got \"\(text)\"")
        }
        return interval
    }

    func run() async throws {
        let control = ControlPlane(
            ControlPlaneConfiguration(
                listen: listen.address,
                dataDirectory: dataDir,
                meshPath: mesh,
                adminHTTP: adminHTTP?.address,
                storeURL: store,
                loadReportInterval: loadReportInterval
            ),
            logger: Logger(label: "meridian-control") { JSONLogHandler(label: $0) }
        )
        do {
            try await control.run { address in announce("meridian-control ready on \(address)") }
        } catch let error as Diagnostics {
            throw failure("\(error)")
        } catch let error as ServerStartError {
            throw failure("meridian-control: \(error)")
        } catch let error as ControlPlaneStartError {
            throw failure("meridian-control: \(error)")
        }
    }
}
