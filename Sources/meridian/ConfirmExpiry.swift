import ArgumentParser
import MeridianAPI
import OperatorTools

struct ConfirmExpiry: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Says that a region's SUSPECT workers are dead, and takes them out.",
        discussion: """
            When most workers of a region fall silent together, the control plane takes it for its \
            own deafness and keeps them (`meridian get workers` shows SUSPECT). They return by \
            themselves; this is for those that will not.
            """
    )

    @Option(help: "The region.")
    var region: String

    @Option(help: "Only the workers of this service.")
    var service: String?

    @OptionGroup var controlPlane: ControlOptions

    func run() async throws {
        let request = Meridian_V1_ConfirmExpiryRequest.with {
            $0.region = region
            $0.service = service ?? ""
        }
        let response: Meridian_V1_ConfirmExpiryResponse =
            try await controlPlane.call("ConfirmExpiry", request)
        let workers = response.workerIds.map { printable($0) }
        print("\(workers.count) out: \(workers.joined(separator: ", "))")
    }
}
