import ArgumentParser
import FoundationEssentials
import MeridianAPI
import OperatorTools
import ResourceJSON
import SwiftProtobuf

struct RawPut: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "put",
        abstract: "Adds or replaces resources; the others of these nodes stay.",
        usage: """
            meridian raw put -f resources.json --node sidecar-7
            meridian raw put --bytes cluster.bin --type-url type.googleapis.com/… --name web --all
            """
    )

    @Option(name: [.short, .long], help: "The resources as JSON; - is standard input.")
    var file: String?

    @Option(help: "One resource as protobuf's bytes, in place of a file with JSON.")
    var bytes: String?

    @Option(help: "With --bytes: their type.")
    var typeURL: String?

    @Option(help: "With --bytes: the resource's name.")
    var name: String?

    @Option(help: "With --bytes: the version that clients are told.")
    var version: String?

    @OptionGroup var options: RawChangeOptions

    func validate() throws {
        guard (file == nil) != (bytes == nil) else {
            throw ValidationError("expected either --file or --bytes")
        }
        guard (bytes == nil) == (typeURL == nil) else {
            throw ValidationError("--type-url: expected with --bytes, and only there")
        }
    }

    func run() async throws {
        var request = try request()
        if let nodes = options.nodes.selector { request.nodes = nodes }
        if let revision = options.expectedRevision { request.expectedRevision = revision }
        if options.allowInconsistent { request.allowInconsistent = true }
        let response: Meridian_V1_PutRawResponse = try await options.controlPlane.call(
            "PutRaw",
            of: "RawResources",
            request
        )
        print("put \(request.resources.count) (revision \(response.revision))")
    }

    private func request() throws -> Meridian_V1_PutRawRequest {
        guard let bytes, let typeURL else { return try decodedJSON(of: file ?? "-") }
        let content: Data
        do {
            content = try Data(contentsOf: URL(filePath: bytes))
        } catch {
            throw OperatorError(.unusableFile, "\(bytes): can't be read")
        }
        return .with {
            $0.resources = [
                .with {
                    $0.name = name ?? ""
                    $0.version = version ?? ""
                    $0.encoded.typeURL = typeURL
                    $0.encoded.value = content
                }
            ]
        }
    }
}

/// Reads a request from a file with JSON.
func decodedJSON<Request: Message>(of path: String) throws -> Request {
    let source = try SourceFile(path: path)
    do {
        return try ResourceJSON.decode(from: Array(source.text.utf8))
    } catch {
        throw OperatorError(.unusableFile, "\(source.name): \(error)")
    }
}
