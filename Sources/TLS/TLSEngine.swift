import COpenSSL
import NIOCore

/// One side of one TLS connection in memory: records in and out on one side, plain bytes on the
/// other.
///
/// Confined to its event loop. OpenSSL keeps no buffers between calls
/// (SSL_MODE_RELEASE_BUFFERS), and neither does this.
final class TLSEngine {
    enum Step {
        /// The peer's next bytes are needed.
        case needsInput
        case done
        case failed(TLSFailure)
    }

    enum ReadStep {
        case bytes(Int)
        case needsInput
        /// close_notify: the peer has sent all that it wanted to.
        case closed
        case failed(TLSFailure)
    }

    let context: TLSContext
    let role: Role
    /// Nil when OpenSSL could not make a connection.
    let ssl: OpaquePointer?
    private let scratch: TLSScratch
    private var input = ByteBuffer()
    private var output = ByteBuffer()
    private(set) var bytesReceived = 0
    private var verificationError: Int32?

    /// New keys without data between them that are too many.
    var maximumKeyUpdates = Int.max
    private(set) var hasTooManyKeyUpdates = false
    /// Since data came last.
    private var keyUpdates = 0
    var refusedRenegotiation = false
    var offeredNoProtocol = false

    enum Role {
        case server
        /// With the name under which sessions are kept.
        case client(ExpectedServer, sessionName: String)
    }

    init(_ context: TLSContext, role: Role, scratch: TLSScratch) {
        self.context = context
        self.role = role
        self.scratch = scratch
        self.ssl = SSL_new(context.pointer)
        guard let ssl else { return }
        // SSL_set_bio takes the reference; with one BIO for both directions it takes it once.
        let bio = makeBIO(for: self)
        SSL_set_bio(ssl, bio, bio)
        SSL_set_ex_data(ssl, 0, Unmanaged.passUnretained(self).toOpaque())
        switch role {
        case .server:
            SSL_set_accept_state(ssl)
        case .client(let expected, let sessionName):
            SSL_set_connect_state(ssl)
            if let name = expected.serverName { COpenSSL_set_server_name(ssl, name) }
            context.sessions.use(for: sessionName) { SSL_set_session(ssl, $0) }
        }
    }

    deinit { SSL_free(ssl) }

    /// The engine of a connection, in OpenSSL's callbacks.
    static func of(_ ssl: OpaquePointer?) -> TLSEngine? {
        guard let pointer = SSL_get_ex_data(ssl, 0) else { return nil }
        return Unmanaged<TLSEngine>.fromOpaque(pointer).takeUnretainedValue()
    }

    // MARK: - Records

    /// Offers records that came from the peer.
    func setInput(_ buffer: ByteBuffer) {
        input = buffer
        bytesReceived &+= buffer.readableBytes
    }

    var unreadInput: Int { input.readableBytes }

    func dropInput() {
        input = ByteBuffer()
    }

    var outputBytes: Int { output.readableBytes }

    /// The records to send; give the buffer back with `putRecords` of the scratch once it is
    /// written.
    func takeOutput() -> ByteBuffer {
        var taken = ByteBuffer()
        swap(&taken, &output)
        return taken
    }

    func takeInput(into target: UnsafeMutableRawBufferPointer) -> Int {
        input.readWithUnsafeReadableBytes { bytes in
            let count = min(bytes.count, target.count)
            target.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<count]))
            return count
        }
    }

    func appendOutput(_ bytes: UnsafeRawBufferPointer) {
        if output.readableBytes == 0 {
            output = scratch.takeRecords()
            output.clear(minimumCapacity: bytes.count)
        }
        output.writeBytes(bytes)
    }

    // MARK: - The handshake

    func handshake() -> Step {
        OpenSSLErrors.clear()
        let result = SSL_do_handshake(ssl)
        if result == 1 { return .done }
        return SSL_get_error(ssl, result) == SSL_ERROR_WANT_READ ? .needsInput : .failed(failure())
    }

    /// The handshake is over: what still has to be so, if it is not.
    func refusalAfterHandshake(permitsMissingALPN: Bool, now: Int64) -> TLSFailure? {
        var name: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        SSL_get0_alpn_selected(ssl, &name, &count)
        let selected = UnsafeBufferPointer(start: name, count: Int(count))
        guard
            selected.elementsEqual(http2Protocol.dropFirst())
                || (count == 0 && permitsMissingALPN)
        else {
            return TLSFailure(.noCommonProtocol, "the peer did not agree on ALPN h2")
        }
        // A resumed session was verified when it began, which can be hours ago.
        guard isResumed, let certificate = SSL_get0_peer_certificate(ssl),
            now > seconds(X509_get0_notAfter(certificate))
        else { return nil }
        return TLSFailure(
            .certificateExpired,
            "the certificate of the resumed session has expired"
        )
    }

    var isResumed: Bool { SSL_session_reused(ssl) == 1 }

    var sessionName: String? {
        if case .client(_, let name) = role { name } else { nil }
    }

    /// Nil for a client without a certificate.
    func peerIdentity() -> PeerIdentity? {
        SSL_get0_peer_certificate(ssl).map { PeerIdentity(certificate: $0) }
    }

    /// `TLSv1.3` and the cipher's name.
    var parameters: String {
        let version = String(cString: SSL_get_version(ssl))
        let cipher = SSL_CIPHER_get_name(SSL_get_current_cipher(ssl)).map { String(cString: $0) }
        return "\(version) \(cipher ?? "none")"
    }

    // MARK: - Data

    /// Decrypts at most one record to the end of `buffer`, which must have room for it.
    func read(into buffer: inout ByteBuffer) -> ReadStep {
        // OpenSSL would take a buffer to find out that there is nothing.
        guard input.readableBytes > 0 || SSL_has_pending(ssl) == 1 else { return .needsInput }
        var count = 0
        var result: Int32 = 0
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: Self.maximumRecordBytes) {
            result = SSL_read_ex(ssl, $0.baseAddress, $0.count, &count)
            return result == 1 ? count : 0
        }
        if result == 1 {
            keyUpdates = 0
            return .bytes(count)
        }
        switch SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ: return .needsInput
        case SSL_ERROR_ZERO_RETURN: return .closed
        default: return .failed(failure())
        }
    }

    /// Encrypts into records of 16 KiB and a rest.
    func write(_ bytes: UnsafeRawBufferPointer) -> TLSFailure? {
        guard bytes.count > 0 else { return nil }
        var written = 0
        let result = SSL_write_ex(ssl, bytes.baseAddress, bytes.count, &written)
        guard result == 1, written == bytes.count else { return failure() }
        return nil
    }

    /// Plain bytes of a full record (RFC 8446, section 5.1).
    static let maximumRecordBytes = 16 * 1024

    /// Says that nothing more comes.
    func sendCloseNotify() {
        OpenSSLErrors.clear()
        // Fails inside a handshake, where it has no place.
        if SSL_shutdown(ssl) < 0 { OpenSSLErrors.clear() }
    }

    // MARK: - The peer's certificate

    /// Whether a certificate whose chain is good is the expected peer's.
    func accepts(_ certificate: OpaquePointer) -> Bool {
        switch role {
        case .server: true
        case .client(let expected, _): expected.matches(certificate)
        }
    }

    func keyUpdated() {
        keyUpdates += 1
        if keyUpdates > maximumKeyUpdates { hasTooManyKeyUpdates = true }
    }

    func verificationFailed(_ error: Int32) {
        if verificationError == nil { verificationError = error }
    }

    // MARK: - What went wrong

    private func failure() -> TLSFailure {
        let error = OpenSSLErrors.take()
        if offeredNoProtocol {
            return TLSFailure(
                .noCommonProtocol,
                "the client offered no ALPN protocol; h2 is needed"
            )
        }
        if let verificationError, error?.reason == SSL_R_CERTIFICATE_VERIFY_FAILED {
            return verificationFailure(verificationError)
        }
        return TLSFailure(
            error.map { TLSFailure.Reason(openSSL: $0.reason, library: $0.library) }
                ?? .protocolError,
            error?.text ?? "no reason given"
        )
    }

    private func verificationFailure(_ error: Int32) -> TLSFailure {
        let text = String(cString: X509_verify_cert_error_string(Int(error)))
        switch error {
        case X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_CERT_NOT_YET_VALID:
            return TLSFailure(.certificateExpired, "the peer's certificate: \(text)")
        case X509_V_ERR_APPLICATION_VERIFICATION:
            guard case .client(let expected, _) = role else { break }
            return TLSFailure(
                .identityMismatch,
                "the server's certificate is valid but is not that of \(expected)"
            )
        default: break
        }
        return TLSFailure(.certificateUntrusted, "the peer's certificate: \(text)")
    }
}

extension TLSFailure.Reason {
    /// From the first error in OpenSSL's queue.
    fileprivate init(openSSL reason: Int32, library: Int32) {
        guard library == ERR_LIB_SSL else {
            self = .protocolError
            return
        }
        switch reason {
        case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: self = .noClientCertificate
        case SSL_R_NO_APPLICATION_PROTOCOL, SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL:
            self = .noCommonProtocol
        case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_WRONG_SSL_VERSION, SSL_R_VERSION_TOO_LOW,
            SSL_R_NO_PROTOCOLS_AVAILABLE, SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
            self = .noCommonVersion
        case SSL_R_NO_SHARED_CIPHER, SSL_R_NO_SUITABLE_KEY_SHARE: self = .noCommonCipher
        case SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST: self = .notTLS
        // The peer's alert, by its number above this.
        case SSL_AD_REASON_OFFSET...: self = .refusedByPeer
        default: self = .protocolError
        }
    }
}
