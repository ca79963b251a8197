import ArgumentParser
import OperatorTools
import SwiftProtobuf

struct Get: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows what a control plane knows.",
        subcommands: [
            GetWorkers.self, GetProxies.self, GetLoads.self, GetMesh.self, GetRefusals.self,
            GetCounters.self,
        ]
    )
}

/// How an answer is printed.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case table
    /// A table with more columns, where there are more.
    case wide
    case json
}

/// What every `meridian get` takes.
struct GetOptions: ParsableArguments {
    @Flag(help: "Print JSON for programs; the same as -o json.")
    var json = false

    @Option(name: .shortAndLong, help: "How the answer is printed: table, wide or json.")
    var output = OutputFormat.table

    @OptionGroup var controlPlane: ControlOptions

    /// Calls the method, and prints its answer as JSON or as text for people.
    func show<Request: Message, Response: Message>(
        _ method: String,
        _ request: Request,
        text: (Response) -> String
    ) async throws {
        let response: Response = try await controlPlane.call(method, request)
        print(json || output == .json ? try prettyJSON(message: response) : text(response))
    }
}
