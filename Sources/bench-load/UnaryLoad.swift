import GRPC
import NIOPosix
import Primitives
import Synchronization

/// Unary calls from many tasks at once, over several connections that share one thread.
struct UnaryLoad {
    let address: EndpointAddress
    let connections: Int
    let streams: Int

    /// What was done between the warm-up and the end.
    struct Result {
        let requests: Int
        let seconds: Double
        let cpuSeconds: Double
    }

    /// An answer that is not the request's own bytes.
    struct WrongEcho: Error, CustomStringConvertible {
        let description: String
    }

    /// Where the run is; every caller looks before each call.
    private final class Phase: Sendable {
        private static let warmingUp = 0
        private static let measured = 1
        private static let over = 2

        private let value = Atomic(Phase.warmingUp)

        var isMeasured: Bool { value.load(ordering: .relaxed) == Self.measured }
        var isOver: Bool { value.load(ordering: .relaxed) == Self.over }

        func measure() { value.store(Self.measured, ordering: .relaxed) }
        func end() { value.store(Self.over, ordering: .relaxed) }
    }

    private static let path = "/echo.Echo/Unary"
    // A message with one `bytes` field of 64 bytes, as the other loads send it.
    private static let message: [UInt8] = [0x0a, 64] + (0..<64)

    /// Throws when a call fails or is answered wrongly: the speed of such a server means nothing.
    func run(warmUp: Duration, measured: Duration) async throws -> Result {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let clients = (0..<connections).map { _ in
            GRPCClient(addresses: [address], eventLoop: group.next())
        }
        let phase = Phase()
        let result = try await withThrowingTaskGroup(of: Int.self) { callers in
            for client in clients {
                for _ in 0..<streams {
                    callers.addTask(executorPreference: client.executor) {
                        try await Self.call(client, during: phase)
                    }
                }
            }
            try await Task.sleep(for: warmUp)
            let start = Usage.now()
            phase.measure()
            try await Task.sleep(for: measured)
            phase.end()
            let end = Usage.now()
            let requests = try await callers.reduce(0, +)
            return Result(
                requests: requests,
                seconds: end.clockSeconds - start.clockSeconds,
                cpuSeconds: end.cpuSeconds - start.cpuSeconds
            )
        }
        for client in clients { await client.close() }
        try await group.shutdownGracefully()
        return result
    }

    /// One call after the other; the result is how many ended while it counted.
    private static func call(_ client: GRPCClient, during phase: Phase) async throws -> Int {
        let frame = GRPCFrame(bytes: message)
        var counted = 0
        while !phase.isOver {
            let answer = try await client.unary(path, frame: frame)
            guard answer.readableBytesView.elementsEqual(message) else {
                throw WrongEcho(
                    description: "\(answer.readableBytes) other bytes answered \(message.count)"
                )
            }
            if phase.isMeasured { counted += 1 }
        }
        return counted
    }
}
