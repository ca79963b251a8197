package import NIOCore

/// A version of TLS; older ones are not spoken.
package enum TLSVersion: Int, Comparable, Sendable {
    case tls12
    case tls13

    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// Whether a server asks its clients for a certificate.
package enum ClientCertificatePolicy: Sendable {
    case none
    /// A client may come without one; a bad one is refused all the same.
    case optional
    case required
}

/// The bounds of one TLS connection, for either side.
package struct TLSLimits: Sendable {
    /// From the connection's start to the end of the handshake.
    package var handshakeTimeout: TimeAmount = .seconds(10)
    /// Bytes that the peer may send until the handshake is over: a long chain takes 20 KiB.
    package var maximumHandshakeBytes = 128 * 1024
    /// KeyUpdate messages without a byte of data between them.
    package var maximumKeyUpdates = 32
    /// Bytes that may be written before the handshake is over.
    package var maximumEarlyBytes = 64 * 1024
    /// How long a refused peer has to read the alert before the connection is torn down.
    package var alertLingerTimeout: TimeAmount = .seconds(1)

    package init() {}
}

/// How a server speaks TLS.
package struct TLSServerConfiguration: Sendable {
    package var credentials: TLSCredentials
    package var clientCertificates: ClientCertificatePolicy
    package var minimumVersion = TLSVersion.tls12
    package var maximumVersion = TLSVersion.tls13
    /// gRPC requires ALPN `h2`; this lets clients in that offer no protocol at all.
    package var permitsMissingALPN = false
    /// How long a client may resume a session with its ticket.
    package var sessionLifetime: Duration = .seconds(7200)
    package var limits = TLSLimits()

    package init(credentials: TLSCredentials, clientCertificates: ClientCertificatePolicy = .none) {
        self.credentials = credentials
        self.clientCertificates = clientCertificates
    }
}

/// What makes a client believe that a server is the right one, on top of a chain that leads to a
/// trust root.
package enum ServerVerification: Sendable {
    /// The certificate names the host (or the IP address) that was connected to, or the given one.
    case hostname(String?)
    /// The certificate is an X.509-SVID with exactly this ID.
    case spiffeID(SPIFFEID)
    /// The certificate is an X.509-SVID of this trust domain.
    case spiffeTrustDomain(String)
}

/// How a client speaks TLS.
package struct TLSClientConfiguration: Sendable {
    /// Whom it trusts, and who it is to servers that ask.
    package var credentials: TLSCredentials
    package var verification: ServerVerification
    package var minimumVersion = TLSVersion.tls12
    package var maximumVersion = TLSVersion.tls13
    /// Sessions that are kept for resumption, one or two for each server.
    package var maximumRememberedSessions = 64
    package var limits = TLSLimits()

    package init(
        credentials: TLSCredentials,
        verification: ServerVerification = .hostname(nil)
    ) {
        self.credentials = credentials
        self.verification = verification
    }
}

extension TLSServerConfiguration {
    var versions: ClosedRange<TLSVersion> {
        get throws(TLSError) { try range(minimumVersion, maximumVersion) }
    }
}

extension TLSClientConfiguration {
    var versions: ClosedRange<TLSVersion> {
        get throws(TLSError) { try range(minimumVersion, maximumVersion) }
    }
}

private func range(
    _ minimum: TLSVersion,
    _ maximum: TLSVersion
) throws(TLSError) -> ClosedRange<TLSVersion> {
    guard minimum <= maximum else {
        throw TLSError(.misconfigured, "the minimum version of TLS is above the maximum")
    }
    return minimum...maximum
}
