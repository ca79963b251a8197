/// Why a TLS connection was ended by one of its sides.
package struct TLSFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// What went wrong, as the counters tell it apart.
    package enum Reason: String, CaseIterable, Sendable {
        /// The first byte was not that of a TLS record.
        case notTLS = "not_tls"
        /// The peer closed the connection before the handshake was over.
        case handshakeTruncated = "handshake_truncated"
        case handshakeTimeout = "handshake_timeout"
        /// The peer sent more than a handshake may take.
        case handshakeTooLong = "handshake_too_long"
        /// A client, where one is required, came without a certificate.
        case noClientCertificate = "no_client_certificate"
        /// The peer's certificate has expired or is not valid yet.
        case certificateExpired = "certificate_expired"
        /// The peer's certificate does not lead to a trust root.
        case certificateUntrusted = "certificate_untrusted"
        /// The peer's certificate is valid but not the expected peer's.
        case identityMismatch = "identity_mismatch"
        /// No application protocol in common: gRPC needs ALPN `h2`.
        case noCommonProtocol = "no_common_protocol"
        case noCommonVersion = "no_common_version"
        case noCommonCipher = "no_common_cipher"
        /// The peer ended the handshake with an alert.
        case refusedByPeer = "refused_by_peer"
        case renegotiation = "renegotiation"
        /// The peer asked for new keys again and again.
        case keyUpdateFlood = "key_update_flood"
        /// Anything else: a broken record, a message out of order.
        case protocolError = "protocol_error"
        /// The connection ended without close_notify after the handshake: what came last may be
        /// missing.
        case truncated = "truncated"

        /// Counts the connections that ended so.
        package var metricName: String { "tls_failures_\(rawValue)" }
    }

    package let reason: Reason
    package let detail: String

    package init(_ reason: Reason, _ detail: String) {
        self.reason = reason
        self.detail = detail
    }

    package var description: String { "TLS: \(detail)" }
}
