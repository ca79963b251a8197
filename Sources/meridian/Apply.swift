import ArgumentParser
import MeridianAPI
import Mesh
import OperatorTools

struct Apply: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Replaces the mesh description of a running control plane."
    )

    @Option(name: [.short, .long], help: "The mesh description; - is standard input.")
    var file: String

    @Option(
        help: "Applies only if the mesh is still at this revision (`meridian get mesh` shows it)."
    )
    var expectedRevision: UInt64?

    @OptionGroup var controlPlane: ControlOptions

    func validate() throws {
        guard expectedRevision != 0 else {
            throw ValidationError("--expected-revision: expected 1 or more, got 0")
        }
    }

    func run() async throws {
        let source = try SourceFile(path: file)
        _ = try Mesh.parse(source.text, file: source.name)
        let request = Meridian_V1_ApplyMeshRequest.with {
            $0.fileName = source.name
            $0.yaml = source.text
            $0.expectedRevision = expectedRevision ?? 0
        }
        let response: Meridian_V1_ApplyMeshResponse =
            try await controlPlane.call("ApplyMesh", request)
        print("applied \(source.name): revision \(response.revision)")
    }
}
