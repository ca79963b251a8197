import COpenSSL

/// Whose certificate a client wants to see.
struct ExpectedServer: Sendable, CustomStringConvertible {
    private enum Name: Sendable {
        case hostname(String)
        case address(String)
        case spiffeID(SPIFFEID)
        case spiffeTrustDomain(String)
    }

    private let name: Name
    /// For the server name indication, which has no place for an address (RFC 6066, section 3).
    let serverName: String?

    /// - Parameter host: what was connected to.
    init(_ verification: ServerVerification, host: String) {
        var expectedHost = host
        if case .hostname(let name?) = verification { expectedHost = name }
        let isAddress = Self.isAddress(expectedHost)
        serverName = isAddress ? nil : expectedHost
        switch verification {
        case .hostname: name = isAddress ? .address(expectedHost) : .hostname(expectedHost)
        case .spiffeID(let id): name = .spiffeID(id)
        case .spiffeTrustDomain(let domain): name = .spiffeTrustDomain(domain)
        }
    }

    var description: String {
        switch name {
        case .hostname(let host), .address(let host): host
        case .spiffeID(let id): "\(id)"
        case .spiffeTrustDomain(let domain): "the trust domain \(domain)"
        }
    }

    func matches(_ certificate: OpaquePointer) -> Bool {
        switch name {
        case .hostname(let host):
            return X509_check_host(certificate, host, host.utf8.count, Self.hostFlags, nil) == 1
        case .address(let address):
            return X509_check_ip_asc(certificate, address, 0) == 1
        case .spiffeID(let id):
            return Self.spiffeID(of: certificate) == id
        case .spiffeTrustDomain(let domain):
            return Self.spiffeID(of: certificate)?.trustDomain == domain
        }
    }

    /// `*.example.org` is taken, `w*.example.org` is not, and the subject's common name is no name
    /// of a host (RFC 9525, sections 2 and 6.3).
    private static let hostFlags = UInt32(
        X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT
    )

    private static func spiffeID(of certificate: OpaquePointer) -> SPIFFEID? {
        PeerIdentity.spiffeID(certificate, uris: SubjectAlternativeNames(certificate).uris)
    }

    private static func isAddress(_ text: String) -> Bool {
        guard let octets = a2i_IPADDRESS(text) else { return false }
        ASN1_STRING_free(octets)
        return true
    }
}
