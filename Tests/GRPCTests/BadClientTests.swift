import GRPC
import HTTP2
import NIOCore
import Primitives
import Testing

/// Our server against clients that send what they should not.
@Suite(.timeLimit(.minutes(10)))
struct BadClientTests {
    private func withServer(
        _ configuration: GRPCServerConfiguration = .testing,
        _ body: (Loopback) async throws -> Void
    ) async throws {
        try await Loopback.run(
            server: configuration,
            methods: { EchoMethods.register(in: &$0) },
            body: body
        )
    }

    /// The answer to one request on a connection of its own.
    private func response(
        _ loopback: Loopback,
        _ head: [(String, String)],
        body: [UInt8] = [],
        endStream: Bool = true
    ) async throws -> RawPeer.Response {
        let peer = try await RawPeer.connect(to: loopback.address)
        try await peer.openAsClient()
        try await peer.send(Wire.headers(1, head), Wire.data(1, body, endStream: endStream))
        let response = await peer.response(on: 1)
        await peer.close()
        return response
    }

    private let hello = Wire.message([10, 2, 104, 105])

    @Test func `garbage closes its connection and disturbs no other`() async throws {
        try await withServer { loopback in
            let call = try await loopback.client.open("/test.Echo/Bytes")
            try await call.write("before")
            let before = try await call.next()
            let peer = try await RawPeer.connect(to: loopback.address)
            try await peer.send(Array("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8))
            _ = await peer.bytesUntilClosed()
            try await call.write("after")
            let after = try await call.next()
            call.cancel()
            #expect(before.map { String(buffer: $0) } == "before")
            #expect(after.map { String(buffer: $0) } == "after")
            #expect(loopback.server.counters["http2_connections_not_http2"] == 1)
        }
    }

    @Test func `half a preface and silence disturb no other connection`() async throws {
        try await withServer { loopback in
            let peer = try await RawPeer.connect(to: loopback.address)
            try await peer.send(Array(Wire.preface.prefix(12)))
            let answer: Text = try await loopback.client.unary("/test.Echo/Unary", Text("x"))
            try await peer.send(Array(Wire.preface.dropFirst(12)), Wire.settings)
            try await peer.send(
                Wire.headers(1, Wire.request("/test.Echo/Inline")),
                Wire.data(1, hello, endStream: true)
            )
            let late = await peer.response(on: 1)
            await peer.close()
            #expect(answer.value == "echo x")
            #expect(late["grpc-status"] == "0")
        }
    }

    @Test func `another content type is HTTP 415 and another method HTTP 405`() async throws {
        try await withServer { loopback in
            let json = try await response(
                loopback,
                Wire.request("/test.Echo/Unary", [("content-type", "application/json")])
            )
            let get = try await response(
                loopback,
                Wire.request("/test.Echo/Unary", [(":method", "GET")])
            )
            #expect(json[":status"] == "415" && json["grpc-status"] == nil)
            #expect(get[":status"] == "405" && get["grpc-status"] == nil)
            #expect(loopback.server.counters["grpc_calls_started"] == 2)
            #expect(loopback.server.counters["grpc_calls_failed"] == 2)
        }
    }

    @Test func `an unknown encoding is unimplemented and the known ones are told`() async throws {
        try await withServer { loopback in
            let answer = try await response(
                loopback,
                Wire.request("/test.Echo/Unary", [("grpc-encoding", "br")]),
                body: Wire.message([1, 2, 3], flag: 1)
            )
            #expect(answer[":status"] == "200")
            #expect(answer["grpc-status"] == "12")
            #expect(answer["grpc-accept-encoding"] == "identity,deflate,gzip")
            #expect(answer.headers.count == 1)
        }
    }

    @Test func `a header list over the limit is HTTP 431 and the connection stays`() async throws {
        try await withServer { loopback in
            let peer = try await RawPeer.connect(to: loopback.address)
            try await peer.openAsClient()
            // Many fields, so that no frame is too large.
            let fields = (0..<80).map { ("x-\($0)", String(repeating: "v", count: 180)) }
            try await peer.send(
                Wire.headers(1, Wire.request("/test.Echo/Unary") + fields, endStream: true)
            )
            let refused = await peer.response(on: 1)
            try await peer.send(
                Wire.headers(3, Wire.request("/test.Echo/Inline")),
                Wire.data(3, hello, endStream: true)
            )
            let served = await peer.response(on: 3)
            await peer.close()
            #expect(refused[":status"] == "431")
            #expect(served["grpc-status"] == "0")
            #expect(loopback.server.counters["http2_header_lists_too_large"] == 1)
            #expect(loopback.server.counters["grpc_calls_started"] == 1)
        }
    }

    @Test func `streams over the limit are refused and the others served`() async throws {
        var configuration = GRPCServerConfiguration.testing
        configuration.http2.maximumConcurrentStreams = 2
        try await withServer(configuration) { loopback in
            let peer = try await RawPeer.connect(to: loopback.address)
            // Sent before the server's SETTINGS are acknowledged.
            let head = Wire.request("/test.Echo/Bytes")
            try await peer.send(
                Wire.preface,
                Wire.settings,
                Wire.headers(1, head),
                Wire.headers(3, head),
                Wire.headers(5, head)
            )
            let reset = await peer.nextFrame(type: 3)
            try await peer.send(Wire.data(1, [], endStream: true))
            let served = await peer.response(on: 1)
            await peer.close()
            #expect(reset?.stream == 5 && reset?.errorCode == HTTP2ErrorCode.refusedStream.rawValue)
            #expect(served["grpc-status"] == "0")
        }
    }

    @Test func `a client that knows the limit and breaks it keeps its connection`() async throws {
        var configuration = GRPCServerConfiguration.testing
        configuration.http2.maximumConcurrentStreams = 1
        try await withServer(configuration) { loopback in
            let peer = try await RawPeer.connect(to: loopback.address)
            try await peer.openAsClient()
            let head = Wire.request("/test.Echo/Bytes")
            try await peer.send(Wire.headers(1, head), Wire.headers(3, head))
            let reset = await peer.nextFrame(type: 3)
            try await peer.send(Wire.data(1, [], endStream: true))
            let served = await peer.response(on: 1)
            await peer.close()
            #expect(reset?.stream == 3 && reset?.errorCode == HTTP2ErrorCode.refusedStream.rawValue)
            #expect(served["grpc-status"] == "0")
            #expect(loopback.server.counters["http2_streams_refused"] == 1)
        }
    }

    @Test func `a peer that answers no PING is closed`() async throws {
        var configuration = GRPCServerConfiguration.testing
        configuration.http2.keepaliveInterval = .milliseconds(50)
        configuration.http2.keepaliveTimeout = .milliseconds(50)
        try await withServer(configuration) { loopback in
            let peer = try await RawPeer.connect(to: loopback.address)
            // Nothing is sent after this, not even the acknowledgement of the SETTINGS.
            try? await peer.send(Wire.preface, Wire.settings)
            let ping = await peer.nextFrame(type: 6)
            _ = await peer.bytesUntilClosed()
            #expect(ping?.flags == 0)
            #expect(loopback.server.counters["http2_keepalive_timeouts"] == 1)
        }
    }

    @Test func `the server's own deadline ends the call`() async throws {
        let events = Mailbox<String>()
        try await Loopback.run(
            methods: {
                $0.add(
                    "test.Wait",
                    "Wait",
                    .streaming { _ in
                        defer { events.send("cancelled") }
                        try await waitForCancellation()
                    }
                )
            },
            body: { loopback in
                let answer = try await response(
                    loopback,
                    Wire.request("/test.Wait/Wait", [("grpc-timeout", "30m")]),
                    endStream: false
                )
                #expect(answer["grpc-status"] == "4")
                #expect(await events.next() == "cancelled")
            }
        )
    }

    @Test func `the longest timeout there is does no harm`() async throws {
        try await withServer { loopback in
            let head = Wire.request("/test.Echo/Unary", [("grpc-timeout", "99999999H")])
            let answer = try await response(loopback, head, body: hello)
            #expect(answer["grpc-status"] == "0")
        }
    }

    @Test func `a malformed call is an error of its own and not of the connection`() async throws {
        try await withServer { loopback in
            let head = Wire.request("/test.Echo/Unary")
            let compressed = try await response(loopback, head, body: Wire.message([1], flag: 1))
            let none = try await response(loopback, head)
            let two = try await response(loopback, head, body: hello + hello)
            let part = try await response(loopback, head, body: Array(hello.dropLast()))
            let timeout = try await response(
                loopback,
                Wire.request("/test.Echo/Unary", [("grpc-timeout", "x")])
            )
            #expect(
                [compressed, none, two, part].map { $0["grpc-status"] } == ["13", "13", "13", "13"]
            )
            #expect(none["grpc-message"] == "a unary call came without a message")
            #expect(two["grpc-message"] == "a unary call came with more than one message")
            #expect(part["grpc-message"] == "the stream ended inside a message")
            #expect(timeout["grpc-status"] == "3")
        }
    }

    @Test func `a request that comes byte by byte is served`() async throws {
        try await withServer { loopback in
            let peer = try await RawPeer.connect(to: loopback.address)
            let bytes =
                Wire.preface + Wire.settings + Wire.headers(1, Wire.request("/test.Echo/Unary"))
                + Wire.data(1, hello, endStream: true)
            for byte in bytes { try await peer.send([byte]) }
            let answer = await peer.response(on: 1)
            await peer.close()
            #expect(answer["grpc-status"] == "0")
            #expect(answer.body == Wire.message([10, 7] + Array("echo hi".utf8)))
        }
    }

    @Test func `trailers of a request are ignored`() async throws {
        try await withServer { loopback in
            let peer = try await RawPeer.connect(to: loopback.address)
            try await peer.openAsClient()
            try await peer.send(
                Wire.headers(1, Wire.request("/test.Echo/Unary")),
                Wire.data(1, hello),
                Wire.headers(1, [("x-trailer", "y")], endStream: true)
            )
            let answer = await peer.response(on: 1)
            await peer.close()
            #expect(answer["grpc-status"] == "0")
        }
    }

    @Test func `connections over the maximum are told so and closed as they come`() async throws {
        var configuration = GRPCServerConfiguration.testing
        configuration.maximumConnections = 1
        try await withServer(configuration) { loopback in
            let _: Text = try await loopback.client.unary("/test.Echo/Unary", Text("x"))
            let peer = try await RawPeer.connect(to: loopback.address)
            let settings = await peer.nextFrame()
            let goaway = await peer.nextFrame()
            let end = await peer.nextFrame()
            let answer: Text = try await loopback.client.unary("/test.Echo/Unary", Text("still"))
            #expect(settings?.type == 4)
            #expect(goaway?.errorCode == HTTP2ErrorCode.enhanceYourCalm.rawValue)
            #expect(end == nil)
            #expect(loopback.server.counters["http2_connections_refused"] == 1)
            #expect(answer.value == "echo still")
            #expect(loopback.server.openConnections == 1)
        }
    }

    @Test func `a shutdown does not cut off an answer that the socket has not taken yet`()
        async throws
    {
        var configuration = GRPCServerConfiguration.testing
        configuration.http2.drainTimeout = .seconds(60)
        let size = 16 * 1024 * 1024
        let sent = Mailbox<Void>()
        try await Loopback.run(
            server: configuration,
            methods: {
                $0.add(
                    "test.Large",
                    "Get",
                    .unary { _, _ in
                        sent.send(())
                        return GRPCFrame(bytes: [UInt8](repeating: 1, count: size))
                    }
                )
            },
            body: { loopback in
                // The peer takes everything in HTTP/2's terms and nothing in TCP's.
                let peer = try await RawPeer.connect(to: loopback.address, receiveBufferBytes: 4096)
                try await peer.send(
                    Wire.preface,
                    Wire.settings([(id: 4, value: 0x7FFF_FFFF)]),
                    Wire.windowUpdate(0, 0x7FFF_0000),
                    Wire.settingsAcknowledged,
                    Wire.headers(1, Wire.request("/test.Large/Get")),
                    Wire.data(1, Wire.message([]), endStream: true)
                )
                _ = await sent.next()
                async let shutDown: Void = loopback.server.shutDown()
                // An acknowledgement of the PING that asks whether the GOAWAY was seen.
                try await peer.send(Wire.frame(6, flags: 1, payload: Array("meridian".utf8)))
                try await peer.channel.setOption(.autoRead, value: true).get()
                let answer = await peer.response(on: 1)
                await peer.close()
                await shutDown
                #expect(answer.body.count == size + 5)
                #expect(answer["grpc-status"] == "0")
            }
        )
    }

    @Test(arguments: 0..<10 as Range<UInt64>)
    func `random bytes behind a good opening never stop the server`(seed: UInt64) async throws {
        try await withServer { loopback in
            var random = SeededRandom(seed: seed)
            for _ in 0..<20 {
                let peer = try await RawPeer.connect(to: loopback.address)
                var bytes =
                    Wire.preface + Wire.settings + Wire.headers(1, Wire.request("/test.Echo/Bytes"))
                for _ in 0..<Int.random(in: 1...30, using: &random) {
                    let count = Int.random(in: 0...30, using: &random)
                    bytes += Wire.frame(
                        UInt8.random(in: 0...9, using: &random),
                        flags: UInt8.random(in: 0...255, using: &random),
                        stream: UInt32.random(in: 0...3, using: &random),
                        payload: (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
                    )
                }
                try? await peer.send(bytes)
                await peer.close()
            }
            let answer: Text = try await loopback.client.unary("/test.Echo/Unary", Text("x"))
            #expect(answer.value == "echo x", "seed \(seed)")
        }
    }
}
