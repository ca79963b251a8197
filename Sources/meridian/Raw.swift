import ArgumentParser
import MeridianAPI

struct Raw: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Sets Envoy resources as they are, for some of the nodes.",
        discussion: """
            A file has the JSON of meridian.v1.PutRawRequest or SetRawSnapshotRequest, as docs/RAW.md \
            shows it: {"resources": [{"version": "v1", "resource": {"@type": …, …}}]}. The nodes are in \
            the file, or given here.
            """,
        subcommands: [RawPut.self, RawSnapshot.self, RawGet.self, RawRemove.self]
    )
}

/// Which nodes a command is about.
struct NodeOptions: ParsableArguments {
    @Option(help: "The node with this id.")
    var node: String?

    @Option(help: "Nodes of this cluster (node.cluster).")
    var cluster: String?

    @Option(help: "Nodes of this region.")
    var region: String?

    @Option(help: "Nodes of this zone.")
    var zone: String?

    @Option(help: "Nodes of this role (node.metadata.meridian.role).")
    var role: String?

    @Flag(help: "All nodes.")
    var all = false

    /// Nil when nothing is given.
    var selector: Meridian_V1_NodeSelector? {
        let selector = Meridian_V1_NodeSelector.with {
            $0.nodeID = node ?? ""
            $0.cluster = cluster ?? ""
            $0.region = region ?? ""
            $0.zone = zone ?? ""
            $0.role = role ?? ""
            $0.allNodes = all
        }
        return selector == Meridian_V1_NodeSelector() ? nil : selector
    }
}

/// What every change of raw resources takes.
struct RawChangeOptions: ParsableArguments {
    @OptionGroup var nodes: NodeOptions

    @Option(help: "Changes them only if they are still at this revision (`meridian raw get`).")
    var expectedRevision: UInt64?

    @Flag(help: "Takes what does not hold together as it is.")
    var allowInconsistent = false

    @OptionGroup var controlPlane: ControlOptions
}
