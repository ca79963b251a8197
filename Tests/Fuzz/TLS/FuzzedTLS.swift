import NIOEmbedded
import TLS
import TLSTestSupport

/// What all runs share: certificates made at the start, and the loop, whose buffers are reused.
enum FuzzedTLS {
    static let loop = EmbeddedEventLoop()
    static let acceptor = sides.acceptor
    static let connector = sides.connector

    private static let sides = makeSides()

    private static func makeSides() -> (acceptor: TLSAcceptor, connector: TLSConnector) {
        do {
            let authority = try CertificateAuthority()
            func credentials(_ identity: CertificateAuthority.Identity) throws -> TLSCredentials {
                try TLSCredentials(
                    TLSMaterial(
                        certificateChain: identity.certificate,
                        privateKey: identity.privateKey,
                        trustRoots: authority.certificate
                    )
                )
            }
            let server = TLSServerConfiguration(
                credentials: try credentials(authority.issueServer()),
                clientCertificates: .required
            )
            let client = TLSClientConfiguration(
                credentials: try credentials(authority.issueClient())
            )
            return (try TLSAcceptor(server), try TLSConnector(client))
        } catch {
            preconditionFailure("the certificates can't be made: \(error)")
        }
    }
}
