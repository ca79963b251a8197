import ArgumentParser
import MeridianAPI
import OperatorTools

struct GetWorkers: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "workers",
        abstract: "Shows the registered workers, their state and their load."
    )

    @OptionGroup var options: GetOptions

    func run() async throws {
        try await options.show("ListWorkers", Meridian_V1_ListWorkersRequest()) {
            (response: Meridian_V1_ListWorkersResponse) in
            TextTable(workers: response.workers).description
        }
    }
}
