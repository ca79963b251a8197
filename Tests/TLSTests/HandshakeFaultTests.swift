import COpenSSL
import NIOCore
import NIOEmbedded
import Primitives
import TLSTestSupport
import Testing

@testable import TLS

/// Peers that don't speak TLS, or not all of it.
struct HandshakeFaultTests {
    /// A server whose handler is fed by the test.
    private struct LoneServer {
        let acceptor: TLSAcceptor
        let channel: EmbeddedChannel
        let recorder = Recorder()

        init(_ configure: (inout TLSServerConfiguration) -> Void = { _ in }) throws {
            var configuration = try TestCredentials().serverConfiguration()
            configure(&configuration)
            acceptor = try TLSAcceptor(configuration)
            channel = EmbeddedChannel()
            try channel.pipeline.syncOperations.addHandlers(
                acceptor.makeHandler(on: channel.embeddedEventLoop),
                recorder
            )
            try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        }

        func receive(_ bytes: [UInt8]) {
            _ = try? channel.writeInbound(ByteBuffer(bytes: bytes))
        }
    }

    @Test(arguments: ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "\0"])
    func `a plaintext client is counted and closed`(text: String) throws {
        let server = try LoneServer()
        server.receive(Array(text.utf8))
        #expect(server.recorder.failure?.reason == .notTLS)
        #expect(server.acceptor.counters.values["tls_failures_not_tls"] == 1)
        #expect(!server.channel.isActive && !server.recorder.isActive)
    }

    @Test func `a plaintext server is counted and closed`() throws {
        let pair = try TLSPair(
            TestCredentials().serverConfiguration(),
            TestCredentials().clientConfiguration()
        )
        try pair.connect()
        // SETTINGS, as a server of HTTP/2 without TLS begins.
        _ = try? pair.clientChannel.writeInbound(ByteBuffer(bytes: [0, 0, 0, 4, 0, 0, 0, 0, 0]))
        #expect(pair.client.failure?.reason == .notTLS)
        #expect(!pair.clientChannel.isActive)
    }

    @Test func `a handshake that is cut off is counted`() throws {
        let server = try LoneServer()
        server.receive([22, 3, 1, 1, 0, 1])
        server.channel.peerCloses()
        #expect(server.recorder.failure?.reason == .handshakeTruncated)
        #expect(server.acceptor.counters.failures(.handshakeTruncated) == 1)
        #expect(server.recorder.hasEnded)
    }

    @Test func `a handshake that does not end in time is ended`() throws {
        let server = try LoneServer { $0.limits.handshakeTimeout = .seconds(3) }
        server.receive([22, 3, 1])
        server.channel.embeddedEventLoop.advanceTime(by: .milliseconds(2999))
        let before = server.channel.isActive
        server.channel.embeddedEventLoop.advanceTime(by: .milliseconds(1))
        #expect(before)
        #expect(server.recorder.failure?.reason == .handshakeTimeout)
        #expect(server.acceptor.counters.failures(.handshakeTimeout) == 1)
        #expect(!server.channel.isActive)
    }

    @Test func `an ended handshake has no timeout any more`() throws {
        let credentials = try TestCredentials()
        let pair = try TLSPair(
            credentials.serverConfiguration(),
            credentials.clientConfiguration()
        )
        try pair.handshake()
        pair.loop.advanceTime(by: .hours(1))
        #expect(pair.serverChannel.isActive && pair.clientChannel.isActive)
    }

    @Test func `the bytes of a handshake have a bound`() throws {
        let credentials = try TestCredentials()
        let measure = try TLSPair(
            credentials.serverConfiguration(clients: .required),
            credentials.clientConfiguration(identity: credentials.client)
        )
        try measure.handshake()
        func failure(_ bound: Int) throws -> TLSFailure.Reason? {
            var configuration = try credentials.serverConfiguration(clients: .required)
            configuration.limits.maximumHandshakeBytes = bound
            let pair = try TLSPair(
                configuration,
                credentials.clientConfiguration(identity: credentials.client)
            )
            try pair.handshake()
            return pair.server.failure?.reason
        }
        // Signatures of ECDSA vary by a byte or two.
        #expect(try failure(measure.bytesToServer + 16) == nil)
        #expect(try failure(measure.bytesToServer - 16) == .handshakeTooLong)
    }

    @Test func `a client with an older version only is refused`() throws {
        let credentials = try TestCredentials()
        var configuration = try credentials.serverConfiguration()
        configuration.minimumVersion = .tls13
        var client = try credentials.clientConfiguration()
        client.maximumVersion = .tls12
        let pair = try TLSPair(configuration, client)
        try pair.handshake()
        #expect(pair.server.failure?.reason == .noCommonVersion)
        #expect(pair.client.failure?.reason == .noCommonVersion)
    }

    /// A client's context with another list of protocols.
    private func handshake(protocols: [UInt8], permitsMissing: Bool = false) throws -> TLSPair {
        let credentials = try TestCredentials()
        var configuration = try credentials.serverConfiguration()
        configuration.permitsMissingALPN = permitsMissing
        let connector = try TLSConnector(credentials.clientConfiguration())
        SSL_CTX_set_alpn_protos(connector.newestContext.pointer, protocols, UInt32(protocols.count))
        let pair = try TLSPair(TLSAcceptor(configuration), connector)
        try pair.handshake()
        return pair
    }

    @Test func `a client that offers other protocols only is refused`() throws {
        let pair = try handshake(protocols: Array("\u{8}http/1.1".utf8))
        let permissive = try handshake(protocols: Array("\u{8}http/1.1".utf8), permitsMissing: true)
        #expect(pair.server.failure?.reason == .noCommonProtocol)
        #expect(pair.client.failure?.reason == .noCommonProtocol)
        #expect(permissive.server.failure?.reason == .noCommonProtocol)
    }

    @Test func `h2 is found behind other protocols`() throws {
        let pair = try handshake(protocols: Array("\u{8}http/1.1\u{2}h2".utf8))
        #expect(pair.server.isActive && pair.client.isActive)
    }

    @Test func `a client that offers no protocol is refused unless it is permitted`() throws {
        let strict = try handshake(protocols: [])
        let permissive = try handshake(protocols: [], permitsMissing: true)
        #expect(strict.server.failure?.reason == .noCommonProtocol)
        #expect(!strict.server.isActive)
        #expect(permissive.server.isActive)
        // Our own client wants h2 all the same.
        #expect(permissive.client.failure?.reason == .noCommonProtocol)
    }

    @Test func `a refused peer has a while to read the alert`() throws {
        let credentials = try TestCredentials()
        let pair = try TLSPair(
            credentials.serverConfiguration(clients: .required),
            credentials.clientConfiguration()
        )
        try pair.handshake()
        #expect(pair.client.failure?.reason == .refusedByPeer)
        #expect(pair.client.failure?.detail.contains("certificate required") == true)
    }

    // MARK: - After the handshake

    @Test func `a client that renegotiates is ended`() throws {
        let credentials = try TestCredentials()
        let connector = try TLSConnector(credentials.clientConfiguration())
        SSL_CTX_clear_options(
            connector.newestContext.pointer,
            COpenSSL_no_renegotiation
        )
        let pair = try TLSPair(
            TLSAcceptor(credentials.serverConfiguration(version: .tls12)),
            connector
        )
        try pair.handshake()
        let ssl = try #require(pair.clientTLS.openEngine?.ssl)
        SSL_renegotiate(ssl)
        pair.clientChannel.send([1])
        pair.exchange()
        #expect(pair.server.failure?.reason == .renegotiation)
        #expect(pair.acceptor.counters.failures(.renegotiation) == 1)
    }

    @Test func `new keys are given, but not without end`() throws {
        let credentials = try TestCredentials()
        let pair = try TLSPair(
            credentials.serverConfiguration(),
            credentials.clientConfiguration()
        )
        try pair.handshake()
        let engine = try #require(pair.clientTLS.openEngine)
        func updateKeys(_ times: Int) {
            for _ in 0..<times {
                SSL_key_update(engine.ssl, SSL_KEY_UPDATE_REQUESTED)
                SSL_do_handshake(engine.ssl)
            }
        }
        updateKeys(32)
        pair.clientChannel.send([1])
        pair.exchange()
        let afterData = pair.server.bytes
        // The client counts the answers, too.
        pair.serverChannel.send([1])
        pair.exchange()
        updateKeys(33)
        pair.clientChannel.send([2])
        pair.exchange()
        #expect(afterData == [1])
        #expect(pair.server.failure?.reason == .keyUpdateFlood)
    }

    @Test func `a broken record ends the connection`() throws {
        let credentials = try TestCredentials()
        let pair = try TLSPair(
            credentials.serverConfiguration(),
            credentials.clientConfiguration()
        )
        try pair.handshake()
        pair.clientChannel.send(Array("hello".utf8))
        var record = try #require(try pair.clientChannel.readOutbound(as: ByteBuffer.self))
        let last = try #require(record.getInteger(at: record.writerIndex - 1, as: UInt8.self))
        record.setInteger(last ^ 1, at: record.writerIndex - 1)
        _ = try? pair.serverChannel.writeInbound(record)
        #expect(pair.server.failure?.reason == .protocolError)
        #expect(pair.server.bytes == [])
    }

    @Test func `noise after a good first byte never traps`() throws {
        var random = SeededRandom(seed: 7)
        for _ in 0..<300 {
            let server = try LoneServer()
            let count = Int.random(in: 0..<400, using: &random)
            server.receive([22, 3, 1, 1, UInt8.random(in: 0...255, using: &random)])
            server.receive((0..<count).map { _ in UInt8.random(in: 0...255, using: &random) })
            server.channel.peerCloses()
            #expect(server.recorder.failure != nil)
        }
    }
}
