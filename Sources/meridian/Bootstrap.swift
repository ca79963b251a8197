import ArgumentParser
import CommandLine
import Mesh
import Primitives
import SidecarBootstrap

struct Bootstrap: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Prints the configuration that an Envoy sidecar starts with."
    )

    @Option(help: "The sidecar's identity, unique for each process.")
    var node: String

    @Option(help: "The region that the sidecar runs in.")
    var region: String

    @Option(help: "The zone inside the region.")
    var zone = ""

    @Option(help: "What kind of client the sidecar is for.")
    var cluster = "report-consumer"

    @OptionGroup var controlPlane: ControlOptions

    @Option(help: "Where the client beside the sidecar sends its calls.")
    var listen = Mesh.defaultSidecarListenAddress

    @Option(help: "Envoy's admin interface.")
    var admin = EndpointAddress(host: "127.0.0.1", port: 15_000)

    func run() throws {
        let values = BootstrapValues(
            nodeID: NodeID(node),
            nodeCluster: cluster,
            locality: Locality(region: RegionName(region), zone: ZoneName(zone)),
            listen: listen,
            admin: admin,
            controlPlanes: try controlPlane.addresses()
        )
        let text = try BootstrapTemplate(BootstrapTemplate.envoyText).filled(with: values)
        print(text, terminator: text.hasSuffix("\n") ? "" : "\n")
    }

    /// One line for each violation, by the flag that it is about.
    static func message(of error: BootstrapError) -> String {
        error.violations.map { violation in
            let flag = violation.field == "control-plane" ? "control" : violation.field
            return "--\(flag): \(violation.message)"
        }
        .joined(separator: "\n")
    }
}
