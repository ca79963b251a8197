import ArgumentParser
import MeridianAPI

struct RawSnapshot: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshot",
        abstract: "Replaces all that is set for these nodes; without resources it removes all.",
        usage: "meridian raw snapshot -f resources.json --node sidecar-7"
    )

    @Option(name: [.short, .long], help: "The resources as JSON; - is standard input.")
    var file: String

    @OptionGroup var options: RawChangeOptions

    func run() async throws {
        var request: Meridian_V1_SetRawSnapshotRequest = try decodedJSON(of: file)
        if let nodes = options.nodes.selector { request.nodes = nodes }
        if let revision = options.expectedRevision { request.expectedRevision = revision }
        if options.allowInconsistent { request.allowInconsistent = true }
        let response: Meridian_V1_SetRawSnapshotResponse = try await options.controlPlane.call(
            "SetRawSnapshot",
            of: "RawResources",
            request
        )
        print("set \(request.resources.count) (revision \(response.revision))")
    }
}
