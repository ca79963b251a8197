import GRPC
import HTTP2
import NIOCore
import NIOPosix
import Primitives
import Testing

/// Our client against servers that do what they should not.
@Suite(.timeLimit(.minutes(10)))
struct BadServerTests {
    private static let responseHeaders = [(":status", "200"), ("content-type", "application/grpc")]

    /// Runs `body` with a client whose server the test plays.
    private func withListener(
        _ configuration: GRPCClientConfiguration = .testing,
        _ body: (RawListener, GRPCClient) async throws -> Void
    ) async throws {
        let listener = try await RawListener.start()
        let client = GRPCClient(
            addresses: [listener.address],
            configuration: configuration,
            eventLoop: MultiThreadedEventLoopGroup.singleton.next()
        )
        let result: Result<Void, any Error>
        do { result = .success(try await body(listener, client)) } catch {
            result = .failure(error)
        }
        await client.close()
        await listener.stop()
        try result.get()
    }

    /// How a unary call ends that is answered with `frames`.
    private func outcome(of frames: [UInt8]...) async throws -> GRPCError? {
        var outcome: GRPCError?
        try await withListener { listener, client in
            async let error = grpcError {
                let _: Text = try await client.unary("/a.B/C", Text("x"))
            }
            let peer = try #require(await listener.accept())
            try await peer.openAsServer()
            _ = await peer.nextFrame(type: 1)
            try await peer.send(Array(frames.joined()))
            outcome = await error
            await peer.close()
        }
        return outcome
    }

    @Test func `a call has the authority of the configuration`() async throws {
        var configuration = GRPCClientConfiguration.testing
        configuration.authority = "echo.example:443"
        try await withListener(configuration) { listener, client in
            async let call = client.open("/a.B/C")
            let peer = try #require(await listener.accept())
            try await peer.openAsServer()
            let opened = try await call
            let request = try #require(await peer.nextFrame(type: 1))
            opened.cancel()
            await peer.close()
            #expect(peer.fields(request)[":authority"] == "echo.example:443")
        }
    }

    @Test func `a connection that is lost makes its calls unavailable`() async throws {
        try await withListener { listener, client in
            async let call = client.open("/a.B/C")
            let peer = try #require(await listener.accept())
            try await peer.openAsServer()
            let opened = try await call
            _ = await peer.nextFrame(type: 1)
            await peer.close()
            let read = await grpcError { _ = try await opened.next() }
            let write = await grpcError { try await opened.write("x") }
            #expect(read?.code == .unavailable)
            #expect(read?.message.hasPrefix("the connection was lost") == true)
            #expect(write?.code == .unavailable)
        }
    }

    @Test(arguments: [
        ("503", GRPCStatusCode.unavailable), ("404", .unimplemented), ("500", .unknown),
    ])
    func `an HTTP error has its code, with a body and without`(
        http: String,
        code: GRPCStatusCode
    ) async throws {
        let bare = try await outcome(of: Wire.headers(1, [(":status", http)], endStream: true))
        let page = try await outcome(
            of: Wire.headers(1, [(":status", http), ("content-type", "text/html")]),
            Wire.data(1, Array("<html>".utf8), endStream: true)
        )
        #expect(bare?.code == code && page?.code == code)
    }

    @Test func `a web page is no gRPC answer`() async throws {
        let error = try await outcome(
            of: Wire.headers(1, [(":status", "200"), ("content-type", "text/html")]),
            Wire.data(1, Array("<html>".utf8), endStream: true)
        )
        #expect(error?.code == .unknown)
    }

    @Test func `an answer that ends without a status is an error`() async throws {
        let data = try await outcome(
            of: Wire.headers(1, Self.responseHeaders),
            Wire.data(1, Wire.message([]), endStream: true)
        )
        let trailers = try await outcome(
            of: Wire.headers(1, Self.responseHeaders),
            Wire.headers(1, [("x", "y")], endStream: true)
        )
        #expect(data?.code == .internal)
        #expect(trailers?.code == .unknown)
    }

    @Test func `an OK without a message is an error of a unary call`() async throws {
        let error = try await outcome(
            of: Wire.headers(1, Self.responseHeaders + [("grpc-status", "0")], endStream: true)
        )
        #expect(error?.code == .internal)
    }

    @Test func `a reset has the code of its reason`() async throws {
        let refused = try await outcome(of: Wire.reset(1, HTTP2ErrorCode.refusedStream.rawValue))
        let calm = try await outcome(of: Wire.reset(1, HTTP2ErrorCode.enhanceYourCalm.rawValue))
        let failed = try await outcome(of: Wire.reset(1, HTTP2ErrorCode.internalError.rawValue))
        #expect(refused?.code == .unavailable)
        #expect(calm?.code == .resourceExhausted)
        #expect(failed?.code == .internal)
    }

    @Test func `a call that a GOAWAY leaves out is unavailable`() async throws {
        let error = try await outcome(of: Wire.goaway(last: 0))
        #expect(error?.code == .unavailable)
    }

    @Test func `informational responses come before the answer`() async throws {
        let error = try await outcome(
            of: Wire.headers(1, [(":status", "103"), ("link", "x")]),
            Wire.headers(1, Self.responseHeaders),
            Wire.data(1, Wire.message([])),
            Wire.headers(1, [("grpc-status", "0")], endStream: true)
        )
        #expect(error == nil)
    }

    @Test func `a status that comes while the client sends ends its stream`() async throws {
        try await withListener { listener, client in
            async let call = client.open("/a.B/C")
            let peer = try #require(await listener.accept())
            try await peer.openAsServer()
            let opened = try await call
            _ = await peer.nextFrame(type: 1)
            try await peer.send(
                Wire.headers(1, Self.responseHeaders + [("grpc-status", "9")], endStream: true)
            )
            let error = await grpcError { _ = try await opened.next() }
            // The server never resets the stream, so the client must.
            let reset = await peer.nextFrame(type: 3)
            let write = await grpcError { try await opened.write("x") }
            #expect(error?.code == .failedPrecondition)
            #expect(reset?.stream == 1 && reset?.errorCode == HTTP2ErrorCode.noError.rawValue)
            #expect(write?.code == .failedPrecondition)
        }
    }

    @Test func `a second message to a unary call is an error and ends the stream`() async throws {
        try await withListener { listener, client in
            async let error = grpcError {
                let _: Text = try await client.unary("/a.B/C", Text("x"))
            }
            let peer = try #require(await listener.accept())
            try await peer.openAsServer()
            _ = await peer.nextFrame(type: 1)
            try await peer.send(
                Wire.headers(1, Self.responseHeaders),
                Wire.data(1, Wire.message([]) + Wire.message([]))
            )
            let reset = await peer.nextFrame(type: 3)
            #expect(await error?.code == .internal)
            #expect(reset?.errorCode == HTTP2ErrorCode.cancel.rawValue)
        }
    }

    @Test func `a call that waits for the connection keeps its deadline`() async throws {
        try await withListener { listener, client in
            let error = await grpcError {
                let _: Text = try await client.unary(
                    "/a.B/C",
                    Text("x"),
                    timeout: .milliseconds(50)
                )
            }
            #expect(error?.code == .deadlineExceeded)
        }
    }

    @Test func `a call that waits for the connection can be cancelled`() async throws {
        try await withListener { listener, client in
            let waiting = Task {
                await grpcError { let _: Text = try await client.unary("/a.B/C", Text("x")) }
            }
            let peer = await listener.accept()
            waiting.cancel()
            #expect(await waiting.value?.code == .cancelled)
            await peer?.close()
        }
    }

    @Test func `a server that is silent after it accepted is given up`() async throws {
        var configuration = GRPCClientConfiguration.testing
        configuration.connectTimeout = .milliseconds(300)
        try await withListener(configuration) { listener, client in
            let error = await grpcError {
                let _: Text = try await client.unary("/a.B/C", Text("x"))
            }
            #expect(error?.code == .unavailable)
            #expect(error?.message.hasPrefix("cannot connect: \(listener.address): ") == true)
        }
    }

    @Test func `a server that hangs up is passed over for the next address`() async throws {
        try await Loopback.run(methods: { EchoMethods.register(in: &$0) }) { loopback in
            let listener = try await RawListener.start()
            let client = GRPCClient(
                addresses: [listener.address, loopback.address],
                configuration: .testing,
                eventLoop: MultiThreadedEventLoopGroup.singleton.next()
            )
            async let answer: Text = client.unary("/test.Echo/Unary", Text("x"))
            let peer = await listener.accept()
            await peer?.close()
            #expect(try await answer.value == "echo x")
            await client.close()
            await listener.stop()
        }
    }

    @Test func `a server that speaks HTTP 1 is unavailable`() async throws {
        try await withListener { listener, client in
            async let error = grpcError {
                let _: Text = try await client.unary("/a.B/C", Text("x"))
            }
            let peer = try #require(await listener.accept())
            try await peer.send(Array("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n".utf8))
            #expect(await error?.code == .unavailable)
        }
    }

    @Test func `a server that falls silent in a call is given up by the keepalive`() async throws {
        var configuration = GRPCClientConfiguration.testing
        configuration.keepaliveInterval = .milliseconds(50)
        configuration.keepaliveTimeout = .milliseconds(50)
        try await withListener(configuration) { listener, client in
            async let error = grpcError { _ = try await client.open("/a.B/C").next() }
            let peer = try #require(await listener.accept())
            // Nothing is sent after this.
            try? await peer.openAsServer()
            #expect(await error?.code == .unavailable)
            #expect(
                await error?.message.hasSuffix("the peer did not answer a keepalive PING") == true
            )
        }
    }
}
