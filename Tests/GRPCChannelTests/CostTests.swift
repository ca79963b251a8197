import CAllocationCounter
import ChannelPolicy
import GRPC
import NIOCore
import NIOPosix
import Testing

@testable import GRPCChannel

/// What a channel costs beside the one connection that it uses.
///
/// The server has a thread of its own, so that what all other threads allocate is the client's.
@Suite(.timeLimit(.minutes(2)), .serialized, .enabled(if: allocation_counting_works()))
struct CostTests {
    private static let calls = 1000

    /// Allocations of the client's event loop for each call.
    private func allocations(
        on group: MultiThreadedEventLoopGroup,
        _ call: () async throws -> Void
    ) async throws -> Double {
        func count() async throws -> UInt64 {
            try await group.next().submit { allocation_count_of_this_thread() }.get()
        }
        for _ in 0..<200 { try await call() }
        let before = try await count()
        for _ in 0..<Self.calls { try await call() }
        return Double(try await count() - before) / Double(Self.calls)
    }

    @Test func `a call over a channel costs the event loop little more than over a connection`()
        async throws
    {
        let server = try await TestServer.start()
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        guard case .ip(let address) = server.address else { return }
        let client = GRPCClient(addresses: [address], eventLoop: group.next())
        let frame = try GRPCFrame(Text("hello"))
        let direct = try await allocations(on: group) {
            let _: Text = try await client.unary("/test.Who/Ask", Text("hello"))
        }
        await client.close()
        let channel = ClientChannel(
            .addresses([server.address]),
            configuration: .testing,
            group: group,
            logger: .silent
        )
        let balanced = try await allocations(on: group) {
            _ = try await channel.unary("/test.Who/Ask", frame: frame)
        }
        channel.close()
        await server.stop()
        try await group.shutdownGracefully()
        print("allocations of the event loop: \(direct) direct, \(balanced) balanced")
        #expect(direct > 1)
        #expect(balanced <= direct + 2)
    }

    @Test func `a pick allocates nothing`() throws {
        let board = PickerBoard(
            serviceConfig: ServiceConfig(),
            configuration: ClientChannelConfiguration(),
            eventLoop: MultiThreadedEventLoopGroup.singleton.next()
        )
        for _ in 0..<10 { _ = board.pick() }
        let before = allocation_count_of_this_thread()
        for _ in 0..<1000 { _ = board.pick() }
        let allocations = allocation_count_of_this_thread() - before
        #expect(allocations <= 10)
    }

    @Test func `the bytes that calls keep for retries have a limit for all of them`() {
        let buffer = RetryBuffer(bytesPerCall: 10, bytesPerChannel: 15)
        let first = buffer.take(10)
        let second = buffer.take(6)
        let third = buffer.take(5)
        buffer.giveBack(10)
        let fourth = buffer.take(10)
        #expect(first && !second && third && fourth)
        #expect(buffer.usedBytes == 15)
    }
}
