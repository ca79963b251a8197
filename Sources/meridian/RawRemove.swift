import ArgumentParser
import MeridianAPI

struct RawRemove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Removes resources; those that Meridian makes under the same names come back.",
        usage: "meridian raw remove --node sidecar-7 --type-url type.googleapis.com/… web other"
    )

    @Option(help: "The resources' type.")
    var typeURL: String

    @Argument(help: "Their names.")
    var names: [String]

    @OptionGroup var options: RawChangeOptions

    func run() async throws {
        let response: Meridian_V1_RemoveRawResponse = try await options.controlPlane.call(
            "RemoveRaw",
            of: "RawResources",
            Meridian_V1_RemoveRawRequest.with {
                if let nodes = options.nodes.selector { $0.nodes = nodes }
                $0.resources = names.map { name in
                    .with {
                        $0.typeURL = typeURL
                        $0.name = name
                    }
                }
                $0.expectedRevision = options.expectedRevision ?? 0
                $0.allowInconsistent = options.allowInconsistent
            }
        )
        print("removed \(names.count) (revision \(response.revision))")
    }
}
