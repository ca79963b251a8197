import ArgumentParser

@main
struct Meridian: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "meridian",
        abstract: "The operators' tool: what runs, what is configured, and how traffic is divided.",
        discussion: """
            The control plane is reached at --control, or at the addresses in MERIDIAN_CONTROL \
            (separated by commas), or at 127.0.0.1:18000.

            Exit status: 0 when it worked; 1 when a server could not be reached or failed; 2 when \
            what was asked for can't work.
            """,
        subcommands: [
            Bootstrap.self, GRPCBootstrapCommand.self, Check.self, Apply.self, Get.self,
            Shares.self, Raw.self, ConfirmExpiry.self, Report.self, Load.self,
        ]
    )

    /// Runs a command; every error becomes one message and a status in one place.
    static func main() async {
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch {
            exit(withError: exitCode(reporting: error))
        }
    }
}
