import Glibc
import Logging
import TLSTestSupport
import Testing

@testable import TLS

/// Credentials that fit and such that don't.
struct CredentialsTests {
    private func failure(
        _ chain: String?,
        _ key: String?,
        roots: String? = nil,
        now: @escaping @Sendable () -> Int64 = { Int64(time(nil)) }
    ) -> TLSError? {
        do {
            _ = try TLSCredentials(
                TLSMaterial(certificateChain: chain, privateKey: key, trustRoots: roots),
                now: now
            )
            return nil
        } catch {
            return error
        }
    }

    @Test func `a key of another certificate is refused`() throws {
        let authority = try CertificateAuthority()
        let error = try failure(
            authority.issueServer().certificate,
            authority.issueServer().privateKey
        )
        #expect(error?.code == .keyMismatch)
        #expect(
            error?.message
                == "the private key is not the key of the certificate in the certificate chain"
        )
    }

    @Test func `texts that are no PEM are refused`() throws {
        let server = try CertificateAuthority().issueServer()
        let half = String(server.certificate.prefix(server.certificate.count / 2))
        #expect(failure("nonsense", server.privateKey)?.code == .notPEM)
        #expect(failure(half, server.privateKey)?.code == .notPEM)
        #expect(failure(server.certificate + half, server.privateKey)?.code == .notPEM)
        #expect(failure(server.certificate, "nonsense")?.code == .notPEM)
        #expect(failure(server.certificate, server.privateKey, roots: "")?.code == .notPEM)
        #expect(failure(server.certificate, nil)?.code == .misconfigured)
        #expect(failure(nil, server.privateKey)?.code == .misconfigured)
        #expect(failure(server.certificate, server.privateKey) == nil)
    }

    @Test func `a certificate is refused outside its time`() throws {
        let server = try CertificateAuthority().issueServer()
        let now = Int64(time(nil))
        let late = failure(server.certificate, server.privateKey, now: { now + 4000 })
        let early = failure(server.certificate, server.privateKey, now: { now - 4000 })
        #expect(late?.code == .notValidNow && late?.message.contains("has expired") == true)
        #expect(early?.code == .notValidNow && early?.message.contains("not valid before") == true)
    }

    @Test func `a configuration is checked against its credentials`() throws {
        let authority = try CertificateAuthority()
        let server = try authority.issueServer()
        let withoutRoots = try TLSCredentials(
            TLSMaterial(
                certificateChain: server.certificate,
                privateKey: server.privateKey,
                trustRoots: nil
            )
        )
        let withoutIdentity = try TLSCredentials(
            TLSMaterial(
                certificateChain: nil,
                privateKey: nil,
                trustRoots: authority.certificate
            )
        )
        var versions = TLSServerConfiguration(credentials: withoutRoots)
        versions.minimumVersion = .tls13
        versions.maximumVersion = .tls12
        func code(_ configuration: TLSServerConfiguration) -> TLSError.Code? {
            do {
                _ = try TLSAcceptor(configuration)
                return nil
            } catch {
                return error.code
            }
        }
        #expect(code(TLSServerConfiguration(credentials: withoutRoots)) == nil)
        #expect(
            code(TLSServerConfiguration(credentials: withoutRoots, clientCertificates: .required))
                == .misconfigured
        )
        #expect(code(TLSServerConfiguration(credentials: withoutIdentity)) == .misconfigured)
        #expect(code(versions) == .misconfigured)
    }

    @Test func `nothing shows the key`() throws {
        let server = try CertificateAuthority().issueServer()
        let material = TLSMaterial(
            certificateChain: server.certificate,
            privateKey: server.privateKey,
            trustRoots: nil
        )
        let configuration = TLSServerConfiguration(credentials: try TLSCredentials(material))
        for value in [material, configuration, configuration.credentials] as [Any] {
            var dumped = ""
            dump(value, to: &dumped)
            let texts = ["\(value)", String(reflecting: value), dumped]
            #expect(texts.allSatisfy { !$0.contains("PRIVATE") && !$0.contains("45, 45, 45") })
        }
    }

    // MARK: - New ones

    @Test func `pushed credentials are used by the next handshake and not by open connections`()
        throws
    {
        let credentials = try TestCredentials()
        let configuration = try credentials.serverConfiguration()
        let acceptor = try TLSAcceptor(configuration)
        let connector = try TLSConnector(
            credentials.clientConfiguration(.spiffeTrustDomain("test.example"))
        )
        let old = try TLSPair(acceptor, connector)
        try old.handshake()
        let renewed = try credentials.authority.issueServer(uri: "spiffe://test.example/renewed")
        try configuration.credentials.replace(
            with: TLSMaterial(
                certificateChain: renewed.certificate,
                privateKey: renewed.privateKey,
                trustRoots: credentials.authority.certificate
            )
        )
        let new = try TLSPair(acceptor, connector)
        try new.handshake()
        old.clientChannel.send([1])
        old.exchange()
        #expect(old.server.bytes == [1])
        #expect(old.clientTLS.peerIdentity?.spiffeID?.path == "/server")
        #expect(new.clientTLS.peerIdentity?.spiffeID?.path == "/renewed")
        #expect(configuration.credentials.counters["tls_credentials_replaced"] == 1)
    }

    @Test func `pushed credentials that don't fit change nothing`() throws {
        let credentials = try TestCredentials()
        let configuration = try credentials.serverConfiguration()
        let acceptor = try TLSAcceptor(configuration)
        #expect(throws: TLSError.self) {
            try configuration.credentials.replace(
                with: TLSMaterial(
                    certificateChain: credentials.client.certificate,
                    privateKey: credentials.server.privateKey,
                    trustRoots: nil
                )
            )
        }
        let pair = try TLSPair(acceptor, TLSConnector(credentials.clientConfiguration()))
        try pair.handshake()
        #expect(pair.client.isActive)
        #expect(configuration.credentials.counters["tls_credentials_refused"] == 1)
        #expect(configuration.credentials.counters["tls_credentials_replaced"] == 0)
    }

    @Test func `credentials that a server can't use leave it with those from before`() throws {
        let credentials = try TestCredentials()
        let configuration = try credentials.serverConfiguration(clients: .required)
        let acceptor = try TLSAcceptor(configuration)
        try configuration.credentials.replace(
            with: TLSMaterial(
                certificateChain: credentials.server.certificate,
                privateKey: credentials.server.privateKey,
                trustRoots: nil
            )
        )
        let pair = try TLSPair(
            acceptor,
            TLSConnector(credentials.clientConfiguration(identity: credentials.client))
        )
        try pair.handshake()
        #expect(pair.server.isActive)
        #expect(configuration.credentials.counters["tls_credentials_refused"] == 1)
    }

    @Test func `new trust roots turn away the clients of the old ones`() throws {
        let credentials = try TestCredentials()
        let configuration = try credentials.serverConfiguration(clients: .required)
        let acceptor = try TLSAcceptor(configuration)
        let other = try CertificateAuthority("other")
        try configuration.credentials.replace(
            with: TLSMaterial(
                certificateChain: credentials.server.certificate,
                privateKey: credentials.server.privateKey,
                trustRoots: other.certificate
            )
        )
        func connect(_ identity: CertificateAuthority.Identity) throws -> TLSFailure.Reason? {
            let pair = try TLSPair(
                acceptor,
                TLSConnector(credentials.clientConfiguration(identity: identity))
            )
            try pair.handshake()
            return pair.server.failure?.reason
        }
        #expect(try connect(credentials.client) == .certificateUntrusted)
        #expect(try connect(other.issueClient()) == nil)
    }
}
