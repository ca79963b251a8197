import ArgumentParser
import GRPC
import MeridianAPI
import NIOPosix
import Primitives
import Synchronization

#if canImport(Glibc)
import Glibc
#endif

/// The workers that `scripts/bench registry` sets on a control plane.
@main
struct BenchRegistry: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench-registry",
        abstract: "Holds many workers with their heartbeats, or registers and leaves all the time."
    )

    @Option(help: "The control plane's port on 127.0.0.1.")
    var port: UInt16

    @Option(help: "Workers to hold, each on a connection of its own; 0 holds none.")
    var hold = 0

    @Option(help: "Loops that register and leave, each on a connection of its own; 0 runs none.")
    var churn = 0

    @Option(help: "Seconds to go on for once all are there.")
    var seconds = 10

    @Option(help: "The lease of the workers that are held, in seconds.")
    var lease = 5

    func run() async throws {
        let fleet = BenchFleet(port: port, lease: lease)
        try await withThrowingDiscardingTaskGroup { group in
            for number in 0..<hold { group.addTask { try await fleet.hold(number) } }
            // All are there before anything is measured.
            while fleet.held < hold { try await Task.sleep(for: .milliseconds(20)) }
            for loop in 0..<churn { group.addTask { try await fleet.churn(loop) } }
            say("ready")
            let before = fleet.counts
            try await Task.sleep(for: .seconds(seconds))
            let after = fleet.counts
            say("heartbeats \(after.heartbeats - before.heartbeats)")
            say("pairs \(after.pairs - before.pairs)")
            say("failures \(after.failures)")
            group.cancelAll()
        }
    }

    private func say(_ line: String) {
        print(line)
        fflush(nil)
    }
}

/// The workers, and what they have done.
private final class BenchFleet: Sendable {
    struct Counts {
        var held = 0
        var heartbeats = 0
        var pairs = 0
        var failures = 0
    }

    private static let method = "/meridian.v1.WorkerRegistry/Register"

    private let address: EndpointAddress
    private let lease: Int
    private let state = Mutex(Counts())

    init(port: UInt16, lease: Int) {
        address = EndpointAddress(host: "127.0.0.1", port: port)
        self.lease = lease
    }

    var counts: Counts { state.withLock { $0 } }
    var held: Int { counts.held }

    /// One worker that stays.
    func hold(_ number: Int) async throws {
        let client = client()
        do {
            let (call, granted) = try await register(
                "held-\(number)",
                host: "10.0.\(number >> 8 & 255).\(number & 255)",
                port: 9_000 + UInt32(number >> 16),
                client
            )
            state.withLock { $0.held += 1 }
            let interval =
                Duration.seconds(granted.heartbeatInterval.seconds)
                + .nanoseconds(Int64(granted.heartbeatInterval.nanos))
            let heartbeat = try GRPCFrame(
                Meridian_V1_RegisterRequest.with {
                    $0.heartbeat.epoch = granted.epoch
                    $0.heartbeat.health = .serving
                    $0.heartbeat.load.utilization = 0.5
                }
            )
            // Not all in one moment, as the workers of a real fleet are not.
            try await Task.sleep(for: interval * Double.random(in: 0...1))
            while true {
                try await call.write(heartbeat)
                guard try await call.next() != nil else { throw CancellationError() }
                state.withLock { $0.heartbeats += 1 }
                try await Task.sleep(for: interval)
            }
        } catch {
            if !Task.isCancelled { failed(error) }
        }
        await client.close()
    }

    /// One loop that registers a new worker, leaves, and so on.
    func churn(_ loop: Int) async throws {
        let client = client()
        var number = 0
        while !Task.isCancelled {
            number += 1
            do {
                let (call, _) = try await register(
                    "churn-\(loop)-\(number)",
                    host: "10.1.\(number >> 8 & 255).\(number & 255)",
                    port: 1_000 + UInt32(loop),
                    client
                )
                call.cancel()
                state.withLock { $0.pairs += 1 }
            } catch {
                if !Task.isCancelled { failed(error) }
            }
        }
        await client.close()
    }

    private func register(
        _ id: String,
        host: String,
        port: UInt32,
        _ client: GRPCClient
    ) async throws -> (ClientCall, Meridian_V1_LeaseGranted) {
        let call = try await client.open(Self.method)
        let request = Meridian_V1_RegisterRequest.with {
            $0.registration.workerID = id
            $0.registration.service = "reports"
            $0.registration.version = "1.0.0"
            $0.registration.locality.region = "eu"
            $0.registration.address.host = host
            $0.registration.address.port = port
            $0.registration.capacity = 64
            $0.registration.lease.seconds = Int64(lease)
        }
        try await call.write(GRPCFrame(request))
        guard let answer = try await call.next() else {
            throw GRPCError(.internal, "no answer to a registration")
        }
        return (call, try Meridian_V1_RegisterResponse(grpcMessage: answer).lease)
    }

    private func client() -> GRPCClient {
        var configuration = GRPCClientConfiguration()
        configuration.connectTimeout = .seconds(30)
        return GRPCClient(
            addresses: [address],
            configuration: configuration,
            eventLoop: MultiThreadedEventLoopGroup.singleton.any()
        )
    }

    private func failed(_ error: any Error) {
        let isFirst = state.withLock { counts in
            counts.failures += 1
            return counts.failures == 1
        }
        if isFirst { print("the first failure: \(error)") }
    }
}
