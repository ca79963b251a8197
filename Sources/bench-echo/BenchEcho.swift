import ArgumentParser
import GRPC
import Logging
import NIOPosix
import Primitives
import TLS

#if canImport(Glibc)
import Glibc
#endif

/// The echo server that `scripts/bench rpc` measures.
@main
struct BenchEcho: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench-echo",
        abstract: "Answers every message of echo.Echo with its own bytes."
    )

    @Option(help: "The port to listen on; 0 takes a free one.")
    var port: UInt16 = 0

    @Option(help: "Event loop threads.")
    var threads = 1

    @Flag(help: "Serve on the event loop itself instead of in a task for each call.")
    var inline = false

    @Option(name: .customLong("tls-certificate"), help: "A PEM file: serve TLS with this chain.")
    var certificate: String?

    @Option(name: .customLong("tls-key"), help: "The PEM file of its private key.")
    var key: String?

    func run() async throws {
        var configuration = GRPCServerConfiguration()
        if certificate != nil || key != nil {
            let files = TLSCredentialFiles(
                certificateChain: certificate,
                privateKey: key,
                trustRoots: nil
            )
            configuration.tls = TLSServerConfiguration(
                credentials: try TLSCredentials(files: files)
            )
        }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: threads)
        var methods = MethodTable()
        if inline {
            methods.add(
                "echo.Echo",
                "Unary",
                .inlineUnary { message, _ in GRPCFrame(message: message) }
            )
        } else {
            methods.add("echo.Echo", "Unary", .unary { message, _ in GRPCFrame(message: message) })
        }
        methods.add(
            "echo.Echo",
            "Bidi",
            .streaming { call in
                while let message = try await call.next() {
                    try await call.write(GRPCFrame(message: message))
                }
            }
        )
        let server = GRPCServer(
            address: EndpointAddress(host: "127.0.0.1", port: port),
            methods: methods,
            configuration: configuration,
            group: group,
            logger: Logger(label: "bench-echo")
        )
        let address = try await server.start()
        print("ready on \(address)")
        fflush(nil)
        try await server.run()
    }
}
