import ArgumentParser
import OperatorTools
import SwiftProtobuf

struct Get: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows what a control plane knows.",
        subcommands: [
            GetWorkers.self, GetProxies.self, GetMesh.self, GetRefusals.self, GetCounters.self,
        ]
    )
}

/// What every `meridian get` takes.
struct GetOptions: ParsableArguments {
    @Flag(help: "Print JSON for programs.")
    var json = false

    @OptionGroup var controlPlane: ControlOptions

    /// Calls the method, and prints its answer as JSON or as text for people.
    func show<Request: Message, Response: Message>(
        _ method: String,
        _ request: Request,
        text: (Response) -> String
    ) async throws {
        let response: Response = try await controlPlane.call(method, request)
        print(json ? try prettyJSON(message: response) : text(response))
    }
}
