import ArgumentParser
import MeridianAPI
import OperatorTools

struct Shares: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Divides a service's traffic from one region between regions.",
        usage: """
            meridian shares reports --from eu eu=80 us=20
            meridian shares reports --from eu --nearest
            """
    )

    @Argument(help: "The service.")
    var service: String

    @Option(help: "The region of the callers.")
    var from: String

    @Argument(help: "REGION=PERCENT for each region, 100 in sum.")
    var shares: [String] = []

    @Flag(help: "Go to the nearest region again, whatever the mesh description says.")
    var nearest = false

    @OptionGroup var controlPlane: ControlOptions

    func run() async throws {
        let shares = try ShareArguments(shares, isNearest: nearest)
        let request = Meridian_V1_SetSharesRequest.with {
            $0.service = service
            $0.fromRegion = from
            $0.shares = shares.percentByRegion
        }
        let response: Meridian_V1_SetSharesResponse =
            try await controlPlane.call("SetShares", request)
        print("\(service) from \(from): \(shares) (revision \(response.revision))")
    }
}
