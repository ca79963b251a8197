import ArgumentParser
import MeridianAPI
import OperatorTools

struct GetMesh: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mesh",
        abstract: "Shows the mesh description as it was applied last, and the shares set since."
    )

    @OptionGroup var options: GetOptions

    func run() async throws {
        try await options.show("GetMesh", Meridian_V1_GetMeshRequest()) {
            (response: Meridian_V1_GetMeshResponse) in response.commentedYAML
        }
    }
}
