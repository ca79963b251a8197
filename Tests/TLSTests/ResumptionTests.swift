import Glibc
import TLSTestSupport
import Testing

@testable import TLS

/// Sessions that are taken up again.
struct ResumptionTests {
    private func connect(_ acceptor: TLSAcceptor, _ connector: TLSConnector) throws -> TLSPair {
        let pair = try TLSPair(acceptor, connector)
        try pair.handshake()
        return pair
    }

    private func resumed(_ counters: TLSCounters) -> UInt64? {
        counters.values["tls_handshakes_resumed"]
    }

    @Test(arguments: [TLSVersion.tls12, .tls13])
    func `a second connection resumes the first one's session with its identity`(
        version: TLSVersion
    ) throws {
        let credentials = try TestCredentials()
        let acceptor = try TLSAcceptor(
            credentials.serverConfiguration(clients: .required, version: version)
        )
        let connector = try TLSConnector(
            credentials.clientConfiguration(identity: credentials.client)
        )
        let first = try connect(acceptor, connector)
        let second = try connect(acceptor, connector)
        second.clientChannel.send([1, 2, 3])
        second.exchange()
        #expect(resumed(acceptor.counters) == 1)
        #expect(resumed(connector.counters) == 1)
        #expect(second.bytesToClient < first.bytesToClient)
        #expect(second.serverTLS.peerIdentity?.spiffeID?.path == "/client")
        #expect(second.server.bytes == [1, 2, 3])
    }

    @Test func `a server is not resumed as another`() throws {
        let credentials = try TestCredentials()
        let acceptor = try TLSAcceptor(credentials.serverConfiguration())
        let connector = try TLSConnector(credentials.clientConfiguration())
        _ = try connect(acceptor, connector)
        let other = try TLSPair(acceptor, connector, host: "127.0.0.1")
        try other.handshake()
        #expect(resumed(connector.counters) == 0)
    }

    @Test func `new credentials of the server end its sessions`() throws {
        let credentials = try TestCredentials()
        let configuration = try credentials.serverConfiguration()
        let acceptor = try TLSAcceptor(configuration)
        let connector = try TLSConnector(credentials.clientConfiguration())
        _ = try connect(acceptor, connector)
        let renewed = try credentials.authority.issueServer()
        try configuration.credentials.replace(
            with: TLSMaterial(
                certificateChain: renewed.certificate,
                privateKey: renewed.privateKey,
                trustRoots: nil
            )
        )
        let second = try connect(acceptor, connector)
        #expect(resumed(connector.counters) == 0)
        #expect(second.client.isActive)
    }

    @Test(arguments: [TLSVersion.tls12, .tls13])
    func `a session does not outlive the client's certificate`(version: TLSVersion) throws {
        let credentials = try TestCredentials()
        let configuration = try credentials.serverConfiguration(
            clients: .required,
            version: version
        )
        let late = try TLSAcceptor(configuration, now: { Int64(time(nil)) + 7200 })
        let connector = try TLSConnector(
            credentials.clientConfiguration(identity: credentials.client)
        )
        let first = try connect(late, connector)
        let second = try connect(late, connector)
        #expect(first.server.isActive)
        #expect(second.server.failure?.reason == .certificateExpired)
        #expect(!second.server.isActive)
    }

    @Test func `a client remembers a bounded number of sessions`() throws {
        let credentials = try TestCredentials()
        let acceptor = try TLSAcceptor(credentials.serverConfiguration())
        var configuration = try credentials.clientConfiguration(.hostname("localhost"))
        configuration.maximumRememberedSessions = 3
        let connector = try TLSConnector(configuration)
        for host in ["a", "b", "c", "d"] {
            try TLSPair(acceptor, connector, host: host).handshake()
        }
        let remembered = connector.rememberedSessions
        try TLSPair(acceptor, connector, host: "a").handshake()
        let resumedOldest = resumed(connector.counters)
        try TLSPair(acceptor, connector, host: "d").handshake()
        #expect(remembered == 3)
        #expect(resumedOldest == 0)
        #expect(resumed(connector.counters) == 1)
    }
}
