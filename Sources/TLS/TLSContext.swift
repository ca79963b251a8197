import COpenSSL

/// An `SSL_CTX`: one generation of credentials with the settings of one server or client.
///
/// Each has ticket keys of its own, so that no session outlives the trust roots that its
/// certificates were checked against.
// SAFETY (@unchecked Sendable): the context is filled in before `init` returns and only read, by
// OpenSSL's own rules, afterwards.
final class TLSContext: @unchecked Sendable {
    let pointer: OpaquePointer
    /// What a client can resume.
    let sessions: ClientSessions

    init(_ configuration: TLSServerConfiguration, _ credentials: LoadedCredentials) throws(TLSError)
    {
        pointer = try Self.make(
            TLS_server_method(),
            try configuration.versions,
            credentials
        )
        sessions = ClientSessions(capacity: 0)
        guard !credentials.chain.isEmpty else {
            throw TLSError(.misconfigured, "a TLS server needs a certificate and its key")
        }
        SSL_CTX_set_alpn_select_cb(pointer, selectProtocol, nil)
        if !configuration.permitsMissingALPN {
            SSL_CTX_set_client_hello_cb(pointer, requireProtocol, nil)
        }
        // Tickets carry the session, so nothing is kept here; one is enough for clients that keep
        // their connection.
        COpenSSL_set_session_cache_mode(pointer, Int(SSL_SESS_CACHE_OFF))
        SSL_CTX_set_num_tickets(pointer, 1)
        SSL_CTX_set_timeout(pointer, Int(configuration.sessionLifetime.components.seconds))
        let sessionContext = Array("meridian".utf8)
        SSL_CTX_set_session_id_context(pointer, sessionContext, UInt32(sessionContext.count))
        guard configuration.clientCertificates != .none else { return }
        guard !credentials.roots.isEmpty else {
            throw TLSError(
                .misconfigured,
                "a TLS server that asks for client certificates needs trust roots"
            )
        }
        var mode = SSL_VERIFY_PEER
        if configuration.clientCertificates == .required {
            mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT
        }
        SSL_CTX_set_verify(pointer, mode, verifyCertificate)
    }

    init(_ configuration: TLSClientConfiguration, _ credentials: LoadedCredentials) throws(TLSError)
    {
        pointer = try Self.make(
            TLS_client_method(),
            try configuration.versions,
            credentials
        )
        sessions = ClientSessions(capacity: configuration.maximumRememberedSessions)
        if credentials.roots.isEmpty, SSL_CTX_set_default_verify_paths(pointer) != 1 {
            throw TLSError(
                .misconfigured,
                "the system's trust roots can't be read: \(OpenSSLErrors.takeText())"
            )
        }
        SSL_CTX_set_verify(pointer, SSL_VERIFY_PEER, verifyCertificate)
        COpenSSL_set_session_cache_mode(
            pointer,
            Int(SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL)
        )
        SSL_CTX_sess_set_new_cb(pointer, rememberSession)
        // Two bytes of length, then each name with one (RFC 7301, section 3.1).
        SSL_CTX_set_alpn_protos(pointer, http2Protocol, UInt32(http2Protocol.count))
    }

    deinit { SSL_CTX_free(pointer) }

    // Without all that HTTP/2 forbids with TLS 1.2 (RFC 9113, section 9.2.2): forward secrecy and
    // authenticated encryption only.
    private static let tls12Ciphers =
        "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
        + "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
        + "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
    private static let tls13Ciphers =
        "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
    private static let groups = "X25519:P-256:P-384"
    /// Bytes of the peer's chain.
    private static let maximumChainBytes = 64 * 1024

    private static func make(
        _ method: OpaquePointer?,
        _ versions: ClosedRange<TLSVersion>,
        _ credentials: LoadedCredentials
    ) throws(TLSError) -> OpaquePointer {
        OpenSSLErrors.clear()
        guard let pointer = SSL_CTX_new(method) else {
            throw TLSError(.refused, "OpenSSL makes no context: \(OpenSSLErrors.takeText())")
        }
        COpenSSL_set_options(pointer, COpenSSL_options)
        COpenSSL_set_mode(pointer, COpenSSL_mode)
        COpenSSL_set_max_cert_list(pointer, maximumChainBytes)
        COpenSSL_read_ahead(pointer)
        SSL_CTX_set_msg_callback(pointer, noteMessage)
        let isSet =
            COpenSSL_set_min_version(pointer, versions.lowerBound.number) == 1
            && COpenSSL_set_max_version(pointer, versions.upperBound.number) == 1
            && SSL_CTX_set_cipher_list(pointer, tls12Ciphers) == 1
            && SSL_CTX_set_ciphersuites(pointer, tls13Ciphers) == 1
            && COpenSSL_set_groups(pointer, groups) == 1
            && use(credentials, in: pointer)
        guard isSet else {
            let text = OpenSSLErrors.takeText()
            SSL_CTX_free(pointer)
            throw TLSError(.refused, "OpenSSL refuses the TLS configuration: \(text)")
        }
        return pointer
    }

    private static func use(_ credentials: LoadedCredentials, in pointer: OpaquePointer) -> Bool {
        if let leaf = credentials.chain.first {
            guard SSL_CTX_use_certificate(pointer, leaf) == 1,
                SSL_CTX_use_PrivateKey(pointer, credentials.key) == 1
            else { return false }
            for certificate in credentials.chain.dropFirst()
            where COpenSSL_add_chain_certificate(pointer, certificate) != 1 {
                return false
            }
        }
        guard !credentials.roots.isEmpty else { return true }
        let store = X509_STORE_new()
        defer { X509_STORE_free(store) }
        for root in credentials.roots where X509_STORE_add_cert(store, root) != 1 { return false }
        // A root of a SPIFFE bundle need not have signed itself.
        X509_STORE_set_flags(store, UInt(X509_V_FLAG_PARTIAL_CHAIN))
        COpenSSL_set_store(pointer, store)
        return true
    }
}

extension TLSVersion {
    fileprivate var number: Int32 {
        switch self {
        case .tls12: TLS1_2_VERSION
        case .tls13: TLS1_3_VERSION
        }
    }
}

/// `h2` as ALPN carries it.
let http2Protocol: [UInt8] = [2, UInt8(ascii: "h"), UInt8(ascii: "2")]

// MARK: - Callbacks

private func selectProtocol(
    _ ssl: OpaquePointer?,
    _ selected: UnsafeMutablePointer<UnsafePointer<UInt8>?>?,
    _ selectedCount: UnsafeMutablePointer<UInt8>?,
    _ offered: UnsafePointer<UInt8>?,
    _ offeredCount: UInt32,
    _ argument: UnsafeMutableRawPointer?
) -> Int32 {
    // Points into what the client sent, as the interface wants it.
    let offer = UnsafeBufferPointer(start: offered, count: Int(offeredCount))
    var index = 0
    while index < offer.count {
        let name = offer[index...].dropFirst().prefix(Int(offer[index]))
        if name.elementsEqual(http2Protocol.dropFirst()), let offered {
            selected?.pointee = offered + name.startIndex
            selectedCount?.pointee = UInt8(name.count)
            return SSL_TLSEXT_ERR_OK
        }
        index = name.endIndex
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL
}

/// A client that offers no protocol is refused before anything is computed for it.
private func requireProtocol(
    _ ssl: OpaquePointer?,
    _ alert: UnsafeMutablePointer<Int32>?,
    _ argument: UnsafeMutableRawPointer?
) -> Int32 {
    var extensionBytes: UnsafePointer<UInt8>?
    var count = 0
    let type = UInt32(TLSEXT_TYPE_application_layer_protocol_negotiation)
    if SSL_client_hello_get0_ext(ssl, type, &extensionBytes, &count) == 1 {
        return SSL_CLIENT_HELLO_SUCCESS
    }
    alert?.pointee = SSL_AD_NO_APPLICATION_PROTOCOL
    TLSEngine.of(ssl)?.offeredNoProtocol = true
    return SSL_CLIENT_HELLO_ERROR
}

private func verifyCertificate(_ isGood: Int32, _ store: OpaquePointer?) -> Int32 {
    let index = SSL_get_ex_data_X509_STORE_CTX_idx()
    guard let pointer = X509_STORE_CTX_get_ex_data(store, index),
        let engine = TLSEngine.of(OpaquePointer(pointer))
    else { return 0 }
    guard isGood == 1 else {
        engine.verificationFailed(X509_STORE_CTX_get_error(store))
        return 0
    }
    guard X509_STORE_CTX_get_error_depth(store) == 0 else { return 1 }
    guard let certificate = X509_STORE_CTX_get_current_cert(store), engine.accepts(certificate)
    else {
        X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION)
        engine.verificationFailed(X509_V_ERR_APPLICATION_VERIFICATION)
        return 0
    }
    return 1
}

/// Sees every message and the head of every record, in and out.
private func noteMessage(
    _ isWritten: Int32,
    _ version: Int32,
    _ contentType: Int32,
    _ bytes: UnsafeRawPointer?,
    _ count: Int,
    _ ssl: OpaquePointer?,
    _ argument: UnsafeMutableRawPointer?
) {
    switch (contentType, isWritten) {
    case (SSL3_RT_ALERT, 1):
        if count == 2,
            bytes?.load(fromByteOffset: 1, as: UInt8.self) == UInt8(SSL_AD_NO_RENEGOTIATION)
        {
            TLSEngine.of(ssl)?.refusedRenegotiation = true
        }
    case (SSL3_RT_HANDSHAKE, 0):
        if count > 0, bytes?.load(as: UInt8.self) == UInt8(SSL3_MT_KEY_UPDATE) {
            TLSEngine.of(ssl)?.keyUpdated()
        }
    default: break
    }
}

/// Returns 1 when the session is kept.
private func rememberSession(_ ssl: OpaquePointer?, _ session: OpaquePointer?) -> Int32 {
    guard let session, let engine = TLSEngine.of(ssl), let name = engine.sessionName else {
        return 0
    }
    return engine.context.sessions.put(session, for: name) ? 1 : 0
}
