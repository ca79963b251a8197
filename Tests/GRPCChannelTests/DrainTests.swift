import ChannelPolicy
import GRPC
import GRPCChannel
import NIOPosix
import Primitives
import Synchronization
import Testing

/// Servers that go away while calls are made.
@Suite(.timeLimit(.minutes(5)))
struct DrainTests {
    private static let roundRobin = #"{"loadBalancingConfig": [{"round_robin": {}}]}"#

    /// What a load of calls has come to.
    private final class Load: Sendable {
        let isOver = Atomic(false)
        let succeeded = Atomic<Int>(0)
        let errors = Mutex<[GRPCError]>([])

        /// Makes calls one after the other until the load is over, or the test has failed.
        func run(_ call: () async throws -> Void) async {
            while !isOver.load(ordering: .relaxed), !Task.isCancelled {
                do {
                    try await call()
                    succeeded.wrappingAdd(1, ordering: .relaxed)
                } catch {
                    let error = error as? GRPCError ?? GRPCError(.unknown, "\(error)")
                    errors.withLock { $0.append(error) }
                }
            }
        }

        /// Returns when `count` more calls have succeeded.
        func progress(_ count: Int) async throws {
            let goal = succeeded.load(ordering: .relaxed) + count
            try await eventually { self.succeeded.load(ordering: .relaxed) >= goal }
        }
    }

    private static let lastHost = Atomic<UInt8>(0)

    /// A free port of a loopback address that no other server uses: on a shared one another test
    /// takes the port while the server is away.
    private static func addressOfItsOwn() -> TransportAddress {
        let host = lastHost.wrappingAdd(1, ordering: .relaxed).newValue
        return .ip(EndpointAddress(host: "127.0.1.\(host)", port: 0))
    }

    /// Listens where a server has just stopped.
    ///
    /// Another test may be starting a program at this moment: until it runs, the child process
    /// holds a copy of the old socket, and the address counts as taken.
    private static func restart(at address: TransportAddress) async throws -> TestServer {
        var server: TestServer?
        try await eventually {
            do {
                server = try await TestServer.start("new", at: address)
            } catch let error as ServerStartError where error.description.contains("in use") {
                return false
            }
            return true
        }
        return try #require(server)
    }

    /// Restarts each server in turn, on its address, while `callers` call.
    private func rollingRestarts(
        config: String,
        rounds: Int,
        callers: Int,
        _ call: @escaping @Sendable (ClientChannel) async throws -> Void
    ) async throws -> (errors: [GRPCError], succeeded: Int, retried: UInt64) {
        var servers: [TestServer] = []
        for name in ["a", "b", "c"] {
            servers.append(try await TestServer.start(name, at: Self.addressOfItsOwn()))
        }
        let addresses = servers.map(\.address)
        let load = Load()
        var retried: UInt64 = 0
        try await withChannel(to: addresses, config) { channel in
            channel.connect()
            try await eventually { channel.state == .ready }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<callers {
                    group.addTask { await load.run { try await call(channel) } }
                }
                for _ in 0..<rounds {
                    for index in servers.indices {
                        try await load.progress(50)
                        await servers[index].stop()
                        try await load.progress(50)
                        servers[index] = try await Self.restart(at: addresses[index])
                    }
                }
                load.isOver.store(true, ordering: .relaxed)
                try await group.waitForAll()
            }
            retried = channel.counter("grpc_channel_transparent_retries")
        }
        for server in servers { await server.stop() }
        let errors = load.errors.withLock { $0 }
        return (errors, load.succeeded.load(ordering: .relaxed), retried)
    }

    @Test(arguments: ["round_robin", "pick_first"])
    func `servers that restart one by one cost no call`(policy: String) async throws {
        let result = try await rollingRestarts(
            config: #"{"loadBalancingConfig": [{"\#(policy)": {}}]}"#,
            rounds: 3,
            callers: 20
        ) { channel in
            _ = try await channel.ask()
        }
        #expect(result.errors == [])
        #expect(result.succeeded >= 900)
    }

    @Test func `servers that restart one by one cost no stream`() async throws {
        let result = try await rollingRestarts(
            config: Self.roundRobin,
            rounds: 2,
            callers: 10
        ) { channel in
            let call = try await channel.open("/test.Who/Chat", timeout: .seconds(50))
            for text in ["1", "2"] {
                try await call.write(text)
                let answer = try await call.read()
                #expect(answer?.hasSuffix(text) == true)
            }
            await call.finishWriting()
            let end = try await call.read()
            #expect(end == nil)
        }
        #expect(result.errors == [])
    }

    @Test func `a call that runs when its server drains is finished there`() async throws {
        let release = Gate()
        let old = try await TestServer.start("old") { _, _, _ in
            await release.wait()
            return "old"
        }
        let new = try await TestServer.start("new")
        try await withChannel(to: [old.address, new.address]) { channel in
            async let held = channel.ask()
            try await eventually { old.calls == 1 }
            async let stopped: Void = old.stop()
            try await eventually { try await channel.askQuickly() == "new" }
            release.open()
            await stopped
            #expect(try await held == "old")
        }
        await new.stop()
    }

    @Test func `closing ends a call on a connection that drains already`() async throws {
        let old = try await TestServer.start("old", drainTimeout: .seconds(50)) { _, _, _ in
            try await waitForCancellation()
            return "never"
        }
        try await withChannel(to: [old.address]) { channel in
            async let held = grpcError { _ = try await channel.ask() }
            try await eventually { old.calls == 1 }
            async let stopped: Void = old.stop()
            try await eventually { channel.state != .ready }
            channel.close()
            let error = await held
            await stopped
            #expect(error?.code == .unavailable)
        }
    }

    @Test func `a closed channel takes no call`() async throws {
        let server = try await TestServer.start()
        try await withChannel(to: [server.address]) { channel in
            _ = try await channel.ask()
            channel.close()
            try await eventually { await grpcError { _ = try await channel.ask() } != nil }
            let error = await grpcError { _ = try await channel.ask(waitForReady: true) }
            #expect(error?.code == .unavailable && error?.message == "the channel is closed")
            try await eventually { server.openConnections == 0 }
        }
        await server.stop()
    }
}
