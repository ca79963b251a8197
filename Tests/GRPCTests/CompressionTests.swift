import HTTP2
import NIOCore
import NIOPosix
import Primitives
import Testing

@testable import GRPC

/// Compressed messages on calls between our client, our server and peers that break the rules.
@Suite(.timeLimit(.minutes(10)))
struct CompressionTests {
    private static let text = String(repeating: "compressible ", count: 5000)

    private func methods(_ methods: inout MethodTable) {
        // Says of each message whether it came compressed, and answers it compressed or not.
        methods.add(
            "test.Zip",
            "Chat",
            .streaming { call in
                call.compression = .gzip
                while let message = try await call.next() {
                    let flag = call.wasLastMessageCompressed ? "compressed " : "plain "
                    let answer = Array(flag.utf8) + Array(message.readableBytesView)
                    try await call.write(
                        GRPCFrame(bytes: answer),
                        compressed: call.wasLastMessageCompressed
                    )
                }
            }
        )
        methods.unary("test.Zip", "Unary") { (request: Text, call) in
            call.compression = .gzip
            return Text("\(call.wasLastMessageCompressed) \(request.value)")
        }
        methods.add(
            "test.Zip",
            "Inline",
            .inlineUnary { bytes, call in
                call.compression = .deflate
                return GRPCFrame(message: bytes)
            }
        )
        methods.add("test.Zip", "InlineStream", .inlineStreaming { ZipEcho($0) })
        methods.add(
            "test.Zip",
            "Late",
            .streaming { call in
                call.sendInitialMetadata(Metadata())
                call.compression = .gzip
                while let message = try await call.next() {
                    try await call.write(GRPCFrame(message: message))
                }
            }
        )
    }

    /// Echoes what comes, compressed.
    private final class ZipEcho: InlineStreamHandler {
        private let call: ServerCall

        init(_ call: ServerCall) {
            self.call = call
            call.compression = .gzip
        }

        func received(_ message: MessageBytes) throws { call.send(GRPCFrame(message: message)) }
        func receivedEnd() throws { call.finish(.ok) }
        func becameWritable() {}
        func closed() {}
    }

    // MARK: - Our client and our server

    @Test(arguments: [nil, MessageEncoding.gzip, .deflate])
    func `a unary call is compressed as asked for`(compression: MessageEncoding?) async throws {
        try await Loopback.run(methods: methods) { loopback in
            let answer: Text = try await loopback.client.unary(
                "/test.Zip/Unary",
                Text(Self.text),
                compression: compression
            )
            #expect(answer.value == "\(compression != nil) \(Self.text)")
        }
    }

    @Test func `each message of a stream is compressed or not`() async throws {
        try await Loopback.run(methods: methods) { loopback in
            let call = try await loopback.client.open("/test.Zip/Chat", compression: .gzip)
            for isCompressed in [true, false, false, true] {
                let frame = GRPCFrame(bytes: Array(Self.text.utf8))
                try await call.write(frame, compressed: isCompressed)
                let answer = try await call.next().map { String(buffer: $0) }
                let flag = await call.wasLastMessageCompressed
                #expect(answer == (isCompressed ? "compressed " : "plain ") + Self.text)
                #expect(flag == isCompressed)
            }
            await call.finishWriting()
            let end = try await call.next()
            #expect(end == nil)
        }
    }

    @Test(arguments: ["Inline", "InlineStream"])
    func `a handler on the event loop gets and sends compressed messages`(
        method: String
    ) async throws {
        try await Loopback.run(methods: methods) { loopback in
            let call = try await loopback.client.open("/test.Zip/\(method)", compression: .deflate)
            try await call.write(Self.text)
            await call.finishWriting()
            let answer = try await call.next().map { String(buffer: $0) }
            let wasCompressed = await call.wasLastMessageCompressed
            let end = try await call.next()
            #expect(answer == Self.text)
            #expect(wasCompressed)
            #expect(end == nil)
        }
    }

    @Test func `compression that is chosen behind the headers has no effect`() async throws {
        try await Loopback.run(methods: methods) { loopback in
            let call = try await loopback.client.open("/test.Zip/Late")
            try await call.write(Self.text)
            let answer = try await call.next().map { String(buffer: $0) }
            let wasCompressed = await call.wasLastMessageCompressed
            call.cancel()
            #expect(answer == Self.text)
            #expect(!wasCompressed)
        }
    }

    @Test func `messages that wait are not decompressed before they are read`() async throws {
        // 300 messages of 1 MB in 300 KB: held decompressed they would take 300 MB.
        let read = Mailbox<Void>()
        let number = 300
        try await Loopback.run(
            methods: { methods in
                methods.add(
                    "test.Zip",
                    "Count",
                    .streaming { call in
                        await read.next()
                        var bytes = 0
                        while let message = try await call.next() { bytes += message.readableBytes }
                        try await call.write(GRPCFrame(bytes: Array("\(bytes)".utf8)))
                    }
                )
            },
            body: { loopback in
                let call = try await loopback.client.open("/test.Zip/Count", compression: .gzip)
                let frame = GRPCFrame(bytes: [UInt8](repeating: 0, count: 1_000_000))
                for _ in 0..<number { try await call.write(frame) }
                await call.finishWriting()
                read.send(())
                let answer = try await call.next().map { String(buffer: $0) }
                #expect(answer == "\(number * 1_000_000)")
            }
        )
    }

    // MARK: - Clients that are not ours

    /// What the server answers to one request.
    private func response(
        _ changes: [(String, String?)],
        method: String = "Unary",
        body: [UInt8],
        configuration: GRPCServerConfiguration = .testing
    ) async throws -> RawPeer.Response {
        var response: RawPeer.Response?
        try await Loopback.run(server: configuration, methods: methods) { loopback in
            let peer = try await RawPeer.connect(to: loopback.address)
            try await peer.openAsClient()
            try await peer.send(
                Wire.headers(1, Wire.request("/test.Zip/\(method)", changes)),
                Wire.data(1, body, endStream: true)
            )
            response = await peer.response(on: 1)
            await peer.close()
        }
        return try #require(response)
    }

    private static func gzip(_ bytes: [UInt8]) -> [UInt8] {
        let frame = ZlibStreams.ofThisThread.compress(GRPCFrame(bytes: bytes), .gzip)
        return Array(frame.buffer.readableBytesView)
    }

    /// A `Text` of 200 letters, which fits into one byte of length twice.
    private static let message: [UInt8] =
        [0x0a, 0xc8, 0x01] + [UInt8](repeating: UInt8(ascii: "a"), count: 200)

    @Test func `a client that accepts gzip gets it and is told`() async throws {
        let answer = try await response(
            [("grpc-accept-encoding", "identity,gzip")],
            body: Wire.message(Self.message)
        )
        #expect(answer["grpc-status"] == "0")
        #expect(answer["grpc-encoding"] == "gzip")
        #expect(answer["grpc-accept-encoding"] == "identity,deflate,gzip")
        #expect(answer.body.first == 1)
        #expect(answer.body.count < 100)
    }

    @Test(arguments: [nil, "identity", "br,identity"])
    func `a client that does not accept gzip gets plain messages`(list: String?) async throws {
        let answer = try await response(
            [("grpc-accept-encoding", list)],
            body: Wire.message(Self.message)
        )
        #expect(answer["grpc-status"] == "0")
        #expect(answer["grpc-encoding"] == nil)
        #expect(answer.body.first == 0)
        #expect(answer.body.count > 200)
    }

    @Test func `a compressed message without grpc-encoding is an internal error`() async throws {
        let without = try await response([], body: Self.gzip(Self.message))
        let identity = try await response(
            [("grpc-encoding", "identity")],
            body: Self.gzip(Self.message)
        )
        #expect(without["grpc-status"] == "13")
        #expect(
            without["grpc-message"]
                == "a compressed message came on a call without grpc-encoding"
        )
        #expect(identity["grpc-status"] == "13")
    }

    @Test(arguments: ["Unary", "Chat", "Inline", "InlineStream"])
    func `a corrupt message ends the call with INTERNAL`(method: String) async throws {
        var corrupt = Self.gzip(Self.message)
        corrupt[corrupt.count - 1] ^= 1
        let answer = try await response([("grpc-encoding", "gzip")], method: method, body: corrupt)
        #expect(answer["grpc-status"] == "13")
        #expect(
            answer["grpc-message"] == "the message is not valid gzip: incorrect length check"
        )
    }

    @Test(arguments: ["Unary", "Chat", "Inline", "InlineStream"])
    func `a bomb ends the call with RESOURCE_EXHAUSTED`(method: String) async throws {
        var configuration = GRPCServerConfiguration.testing
        configuration.maximumMessageBytes = 100_000
        let answer = try await response(
            [("grpc-encoding", "gzip")],
            method: method,
            body: Self.gzip([UInt8](repeating: 0, count: 10_000_000)),
            configuration: configuration
        )
        #expect(answer["grpc-status"] == "8")
        #expect(
            answer["grpc-message"]
                == "the message has more than the limit of 100000 bytes decompressed"
        )
    }

    // MARK: - Servers that are not ours

    /// How a unary call ends whose server answers with these headers and this message.
    private func outcome(
        _ headers: [(String, String)],
        _ message: [UInt8]
    ) async throws -> (text: String?, error: GRPCError?) {
        let listener = try await RawListener.start()
        var configuration = GRPCClientConfiguration.testing
        configuration.maximumMessageBytes = 100_000
        let client = GRPCClient(
            addresses: [listener.address],
            configuration: configuration,
            eventLoop: MultiThreadedEventLoopGroup.singleton.next()
        )
        async let answer: Text = client.unary("/a.B/C", Text("x"))
        let peer = try #require(await listener.accept())
        try await peer.openAsServer()
        let request = try #require(await peer.nextFrame(type: 1))
        #expect(peer.fields(request)["grpc-accept-encoding"] == "identity,deflate,gzip")
        try await peer.send(
            Wire.headers(1, [(":status", "200"), ("content-type", "application/grpc")] + headers),
            Wire.data(1, message),
            Wire.headers(1, [("grpc-status", "0")], endStream: true)
        )
        let result: (String?, GRPCError?)
        do { result = (try await answer.value, nil) } catch { result = (nil, error as? GRPCError) }
        await peer.close()
        await client.close()
        await listener.stop()
        return result
    }

    @Test func `a compressed answer is read`() async throws {
        let compressed = try await outcome([("grpc-encoding", "gzip")], Self.gzip(Self.message))
        let plain = try await outcome([("grpc-encoding", "gzip")], Wire.message(Self.message))
        #expect(compressed.text?.count == 200)
        #expect(plain.text?.count == 200)
    }

    @Test func `an answer in an unknown encoding is an internal error`() async throws {
        let unknown = try await outcome([("grpc-encoding", "br")], Wire.message(Self.message))
        let without = try await outcome([], Self.gzip(Self.message))
        #expect(unknown.error?.code == .internal)
        #expect(without.error?.code == .internal)
    }

    @Test func `a corrupt answer is INTERNAL and a bomb RESOURCE_EXHAUSTED`() async throws {
        var corrupt = Self.gzip(Self.message)
        corrupt[corrupt.count - 1] ^= 1
        let broken = try await outcome([("grpc-encoding", "gzip")], corrupt)
        let bomb = try await outcome(
            [("grpc-encoding", "gzip")],
            Self.gzip([UInt8](repeating: 0, count: 10_000_000))
        )
        #expect(broken.error?.code == .internal)
        #expect(bomb.error?.code == .resourceExhausted)
    }
}
