import ArgumentParser
import GRPC
import Primitives

/// The client that `scripts/bench rpc` measures.
@main
struct BenchLoad: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench-load",
        abstract: "Calls echo.Echo/Unary as fast as it is answered, and says how fast that was."
    )

    @Option(help: "The port of 127.0.0.1 to call.")
    var port: UInt16

    @Option(help: "Connections, each with a client of its own.")
    var connections = 10

    @Option(help: "Calls at once on each connection.")
    var streams = 100

    @Option(help: "Seconds before anything is counted.")
    var warmUp = 1.0

    @Option(help: "Seconds that count.")
    var seconds = 4.0

    func run() async throws {
        let load = UnaryLoad(
            address: EndpointAddress(host: "127.0.0.1", port: port),
            connections: connections,
            streams: streams
        )
        let result = try await load.run(warmUp: .seconds(warmUp), measured: .seconds(seconds))
        print(
            """
            {"requests": \(result.requests), "seconds": \(result.seconds), \
            "cpu_seconds": \(result.cpuSeconds)}
            """
        )
    }
}
