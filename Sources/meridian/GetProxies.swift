import ArgumentParser
import MeridianAPI
import OperatorTools

struct GetProxies: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "proxies",
        abstract: "Shows the connected proxies, and which configuration each has accepted.",
        discussion: """
            For each type of resource: SYNCED, STALE (sent, and not answered yet; overdue after \
            some seconds), NACKED (refused; the proxy goes on with what it accepted before) or \
            NOT_SENT (waits for another type, or for a resource that doesn't exist), and how many \
            resources the proxy has. Below a proxy stands what it refused, what that was made \
            from, and the first line of its words.
            """
    )

    @Option(help: "Only this proxy, with each of its resources and all of its words.")
    var node: String?

    @OptionGroup var options: GetOptions

    func run() async throws {
        let request = Meridian_V1_ListProxiesRequest.with {
            $0.nodeID = node ?? ""
            $0.withResources = node != nil
        }
        try await options.show("ListProxies", request) {
            (response: Meridian_V1_ListProxiesResponse) in
            let table = TextTable(proxies: response.proxies, isWide: options.output == .wide)
            guard node != nil else { return table.description }
            return "\(table)\n\n\(TextTable(resourcesOf: response.proxies))"
        }
    }
}
