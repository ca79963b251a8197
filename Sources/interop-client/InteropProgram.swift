import ArgumentParser
import GRPC
import Interop
import NIOPosix
import Primitives

#if canImport(Glibc)
import Glibc
#endif

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
        help: "Whether the certificates of --ca_file replace those of the system."
    )
    var useTestCA = false

    static func main() async {
        let arguments = CommandLine.arguments.dropFirst()
        await main(
            FlagArguments.withValues(Array(arguments), booleans: ["use_tls", "use_test_ca"])
        )
    }

    func validate() throws {
        if useTLS { throw ValidationError("--use_tls is not supported yet") }
        do {
            _ = try InteropCase.named(testCase)
        } catch {
            throw ValidationError("\(error)")
        }
    }

    func run() async throws {
        let client = GRPCClient(
            addresses: [EndpointAddress(host: serverHost, port: serverPort)],
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
