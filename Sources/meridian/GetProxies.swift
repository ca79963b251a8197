import ArgumentParser
import MeridianAPI
import OperatorTools

struct GetProxies: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "proxies",
        abstract: "Shows the connected proxies, and which configuration each has accepted."
    )

    @OptionGroup var options: GetOptions

    func run() async throws {
        try await options.show("ListProxies", Meridian_V1_ListProxiesRequest()) {
            (response: Meridian_V1_ListProxiesResponse) in
            TextTable(proxies: response.proxies).description
        }
    }
}
