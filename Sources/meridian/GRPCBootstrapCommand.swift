import ArgumentParser
import CommandLine
import Primitives
import SidecarBootstrap

struct GRPCBootstrapCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "grpc-bootstrap",
        abstract: "Prints the configuration of a gRPC client without a sidecar.",
        discussion: """
            Write it to a file, name the file in the client's GRPC_XDS_BOOTSTRAP, and have the client \
            connect to xds:///SERVICE, such as xds:///reports.
            """
    )

    @Option(help: "The client's identity, unique for each process.")
    var node: String

    @Option(help: "The region that the client runs in.")
    var region: String

    @Option(help: "The zone inside the region.")
    var zone = ""

    @Option(help: "What kind of client it is.")
    var cluster = "report-consumer"

    @OptionGroup var controlPlane: ControlOptions

    func run() throws {
        let bootstrap = try GRPCBootstrap(
            nodeID: NodeID(node),
            nodeCluster: cluster,
            locality: Locality(region: RegionName(region), zone: ZoneName(zone)),
            controlPlanes: try controlPlane.addresses()
        )
        print(bootstrap.json, terminator: "")
    }
}
