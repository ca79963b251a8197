import ArgumentParser
import CommandLine
import Glibc
import NIOPosix
import OperatorTools
import Primitives
import YAML

struct Load: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Sends a steady stream of report requests, and counts what becomes of them.",
        discussion: """
            Calls start on a schedule, whether or not earlier ones have ended, and latency counts \
            from the scheduled start. Calls that fail are a result and no failure of the command.
            """
    )

    @Option(help: "The sidecar or worker to ask, HOST:PORT.")
    var target: EndpointAddress

    @Option(help: "Calls a second.")
    var rate = 300

    @Option(help: "How long calls are started, in seconds.", transform: Duration.init(argument:))
    var duration = Duration.seconds(6)

    @Option(help: "Connections that the calls take in turn.")
    var connections = 4

    @Option(help: "Decides which reports are asked for.")
    var seed: UInt64 = 1

    @Option(help: "Customers in the workers' database, one for 20 orders of the sample.")
    var customers = 5_000

    @Option(help: "The deadline of each call.", transform: Duration.init(argument:))
    var timeout = Duration.seconds(3)

    @Option(help: "Calls under way at once; one that would be more is not sent and has failed.")
    var maxInFlight = 2_000

    @Option(help: "Write the result to this file as JSON; - is standard output.")
    var json: String?

    func validate() throws {
        typealias Limits = LoadConfiguration
        try check(rate, of: "--rate", isIn: Limits.rateRange)
        try check(duration, of: "--duration", isIn: Limits.durationRange, text: durationText)
        try check(connections, of: "--connections", isIn: Limits.connectionsRange)
        try check(customers, of: "--customers", isIn: Limits.customersRange)
        try check(timeout, of: "--timeout", isIn: Limits.timeoutRange, text: durationText)
        try check(maxInFlight, of: "--max-in-flight", isIn: Limits.maximumInFlightRange)
    }

    func run() async throws {
        let generator = LoadGenerator(
            LoadConfiguration(
                target: target,
                rate: rate,
                duration: duration,
                connections: connections,
                seed: seed,
                customers: customers,
                timeout: timeout,
                maximumInFlight: maxInFlight
            ),
            eventLoop: MultiThreadedEventLoopGroup.singleton.any()
        )
        // Opened first: a path that can't be written is found before the load, not after it.
        let output = try json.map { try OutputFile(path: $0) }
        let summary = try await generator.run(unixMilliseconds: Self.unixMilliseconds)
        guard let output else { return print(summary) }
        try output.write((prettyJSON(summary) + "\n").utf8)
    }

    private static func unixMilliseconds() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return time.tv_sec * 1_000 + time.tv_nsec / 1_000_000
    }
}
