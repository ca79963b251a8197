import ChannelPolicy
import GRPC
import GRPCChannel
import NIOCore
import Testing

@Suite(.timeLimit(.minutes(10)))
struct RetryTests {
    private func config(attempts: Int = 4, extra: String = "") -> String {
        #"""
        {"methodConfig": [{"name": [{"service": "test.Who"}], "retryPolicy": {
          "maxAttempts": \#(attempts), "initialBackoff": "0.005s", "maxBackoff": "0.01s",
          "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE"]}}]\#(extra)}
        """#
    }

    /// Fails the first `failures` calls, then answers with the attempts that the client counted.
    private func flakyServer(
        _ failures: Int,
        pushback: RetryPushback? = nil
    ) async throws -> TestServer {
        try await TestServer.start { number, _, call in
            guard number <= failures else { return "after \(call.previousAttempts)" }
            try await call.onLoop { call.retryPushback = pushback }
            throw GRPCError(.unavailable, "failure \(number)")
        }
    }

    @Test func `a unary call is retried until it succeeds`() async throws {
        let server = try await flakyServer(2)
        try await withChannel(to: [server.address], config()) { channel in
            let answer = try await channel.ask()
            #expect(answer == "after 2")
            #expect(server.calls == 3)
            #expect(channel.counter("grpc_channel_retries") == 2)
        }
        await server.stop()
    }

    @Test func `the last failure of too many is the call's`() async throws {
        let server = try await flakyServer(100)
        try await withChannel(to: [server.address], config(attempts: 3)) { channel in
            let error = await grpcError { _ = try await channel.ask() }
            #expect(error?.code == .unavailable && error?.message == "failure 3")
            #expect(server.calls == 3)
        }
        await server.stop()
    }

    @Test func `a call without a retry policy is sent once`() async throws {
        let server = try await flakyServer(1)
        try await withChannel(to: [server.address]) { channel in
            let error = await grpcError { _ = try await channel.ask() }
            #expect(error?.message == "failure 1")
            #expect(server.calls == 1)
        }
        await server.stop()
    }

    @Test func `a status that is not retryable is final`() async throws {
        let server = try await TestServer.start { _, _, _ in
            throw GRPCError(.invalidArgument, "no")
        }
        try await withChannel(to: [server.address], config()) { channel in
            let error = await grpcError { _ = try await channel.ask() }
            #expect(error?.code == .invalidArgument)
            #expect(server.calls == 1)
        }
        await server.stop()
    }

    @Test func `a server that pushes back forever is obeyed`() async throws {
        let server = try await flakyServer(1, pushback: .never)
        try await withChannel(to: [server.address], config()) { channel in
            let error = await grpcError { _ = try await channel.ask() }
            #expect(error?.code == .unavailable)
            #expect(server.calls == 1)
            #expect(channel.counter("grpc_channel_retries_refused") == 1)
        }
        await server.stop()
    }

    @Test func `a server that pushes back for a while is retried after it`() async throws {
        let server = try await flakyServer(1, pushback: .after(.milliseconds(300)))
        try await withChannel(to: [server.address], config()) { channel in
            let start = ContinuousClock.now
            let answer = try await channel.ask()
            let took = ContinuousClock.now - start
            #expect(answer == "after 1")
            #expect(took >= .milliseconds(300))
        }
        await server.stop()
    }

    @Test func `the throttle stops retries when too many calls fail`() async throws {
        let throttling = #", "retryThrottling": {"maxTokens": 2, "tokenRatio": 0.1}"#
        let server = try await flakyServer(100)
        try await withChannel(to: [server.address], config(extra: throttling)) { channel in
            let error = await grpcError { _ = try await channel.ask() }
            #expect(error?.code == .unavailable)
            // One failure leaves half of the tokens, which is no more than half.
            #expect(server.calls == 1)
            #expect(channel.counter("grpc_channel_retries_refused") == 1)
        }
        await server.stop()
    }

    @Test func `the deadline of a call holds for all of its attempts`() async throws {
        let server = try await flakyServer(100, pushback: .after(.seconds(60)))
        try await withChannel(to: [server.address], config()) { channel in
            let error = await grpcError { _ = try await channel.ask(timeout: .milliseconds(300)) }
            #expect(error?.code == .deadlineExceeded)
            #expect(server.calls <= 1)
        }
        await server.stop()
    }

    @Test func `a request that is too large to keep is not retried`() async throws {
        let server = try await flakyServer(1)
        try await withChannel(
            to: [server.address],
            config(),
            { $0.retryBufferBytesPerCall = 100 }
        ) { channel in
            let error = await grpcError {
                _ = try await channel.ask(String(repeating: "x", count: 200))
            }
            #expect(error?.message == "failure 1")
            #expect(server.calls == 1)
        }
        await server.stop()
    }

    @Test func `a stream is sent again with all that was written`() async throws {
        let server = try await flakyStreams(2)
        try await withChannel(to: [server.address], config()) { channel in
            let call = try await channel.open("/test.Who/Collect", timeout: .seconds(50))
            for text in ["x", "y", "z"] { try await call.write(text) }
            await call.finishWriting()
            let answer = try await call.read()
            let end = try await call.read()
            #expect(answer == "x,y,z after 2" && end == nil)
            #expect(server.calls == 3)
            #expect(channel.counter("grpc_channel_retries") == 2)
            #expect(channel.counter("grpc_client_calls_ok") == 1)
        }
        await server.stop()
    }

    @Test func `a stream that outgrew its buffer is not retried`() async throws {
        let server = try await flakyStreams(1)
        try await withChannel(
            to: [server.address],
            config(),
            { $0.retryBufferBytesPerCall = 100 }
        ) { channel in
            let call = try await channel.open("/test.Who/Collect", timeout: .seconds(50))
            for _ in 0..<10 { try await call.write(String(repeating: "x", count: 30)) }
            await call.finishWriting()
            let error = await grpcError { _ = try await call.read() }
            #expect(error?.code == .unavailable)
            #expect(server.calls == 1)
        }
        await server.stop()
    }

    @Test func `a stream that has begun to answer is not retried`() async throws {
        let server = try await TestServer.start { number, request, _ in
            if request == "fail" { throw GRPCError(.unavailable, "failure \(number)") }
            return request
        }
        try await withChannel(to: [server.address], config()) { channel in
            let call = try await channel.open("/test.Who/Chat", timeout: .seconds(50))
            try await call.write("x")
            let first = try await call.read()
            try await call.write("fail")
            let error = await grpcError { _ = try await call.read() }
            #expect(first == "x")
            #expect(error?.message == "failure 1")
            #expect(server.calls == 1)
        }
        await server.stop()
    }

    @Test func `a stream that is cancelled between two attempts ends`() async throws {
        let server = try await flakyStreams(100, pushback: .after(.seconds(60)))
        try await withChannel(to: [server.address], config()) { channel in
            let call = try await channel.open("/test.Who/Collect", timeout: .seconds(100))
            await call.finishWriting()
            try await eventually { channel.counter("grpc_channel_retries") == 1 }
            call.cancel()
            let error = await grpcError { _ = try await call.read() }
            #expect(error?.code == .cancelled)
            #expect(channel.counter("grpc_client_calls_cancelled") == 1)
        }
        await server.stop()
    }

    /// The same with streams of requests.
    private func flakyStreams(
        _ failures: Int,
        pushback: RetryPushback? = nil
    ) async throws -> TestServer {
        try await TestServer.start { number, request, call in
            guard number <= failures else { return "\(request) after \(call.previousAttempts)" }
            try await call.onLoop { call.retryPushback = pushback }
            throw GRPCError(.unavailable, "failure \(number)")
        }
    }

    // MARK: - Hedging

    private static let hedging = #"""
        {"loadBalancingConfig": [{"round_robin": {}}],
         "methodConfig": [{"name": [{"service": "test.Who"}], "hedgingPolicy": {
          "maxAttempts": 3, "hedgingDelay": "0.05s", "nonFatalStatusCodes": ["UNAVAILABLE"]}}]}
        """#

    @Test func `a hedged call takes the answer of the server that is not stuck`() async throws {
        let stuck = try await TestServer.start("stuck") { _, _, _ in
            try await waitForCancellation()
            return "never"
        }
        let fast = try await TestServer.start("fast")
        try await withChannel(to: [stuck.address, fast.address], Self.hedging) { channel in
            channel.connect()
            try await eventually { channel.counter("grpc_subchannel_ready") == 2 }
            let answers = try await channel.asks(6)
            #expect(answers.allSatisfy { $0 == "fast" })
            #expect(stuck.calls > 0)
            #expect(channel.counter("grpc_channel_hedges") > 0)
        }
        await stuck.stop()
        await fast.stop()
    }

    @Test func `a hedged call goes on at once when an attempt fails and may`() async throws {
        let server = try await flakyServer(2)
        try await withChannel(to: [server.address], Self.hedging) { channel in
            let answer = try await channel.ask()
            #expect(answer.hasPrefix("after "))
        }
        await server.stop()
    }

    @Test func `a hedged call ends with a fatal failure`() async throws {
        let server = try await TestServer.start { number, _, _ in
            throw GRPCError(.invalidArgument, "failure \(number)")
        }
        try await withChannel(to: [server.address], Self.hedging) { channel in
            let error = await grpcError { _ = try await channel.ask() }
            #expect(error?.code == .invalidArgument)
        }
        await server.stop()
    }
}
