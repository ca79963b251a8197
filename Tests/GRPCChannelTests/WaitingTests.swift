import ChannelPolicy
import GRPC
import GRPCChannel
import NIOPosix
import Primitives
import Testing

/// Calls and connections that are not there yet, and servers that are unwell.
@Suite(.timeLimit(.minutes(10)))
struct WaitingTests {
    private static let roundRobin = #"{"loadBalancingConfig": [{"round_robin": {}}]}"#

    /// An address where nobody listens until the test starts a server there.
    private func freeAddress() async throws -> TransportAddress {
        let server = try await TestServer.start()
        await server.stop()
        return server.address
    }

    @Test func `a call that does not wait fails with its connection`() async throws {
        let address = try await freeAddress()
        try await withChannel(to: [address]) { channel in
            let error = await grpcError { _ = try await channel.ask() }
            #expect(error?.code == .unavailable)
            #expect(error?.message.contains("\(address)") == true)
        }
    }

    @Test func `a call that waits for ready outlasts failing connections`() async throws {
        let address = try await freeAddress()
        try await withChannel(to: [address]) { channel in
            async let answer = channel.ask(waitForReady: true)
            try await eventually { channel.counter("grpc_subchannel_transient_failure") >= 3 }
            let server = try await TestServer.start("late", at: address)
            #expect(try await answer == "late")
            await server.stop()
        }
    }

    @Test func `a call that waits for ready keeps its deadline`() async throws {
        let address = try await freeAddress()
        try await withChannel(to: [address]) { channel in
            let error = await grpcError {
                _ = try await channel.ask(timeout: .milliseconds(200), waitForReady: true)
            }
            #expect(error?.code == .deadlineExceeded)
        }
    }

    @Test func `a call that waits for ready can be cancelled`() async throws {
        let address = try await freeAddress()
        try await withChannel(to: [address]) { channel in
            let waiting = Task {
                await grpcError { _ = try await channel.ask(waitForReady: true) }
            }
            try await eventually { channel.counter("grpc_subchannel_transient_failure") >= 1 }
            waiting.cancel()
            let error = await waiting.value
            #expect(error?.code == .cancelled)
        }
    }

    @Test func `no more calls wait than may`() async throws {
        let address = try await freeAddress()
        try await withChannel(to: [address], "{}", { $0.maximumWaitingCalls = 2 }) { channel in
            await withTaskGroup(of: GRPCError?.self) { group in
                for _ in 0..<3 {
                    group.addTask {
                        await grpcError { _ = try await channel.ask(waitForReady: true) }
                    }
                }
                let first = await group.next() ?? nil
                #expect(first?.code == .resourceExhausted)
                group.cancelAll()
                for await error in group { #expect(error?.code == .cancelled) }
            }
        }
    }

    @Test func `the service config may say that calls wait for ready`() async throws {
        let config = #"{"methodConfig": [{"name": [{}], "waitForReady": true, "timeout": "0.2s"}]}"#
        let address = try await freeAddress()
        try await withChannel(to: [address], config) { channel in
            let error = await grpcError { _ = try await channel.ask() }
            #expect(error?.code == .deadlineExceeded)
        }
    }

    @Test func `a message past the method's limits is refused`() async throws {
        let config = #"""
            {"methodConfig": [{"name": [{}], "maxRequestMessageBytes": 50,
              "maxResponseMessageBytes": 20}]}
            """#
        let server = try await TestServer.start { _, request, _ in
            request == "long" ? String(repeating: "x", count: 40) : "ok"
        }
        try await withChannel(to: [server.address], config) { channel in
            let fits = try await channel.ask("x")
            let request = await grpcError {
                _ = try await channel.ask(String(repeating: "x", count: 60))
            }
            let response = await grpcError { _ = try await channel.ask("long") }
            #expect(fits == "ok")
            #expect(request?.code == .resourceExhausted)
            #expect(response?.code == .resourceExhausted)
            #expect(server.calls == 2)
        }
        await server.stop()
    }

    @Test func `a name that never resolved fails its calls, and waits for those that do`()
        async throws
    {
        let server = try await TestServer.start("found")
        let resolver = ScriptedResolver()
        resolver.say(.failure(GRPCError(.unavailable, "no such name")))
        try await withChannel(to: [], resolver: resolver) { channel in
            let error = await grpcError { _ = try await channel.ask() }
            async let waiting = channel.ask(waitForReady: true)
            try await eventually { channel.counter("grpc_channel_queued") >= 2 }
            resolver.say([server.address])
            #expect(error?.message == "no such name")
            #expect(try await waiting == "found")
            // A failure later changes nothing.
            resolver.say(.failure(GRPCError(.unavailable, "no such name")))
            #expect(try await channel.ask() == "found")
        }
        await server.stop()
    }

    @Test func `a failed connection asks for the name again`() async throws {
        let resolver = ScriptedResolver([try await freeAddress()])
        try await withChannel(to: [], resolver: resolver) { channel in
            _ = await grpcError { _ = try await channel.ask() }
            try await eventually { resolver.refreshes >= 1 }
        }
    }

    @Test func `the state follows the connections`() async throws {
        let server = try await TestServer.start()
        try await withChannel(to: [server.address]) { channel in
            let before = channel.state
            try await channel.waitUntilReady()
            await server.stop()
            try await channel.wait { $0 != .ready }
            #expect(before == .idle)
            let watcher = Task { try await channel.waitForStateChange(from: channel.state) }
            watcher.cancel()
            await #expect(throws: (any Error).self) {
                try await watcher.value
                throw CancellationError()
            }
        }
    }

    @Test func `no more tasks watch the state than may`() async throws {
        let address = try await freeAddress()
        try await withChannel(to: [address], "{}", { $0.maximumStateWatchers = 2 }) { channel in
            await withTaskGroup(of: GRPCError?.self) { group in
                for _ in 0..<3 {
                    group.addTask {
                        await grpcError { try await channel.waitForStateChange(from: .idle) }
                    }
                }
                let first = await group.next() ?? nil
                group.cancelAll()
                #expect(first?.code == .resourceExhausted)
            }
        }
    }

    // MARK: - Health

    private static let healthChecked = #"""
        {"loadBalancingConfig": [{"round_robin": {}}],
         "healthCheckConfig": {"serviceName": "test.Who"}}
        """#

    @Test func `a server that is not serving gets no calls until it is`() async throws {
        let well = try await TestServer.start("well", servesHealth: true)
        let ill = try await TestServer.start("ill", servesHealth: true)
        well.health.set(.serving, for: "test.Who")
        ill.health.set(.notServing, for: "test.Who")
        let addresses = [well.address, ill.address]
        try await withChannel(to: addresses, Self.healthChecked) { channel in
            channel.connect()
            try await eventually {
                channel.counter("grpc_subchannel_health_checks_failed") == 1
                    && channel.state == .ready
            }
            let whileIll = try await channel.asks(6)
            ill.health.set(.serving, for: "test.Who")
            try await eventually { Set(try await channel.asks(4)) == ["well", "ill"] }
            well.health.set(.notServing, for: "test.Who")
            try await eventually { Set(try await channel.asks(4)) == ["ill"] }
            #expect(whileIll.allSatisfy { $0 == "well" })
        }
        await well.stop()
        await ill.stop()
    }

    @Test func `a server without the health service counts as healthy`() async throws {
        let server = try await TestServer.start("plain")
        try await withChannel(to: [server.address], Self.healthChecked) { channel in
            let answer = try await channel.ask()
            #expect(answer == "plain")
        }
        await server.stop()
    }

    // MARK: - Circuit breakers

    @Test func `a breaker opens after failures and closes after a probe`() async throws {
        let config = #"""
            {"meridianCircuitBreaker": {"perSubchannel": {
              "consecutiveFailures": 3, "openFor": "0.3s", "maxOpenFor": "0.3s"}}}
            """#
        let server = try await TestServer.start { number, _, _ in
            guard number > 3 else { throw GRPCError(.internal, "failure \(number)") }
            return "well"
        }
        try await withChannel(to: [server.address], config) { channel in
            var failures: [String?] = []
            for _ in 0..<3 {
                failures.append(await grpcError { _ = try await channel.ask() }?.message)
            }
            let refused = await grpcError { _ = try await channel.ask() }
            #expect(failures == ["failure 1", "failure 2", "failure 3"])
            #expect(channel.counter("grpc_channel_breaker_openings") == 1)
            // A machine that stood still for longer than the breaker is open lets the call through.
            #expect(refused == nil || refused?.message.contains("circuit breaker") == true)
            try await eventually { await grpcError { _ = try await channel.ask() } == nil }
            #expect(try await channel.ask() == "well")
        }
        await server.stop()
    }

    @Test func `a breaker that is open sends calls to the other servers`() async throws {
        let config = #"""
            {"loadBalancingConfig": [{"round_robin": {}}],
             "meridianCircuitBreaker": {"perSubchannel": {
              "consecutiveFailures": 1, "openFor": "100s", "maxOpenFor": "100s"}}}
            """#
        let ill = try await TestServer.start("ill") { _, _, _ in
            throw GRPCError(.internal, "ill")
        }
        let well = try await TestServer.start("well")
        try await withChannel(to: [ill.address, well.address], config) { channel in
            channel.connect()
            try await eventually { channel.counter("grpc_subchannel_ready") == 2 }
            try await eventually { await grpcError { _ = try await channel.ask() } != nil }
            let answers = try await channel.asks(10)
            #expect(answers.allSatisfy { $0 == "well" })
            #expect(ill.calls == 1)
        }
        await ill.stop()
        await well.stop()
    }

    @Test func `the channel's breaker bounds the calls in flight`() async throws {
        let config = #"{"meridianCircuitBreaker": {"perChannel": {"maxInFlight": 2}}}"#
        let release = Gate()
        let server = try await TestServer.start { _, _, _ in
            await release.wait()
            return "done"
        }
        try await withChannel(to: [server.address], config) { channel in
            try await channel.waitUntilReady()
            async let first = channel.ask()
            async let second = channel.ask()
            try await eventually { server.calls == 2 }
            let third = await grpcError { _ = try await channel.ask() }
            release.open()
            #expect(try await first == "done")
            #expect(try await second == "done")
            #expect(third?.code == .unavailable)
            #expect(third?.message == "the circuit breaker of the channel refuses the call")
            #expect(try await channel.ask() == "done")
        }
        await server.stop()
    }
}
