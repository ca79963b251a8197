import COpenSSL

/// Credentials that have been read, checked and found to fit together.
// SAFETY (@unchecked Sendable): the OpenSSL objects are set once; from then on they are only read and
// counted, which OpenSSL does atomically.
final class LoadedCredentials: @unchecked Sendable {
    /// Ours, leaf first; empty for a client that shows none.
    let chain: [OpaquePointer]
    let key: OpaquePointer?
    let roots: [OpaquePointer]
    /// When the leaf expires, in seconds since 1970.
    let notAfterSeconds: Int64?

    /// Certificates of one PEM text; the usual bundle of public roots has about 150.
    static let maximumCertificates = 1000

    /// - Parameter now: seconds since 1970.
    init(_ material: TLSMaterial, now: Int64) throws(TLSError) {
        // A throwing initialiser of a class runs no `deinit`: until all is well, `loading` owns.
        let loading = Loading()
        try loading.readIdentity(material, now: now)
        if let source = material.trustRoots {
            try loading.readCertificates(source, into: \.roots)
        }
        (chain, key, roots) = loading.take()
        notAfterSeconds = chain.first.map { seconds(X509_get0_notAfter($0)) }
    }

    deinit {
        for certificate in chain + roots { X509_free(certificate) }
        EVP_PKEY_free(key)
    }
}

/// What has been read so far, freed unless it is taken.
private final class Loading {
    var chain: [OpaquePointer] = []
    var roots: [OpaquePointer] = []
    private var key: OpaquePointer?

    deinit {
        for certificate in chain + roots { X509_free(certificate) }
        EVP_PKEY_free(key)
    }

    func take() -> (chain: [OpaquePointer], key: OpaquePointer?, roots: [OpaquePointer]) {
        defer { (chain, key, roots) = ([], nil, []) }
        return (chain, key, roots)
    }

    func readIdentity(_ material: TLSMaterial, now: Int64) throws(TLSError) {
        switch (material.certificateChain, material.privateKey) {
        case (nil, nil): return
        case (let certificates?, nil):
            throw TLSError(.misconfigured, "\(certificates.name) came without a private key")
        case (nil, let key?):
            throw TLSError(.misconfigured, "\(key.name) came without a certificate")
        case (let certificates?, let keySource?):
            try readCertificates(certificates, into: \.chain)
            try readKey(keySource)
            guard let leaf = chain.first else { return }
            try checkTime(of: leaf, certificates.name, now: now)
            guard X509_check_private_key(leaf, key) == 1 else {
                OpenSSLErrors.clear()
                throw TLSError(
                    .keyMismatch,
                    "\(keySource.name) is not the key of the certificate in \(certificates.name)"
                )
            }
            try checkStrength(of: leaf, certificates.name)
        }
    }

    func readCertificates(
        _ source: TLSMaterial.Source,
        into list: ReferenceWritableKeyPath<Loading, [OpaquePointer]>
    ) throws(TLSError) {
        guard let bio = memory(source.bytes) else { return }
        defer { BIO_free(bio) }
        OpenSSLErrors.clear()
        while let certificate = PEM_read_bio_X509(bio, nil, noPassphrase, nil) {
            self[keyPath: list].append(certificate)
            guard self[keyPath: list].count <= LoadedCredentials.maximumCertificates else {
                throw TLSError(
                    .refused,
                    "\(source.name) has more than \(LoadedCredentials.maximumCertificates) "
                        + "certificates"
                )
            }
        }
        // "No start line" is how a text ends; anything else is a certificate that is broken, or one
        // that is only half written.
        let error = OpenSSLErrors.take()
        let isEnd = error.map { $0.library == ERR_LIB_PEM && $0.reason == PEM_R_NO_START_LINE }
        guard isEnd ?? true else {
            throw TLSError(.notPEM, "\(source.name) is broken: \(error?.text ?? "no reason given")")
        }
        guard !self[keyPath: list].isEmpty else {
            throw TLSError(.notPEM, "\(source.name) has no PEM certificate")
        }
    }

    private func readKey(_ source: TLSMaterial.Source) throws(TLSError) {
        guard let bio = memory(source.bytes) else { return }
        defer { BIO_free(bio) }
        OpenSSLErrors.clear()
        key = PEM_read_bio_PrivateKey(bio, nil, noPassphrase, nil)
        guard key == nil else { return }
        // The queue's own words are about decoders and help nobody.
        OpenSSLErrors.clear()
        throw TLSError(.notPEM, "\(source.name) has no PEM private key without a passphrase")
    }

    private func checkTime(
        of leaf: OpaquePointer,
        _ name: String,
        now: Int64
    ) throws(TLSError) {
        let notBefore = seconds(X509_get0_notBefore(leaf))
        let notAfter = seconds(X509_get0_notAfter(leaf))
        guard now <= notAfter else {
            throw TLSError(
                .notValidNow,
                "the certificate in \(name) has expired: \(text(X509_get0_notAfter(leaf)))"
            )
        }
        guard now >= notBefore else {
            throw TLSError(
                .notValidNow,
                "the certificate in \(name) is not valid before \(text(X509_get0_notBefore(leaf)))"
            )
        }
    }

    /// What a context would refuse must not replace what it has: short keys, weak digests.
    private func checkStrength(of leaf: OpaquePointer, _ name: String) throws(TLSError) {
        let trial = SSL_CTX_new(TLS_method())
        defer { SSL_CTX_free(trial) }
        guard SSL_CTX_use_certificate(trial, leaf) == 1, SSL_CTX_use_PrivateKey(trial, key) == 1
        else {
            throw TLSError(
                .refused,
                "the certificate in \(name) can't be used: \(OpenSSLErrors.takeText())"
            )
        }
    }
}

/// A BIO that reads a copy of the bytes.
private func memory(_ bytes: [UInt8]) -> OpaquePointer? {
    let bio = BIO_new(BIO_s_mem())
    bytes.withUnsafeBytes { _ = BIO_write(bio, $0.baseAddress, Int32(clamping: $0.count)) }
    return bio
}

/// A certificate's time for a message.
private func text(_ time: UnsafePointer<ASN1_TIME>?) -> String {
    guard let bio = BIO_new(BIO_s_mem()) else { return "unknown" }
    defer { BIO_free(bio) }
    ASN1_TIME_print(bio, time)
    var start: UnsafeMutablePointer<CChar>?
    let count = COpenSSL_mem_data(bio, &start)
    return String(
        decoding: UnsafeRawBufferPointer(start: start, count: max(count, 0)),
        as: UTF8.self
    )
}

/// Without it OpenSSL would ask for the passphrase on the terminal.
private let noPassphrase:
    @convention(c) (
        UnsafeMutablePointer<CChar>?, Int32, Int32, UnsafeMutableRawPointer?
    ) -> Int32 = { _, _, _, _ in -1 }
