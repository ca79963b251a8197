import Glibc
import NIOCore
import NIOEmbedded
import TLSTestSupport
import Testing

@testable import TLS

/// How handshakes succeed and fail, both sides in one thread.
struct HandshakeTests {
    @Test(arguments: [TLSVersion.tls12, .tls13])
    func `both versions carry bytes in both directions`(version: TLSVersion) throws {
        let credentials = try TestCredentials()
        let pair = try TLSPair(
            credentials.serverConfiguration(version: version),
            credentials.clientConfiguration()
        )
        try pair.handshake()
        pair.clientChannel.send(Array("hello".utf8))
        pair.serverChannel.send(Array("good day".utf8))
        pair.exchange()
        let expected = version == .tls12 ? "TLSv1.2 ECDHE" : "TLSv1.3 TLS_AES_128_GCM_SHA256"
        #expect(pair.server.text == "hello")
        #expect(pair.client.text == "good day")
        #expect(pair.serverTLS.parameters?.hasPrefix(expected) == true)
        #expect(pair.acceptor.counters.values["tls_handshakes_completed"] == 1)
        #expect(pair.connector.counters.values["tls_handshakes_completed"] == 1)
    }

    @Test(arguments: [TLSVersion.tls12, .tls13])
    func `a handshake that comes byte by byte succeeds`(version: TLSVersion) throws {
        let credentials = try TestCredentials()
        let pair = try TLSPair(
            credentials.serverConfiguration(clients: .required, version: version),
            credentials.clientConfiguration(identity: credentials.client)
        )
        try pair.handshake { _ in 1 }
        pair.clientChannel.send(Array("hello".utf8))
        pair.exchange { _ in 1 }
        #expect(pair.server.text == "hello")
    }

    @Test func `the handlers behind hear nothing before the handshake is over`() throws {
        let credentials = try TestCredentials()
        let pair = try TLSPair(
            credentials.serverConfiguration(),
            credentials.clientConfiguration()
        )
        try pair.connect()
        let before = (pair.client.isActive, pair.server.isActive, pair.serverTLS.isHandshaking)
        pair.exchange()
        #expect(before == (false, false, true))
        #expect(pair.client.isActive && pair.server.isActive && !pair.serverTLS.isHandshaking)
    }

    @Test func `bytes that are written before the end of the handshake follow it`() throws {
        let credentials = try TestCredentials()
        let pair = try TLSPair(
            credentials.serverConfiguration(),
            credentials.clientConfiguration()
        )
        pair.clientChannel.send(Array("early".utf8))
        try pair.handshake()
        #expect(pair.server.text == "early")
    }

    @Test func `early bytes have a bound`() throws {
        let credentials = try TestCredentials()
        var configuration = try credentials.clientConfiguration()
        configuration.limits.maximumEarlyBytes = 10
        let pair = try TLSPair(credentials.serverConfiguration(), configuration)
        let promises = [pair.loop.makePromise(of: Void.self), pair.loop.makePromise(of: Void.self)]
        pair.clientChannel.put([UInt8](repeating: 1, count: 10), promise: promises[0])
        pair.clientChannel.put([2], promise: promises[1])
        try pair.handshake()
        #expect(throws: TLSError.self) { try promises[1].futureResult.wait() }
        #expect(throws: Never.self) { try promises[0].futureResult.wait() }
        #expect(pair.server.bytes == [UInt8](repeating: 1, count: 10))
    }

    // MARK: - Who the peer is

    @Test(arguments: [TLSVersion.tls12, .tls13])
    func `a client's certificate becomes its identity`(version: TLSVersion) throws {
        let credentials = try TestCredentials()
        let pair = try TLSPair(
            credentials.serverConfiguration(clients: .required, version: version),
            credentials.clientConfiguration(identity: credentials.client)
        )
        try pair.handshake()
        let identity = try #require(pair.serverTLS.peerIdentity)
        #expect(identity.spiffeID == SPIFFEID("spiffe://test.example/client"))
        #expect(identity.subject == "CN=client")
        #expect(identity.notAfterSeconds > 0)
        #expect(pair.clientTLS.peerIdentity?.dnsNames == ["localhost", "server.test.example"])
    }

    @Test(arguments: [ClientCertificatePolicy.none, .optional])
    func `a client without a certificate is let in where none is required`(
        policy: ClientCertificatePolicy
    ) throws {
        let credentials = try TestCredentials()
        let pair = try TLSPair(
            credentials.serverConfiguration(clients: policy),
            credentials.clientConfiguration()
        )
        try pair.handshake()
        #expect(pair.server.isActive)
        #expect(pair.serverTLS.peerIdentity == nil)
    }

    @Test(arguments: [TLSVersion.tls12, .tls13])
    func `a client without a certificate is refused where one is required`(
        version: TLSVersion
    )
        throws
    {
        let credentials = try TestCredentials()
        let pair = try TLSPair(
            credentials.serverConfiguration(clients: .required, version: version),
            credentials.clientConfiguration()
        )
        try pair.handshake()
        #expect(pair.server.failure?.reason == .noClientCertificate)
        #expect(pair.acceptor.counters.failures(.noClientCertificate) == 1)
        #expect(pair.client.failure?.reason == .refusedByPeer)
        #expect(!pair.server.isActive && !pair.serverChannel.isActive)
    }

    @Test(arguments: [ClientCertificatePolicy.optional, .required])
    func `a client's certificate of another authority is refused`(
        policy: ClientCertificatePolicy
    ) throws {
        let credentials = try TestCredentials()
        let stranger = try CertificateAuthority("stranger").issueClient()
        let pair = try TLSPair(
            credentials.serverConfiguration(clients: policy),
            credentials.clientConfiguration(identity: stranger)
        )
        try pair.handshake()
        #expect(pair.server.failure?.reason == .certificateUntrusted)
        #expect(!pair.server.isActive)
    }

    @Test func `a client's expired certificate is refused`() throws {
        var credentials = try TestCredentials()
        let expired = try credentials.authority.issue(.init { $0.notAfter = -60 })
        credentials.now = { Int64(time(nil)) - 120 }
        let pair = try TLSPair(
            credentials.serverConfiguration(clients: .required),
            credentials.clientConfiguration(identity: expired)
        )
        try pair.handshake()
        #expect(pair.server.failure?.reason == .certificateExpired)
        #expect(pair.acceptor.counters.failures(.certificateExpired) == 1)
    }

    @Test func `a server's expired certificate is refused`() throws {
        var credentials = try TestCredentials()
        let expired = try credentials.authority.issue(
            .init {
                $0.dnsNames = ["localhost"]
                $0.notAfter = -60
            }
        )
        credentials.now = { Int64(time(nil)) - 120 }
        let pair = try TLSPair(
            credentials.serverConfiguration(expired),
            credentials.clientConfiguration()
        )
        try pair.handshake()
        #expect(pair.client.failure?.reason == .certificateExpired)
        #expect(pair.server.failure?.reason == .refusedByPeer)
        #expect(pair.server.failure?.detail.contains("certificate expired") == true)
    }

    @Test func `a server of another authority is refused`() throws {
        let credentials = try TestCredentials()
        let other = try CertificateAuthority("other")
        let pair = try TLSPair(
            credentials.serverConfiguration(),
            credentials.clientConfiguration(roots: other.certificate)
        )
        try pair.handshake()
        #expect(pair.client.failure?.reason == .certificateUntrusted)
        #expect(pair.server.failure?.reason == .refusedByPeer)
    }

    // MARK: - The expected server

    /// - Returns: why the client refused the server, if it did.
    private func connect(
        _ host: String,
        _ verification: ServerVerification
    ) throws
        -> TLSFailure.Reason?
    {
        let credentials = try TestCredentials()
        let pair = try TLSPair(
            TLSAcceptor(credentials.serverConfiguration()),
            TLSConnector(credentials.clientConfiguration(verification)),
            host: host
        )
        try pair.handshake()
        #expect(pair.client.isActive == (pair.client.failure == nil))
        return pair.client.failure?.reason
    }

    @Test func `a server is known by its host's name or address`() throws {
        #expect(try connect("localhost", .hostname(nil)) == nil)
        #expect(try connect("127.0.0.1", .hostname(nil)) == nil)
        #expect(try connect("10.0.0.1", .hostname("server.test.example")) == nil)
        #expect(try connect("10.0.0.1", .hostname(nil)) == .identityMismatch)
        #expect(try connect("elsewhere", .hostname(nil)) == .identityMismatch)
        // The common name is no host.
        #expect(try connect("server", .hostname(nil)) == .identityMismatch)
    }

    @Test func `a server is known by its SPIFFE ID or its trust domain`() throws {
        let id = try #require(SPIFFEID("spiffe://test.example/server"))
        let other = try #require(SPIFFEID("spiffe://test.example/server2"))
        #expect(try connect("elsewhere", .spiffeID(id)) == nil)
        #expect(try connect("localhost", .spiffeID(other)) == .identityMismatch)
        #expect(try connect("elsewhere", .spiffeTrustDomain("test.example")) == nil)
        #expect(try connect("localhost", .spiffeTrustDomain("example")) == .identityMismatch)
    }

    @Test func `a server with two URIs has no SPIFFE ID`() throws {
        let credentials = try TestCredentials()
        let id = "spiffe://test.example/server"
        let two = try credentials.authority.issue(.init { $0.uris = [id, id + "2"] })
        let pair = try TLSPair(
            credentials.serverConfiguration(two),
            credentials.clientConfiguration(.spiffeTrustDomain("test.example"))
        )
        try pair.handshake()
        #expect(pair.client.failure?.reason == .identityMismatch)
    }
}
