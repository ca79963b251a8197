import ArgumentParser
import MeridianAPI
import OperatorTools
import ResourceJSON

struct RawGet: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get",
        abstract: "Shows what is set, as JSON that `meridian raw put` takes."
    )

    @OptionGroup var nodes: NodeOptions

    @Option(help: "Only this type.")
    var typeURL: String?

    @Option(help: "Only this name.")
    var name: String?

    @Flag(help: "Only names, types and versions.")
    var names = false

    @OptionGroup var controlPlane: ControlOptions

    func run() async throws {
        let response: Meridian_V1_ListRawResponse = try await controlPlane.call(
            "ListRaw",
            of: "RawResources",
            Meridian_V1_ListRawRequest.with {
                if let selector = nodes.selector { $0.nodes = selector }
                $0.typeURL = typeURL ?? ""
                $0.name = name ?? ""
                $0.excludeContent = names
            }
        )
        print(try prettyJSON(message: response.readyForJSON))
    }
}
