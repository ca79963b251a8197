import ArgumentParser
import Foundation
import GRPC
import Interop
import NIOPosix
import Primitives

/// The client of the gRPC interoperability tests.
@main
struct InteropProgram: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "interop-client",
        abstract: "Runs cases of the gRPC interoperability tests against a server of any language."
    )

    @Option(name: .customLong("server_host"), help: "The host to connect to.")
    var serverHost = "localhost"

    @Option(name: .customLong("server_port"), help: "The port to connect to.")
    var serverPort: UInt16

    @Option(
        name: .customLong("server_host_override"),
        help: "The host to claim to be connecting to, for TLS and :authority."
    )
    var serverHostOverride: String?

    @Option(
        name: .customLong("test_case"),
        help: "The case to run, several with commas between them, or all."
    )
    var testCase = InteropCase.largeUnary.rawValue

    @Option(name: .customLong("use_tls"), help: "Whether the connection is encrypted.")
    var useTLS = false

    @Option(
        name: .customLong("use_test_ca"),
        help: "Whether the gRPC project's test authority replaces those of the system."
    )
    var useTestCA = false

    @Option(name: .customLong("ca_file"), help: "Certificates that replace those of the system.")
    var authorityFile: String?

    static func main() async {
        let arguments = CommandLine.arguments.dropFirst()
        await main(
            FlagArguments.withValues(Array(arguments), booleans: ["use_tls", "use_test_ca"])
        )
    }

    func validate() throws {
        do {
            _ = try InteropCase.named(testCase)
        } catch {
            throw ValidationError("\(error)")
        }
    }

    func run() async throws {
        var configuration = GRPCClientConfiguration()
        configuration.authority = serverHostOverride
        if useTLS {
            let credentials = InteropCredentials(environment: ProcessInfo.processInfo.environment)
            configuration.tls = try credentials.client(
                authority: authorityFile,
                usesTestAuthority: useTestCA,
                expectedHost: serverHostOverride
            )
        }
        let client = GRPCClient(
            addresses: [EndpointAddress(host: serverHost, port: serverPort)],
            configuration: configuration,
            eventLoop: MultiThreadedEventLoopGroup.singleton.next()
        )
        let interop = InteropClient(client: client)
        var failures = 0
        for testCase in try InteropCase.named(testCase) {
            do {
                try await interop.run(testCase)
                print("\(testCase.rawValue): passed")
            } catch {
                print("\(testCase.rawValue): FAILED: \(error)")
                failures += 1
            }
            fflush(nil)
        }
        await client.close()
        if failures > 0 { throw ExitCode(1) }
    }
}
