import CAllocationCounter
import ChannelPolicy
import GRPC
import HTTP2
import NIOCore
import NIOPosix
import Testing

@testable import GRPCChannel

/// What a channel costs beside the one connection that it uses.
///
/// The server has a thread of its own, so that what all other threads allocate is the client's.
@Suite(.timeLimit(.minutes(10)), .serialized, .enabled(if: allocation_counting_works()))
struct CostTests {
    private static let calls = 1000

    /// Allocations of two event loops for each call: the connection's, and the caller's.
    ///
    /// The caller's task runs on a loop of its own, so that its thread is known.
    private func allocations(
        on group: MultiThreadedEventLoopGroup,
        caller: MultiThreadedEventLoopGroup,
        _ call: @Sendable () async throws -> Void
    ) async throws -> (connection: Double, caller: Double) {
        func count(_ group: MultiThreadedEventLoopGroup) async throws -> UInt64 {
            try await group.next().submit { allocation_count_of_this_thread() }.get()
        }
        let executor = EventLoopExecutor(eventLoop: caller.next())
        return try await withTaskExecutorPreference(executor) {
            for _ in 0..<200 { try await call() }
            let before = (try await count(group), try await count(caller))
            for _ in 0..<Self.calls { try await call() }
            let after = (try await count(group), try await count(caller))
            return (
                connection: Double(after.0 - before.0) / Double(Self.calls),
                caller: Double(after.1 - before.1) / Double(Self.calls)
            )
        }
    }

    @Test func `a call over a channel costs little more than over a connection`() async throws {
        let server = try await TestServer.start()
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let caller = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        guard case .ip(let address) = server.address else { return }
        let client = GRPCClient(addresses: [address], eventLoop: group.next())
        let direct = try await allocations(on: group, caller: caller) {
            let _: Text = try await client.unary("/test.Who/Ask", Text("hello"))
        }
        await client.close()
        let channel = ClientChannel(
            .addresses([server.address]),
            configuration: .testing,
            group: group,
            logger: .silent
        )
        let balanced = try await allocations(on: group, caller: caller) {
            let _: Text = try await channel.unary("/test.Who/Ask", Text("hello"))
        }
        channel.close()
        await server.stop()
        try await group.shutdownGracefully()
        try await caller.shutdownGracefully()
        print("allocations of a call: \(direct) direct, \(balanced) balanced")
        #expect(direct.connection > 1)
        #expect(balanced.connection <= direct.connection + 2)
        #expect(balanced.caller <= direct.caller + 2)
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
