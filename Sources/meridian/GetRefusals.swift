import ArgumentParser
import MeridianAPI
import OperatorTools

struct GetRefusals: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "refusals",
        abstract: "Shows which objects proxies refuse, and what they are served instead."
    )

    @OptionGroup var options: GetOptions

    func run() async throws {
        try await options.show("ListRefusals", Meridian_V1_ListRefusalsRequest()) {
            (response: Meridian_V1_ListRefusalsResponse) in
            TextTable(refusals: response.refusals).description
        }
    }
}
