import NIOCore
import NIOEmbedded
import Primitives
import Testing

@testable import HTTP2

/// A server's connection against bytes that no client should send.
struct HTTP2BadPeerTests {
    private static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
    private static let settings: [UInt8] = [0, 0, 0, 4, 0, 0, 0, 0, 0]
    private static let settingsAcknowledged: [UInt8] = [0, 0, 0, 4, 1, 0, 0, 0, 0]
    private static let ping: [UInt8] = [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]

    private struct Server {
        let counters = ConnectionCounters()
        let channel: EmbeddedChannel

        init(_ configuration: HTTP2Configuration = HTTP2Configuration()) throws {
            let loop = EmbeddedEventLoop()
            let connection = HTTP2Connection(
                acceptingOn: EventLoopExecutor(eventLoop: loop),
                configuration: configuration,
                counters: counters,
                accept: { stream in
                    let recorder = StreamRecorder()
                    recorder.stream = stream
                    return recorder
                }
            )
            self.channel = EmbeddedChannel(loop: loop)
            try channel.pipeline.syncOperations.addHandler(connection)
            try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        }

        func receive(_ bytes: [UInt8]) throws {
            try channel.writeInbound(ByteBuffer(bytes: bytes))
            channel.embeddedEventLoop.run()
        }
    }

    @Test(arguments: [
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\u{16}\u{3}\u{1}", "x", "PRI * HTTP/2.0\r\n\r\nXX",
    ])
    func `bytes that are no preface close the connection and are counted`(text: String) throws {
        let server = try Server()
        try server.receive(Array(text.utf8))
        #expect(!server.channel.isActive)
        #expect(server.counters.values["http2_connections_not_http2"] == 1)
        #expect(server.counters.values["http2_connections_closed"] == 1)
    }

    @Test func `a preface may come byte by byte`() throws {
        let server = try Server()
        for byte in Self.preface + Self.settings { try server.receive([byte]) }
        #expect(server.channel.isActive)
        #expect(server.counters.values["http2_connections_not_http2"] == 0)
    }

    @Test func `half a preface and silence end with the preface timeout`() throws {
        let server = try Server()
        try server.receive(Array(Self.preface.prefix(10)))
        server.channel.embeddedEventLoop.advanceTime(by: .seconds(9))
        let wasActive = server.channel.isActive
        server.channel.embeddedEventLoop.advanceTime(by: .seconds(1))
        server.channel.embeddedEventLoop.advanceTime(by: .seconds(1))
        #expect(wasActive)
        #expect(!server.channel.isActive)
        #expect(server.counters.values["http2_connections_ended_preface_timeout"] == 1)
    }

    @Test func `garbage behind the preface is a protocol violation`() throws {
        let server = try Server()
        try server.receive(Self.preface + Array("what is this that comes behind the preface?".utf8))
        #expect(!server.channel.isActive)
        #expect(server.counters.values["http2_protocol_violations"] == 1)
    }

    @Test func `a peer that never reads cannot pile up acknowledgements`() throws {
        var configuration = HTTP2Configuration()
        configuration.maximumQueuedAcknowledgements = 50
        let server = try Server(configuration)
        try server.receive(Self.preface + Self.settings + Self.settingsAcknowledged)
        server.channel.isWritable = false
        for _ in 0..<49 { try server.receive(Self.ping) }
        let before = server.counters.values["http2_connections_ended_acknowledgement_backlog"]
        for _ in 0..<10 { try server.receive(Self.ping) }
        server.channel.embeddedEventLoop.advanceTime(by: .seconds(1))
        #expect(before == 0)
        #expect(!server.channel.isActive)
        #expect(
            server.counters.values["http2_connections_ended_acknowledgement_backlog"] == 1
        )
    }

    @Test(arguments: 0..<200 as Range<UInt64>)
    func `random frames never do worse than close the connection`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let server = try Server()
        try server.receive(Self.preface + Self.settings)
        for _ in 0..<50 where server.channel.isActive {
            let count = Int.random(in: 0...40, using: &random)
            let payload = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            let type = UInt8.random(in: 0...10, using: &random)
            let flags = UInt8.random(in: 0...255, using: &random)
            let stream = UInt8.random(in: 0...5, using: &random)
            try server.receive([0, 0, UInt8(count), type, flags, 0, 0, 0, stream] + payload)
        }
        // Whatever came, the books are even.
        let closed = server.counters.values["http2_connections_closed"]
        #expect(closed == (server.channel.isActive ? 0 : 1), "seed \(seed)")
    }
}
