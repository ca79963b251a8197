import ArgumentParser
import MeridianAPI
import OperatorTools

struct GetLoads: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "loads",
        abstract: "Shows the load on clusters, localities and endpoints, as the proxies report it.",
        discussion: """
            Rates are of the last minute. FAILING is how many of the proxies that had an answer or \
            a failure from an endpoint had failures only. METRICS are the means of what the \
            endpoints say of themselves.
            """
    )

    @Argument(help: "Only these clusters; none means all.")
    var clusters: [String] = []

    @OptionGroup var options: GetOptions

    func run() async throws {
        let request = Meridian_V1_ListLoadsRequest.with { $0.clusters = clusters }
        try await options.show("ListLoads", request) {
            (response: Meridian_V1_ListLoadsResponse) in TextTable(loads: response).description
        }
    }
}
