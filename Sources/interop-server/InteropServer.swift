import ArgumentParser
import Foundation
import GRPC
import Interop
import Logging
import NIOPosix
import Primitives

/// The server of the gRPC interoperability tests.
@main
struct InteropServer: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "interop-server",
        abstract: "Serves grpc.testing.TestService to the interoperability clients of any language."
    )

    @Option(help: "The address to listen on.")
    var host = "0.0.0.0"

    @Option(help: "The port to listen on; 0 takes a free one.")
    var port: UInt16 = 8080

    @Option(name: .customLong("use_tls"), help: "Whether connections are encrypted.")
    var useTLS = false

    @Option(name: .customLong("tls_cert_file"), help: "The server's certificate chain, in PEM.")
    var certificateFile: String?

    @Option(name: .customLong("tls_key_file"), help: "The key of the certificate, in PEM.")
    var keyFile: String?

    static func main() async {
        let arguments = CommandLine.arguments.dropFirst()
        await main(FlagArguments.withValues(Array(arguments), booleans: ["use_tls"]))
    }

    func run() async throws {
        var methods = MethodTable()
        TestService().register(in: &methods)
        var configuration = GRPCServerConfiguration()
        if useTLS {
            let credentials = InteropCredentials(environment: ProcessInfo.processInfo.environment)
            configuration.tls = try credentials.server(certificate: certificateFile, key: keyFile)
        }
        let server = GRPCServer(
            address: EndpointAddress(host: host, port: port),
            methods: methods,
            configuration: configuration,
            group: MultiThreadedEventLoopGroup(numberOfThreads: 1),
            logger: Logger(label: "interop-server")
        )
        let address = try await server.start()
        print("listening on \(address)")
        fflush(nil)
        try await server.run()
    }
}
