import ArgumentParser
import MeridianAPI
import OperatorTools

struct GetCounters: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "counters",
        abstract: "Shows the control plane's own counters."
    )

    @OptionGroup var options: GetOptions

    func run() async throws {
        try await options.show("GetCounters", Meridian_V1_GetCountersRequest()) {
            (response: Meridian_V1_GetCountersResponse) in
            TextTable(counters: response.counters).description
        }
    }
}
