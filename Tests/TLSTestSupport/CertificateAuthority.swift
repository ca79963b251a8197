import COpenSSL

/// A certificate authority that lives in memory, for tests and fuzz targets: nothing of it is ever committed.
package final class CertificateAuthority {
    /// A certificate and its key as PEM text.
    package struct Identity: Sendable {
        package let certificate: String
        package let privateKey: String
    }

    /// What a certificate says besides its key.
    package struct Request {
        package var commonName = "test"
        package var dnsNames: [String] = []
        package var addresses: [String] = []
        package var uris: [String] = []
        /// Seconds from now.
        package var notBefore = -3600
        package var notAfter = 3600
        package var isAuthority = false

        package init() {}

        package init(_ fill: (inout Request) -> Void) { fill(&self) }
    }

    package struct Failed: Error {}

    /// The root that peers have to trust.
    package let certificate: String
    private let root: OpaquePointer
    private let key: OpaquePointer
    private var lastSerial = 1

    package init(_ commonName: String = "test root") throws {
        var request = Request()
        request.commonName = commonName
        request.isAuthority = true
        request.notAfter = 24 * 3600
        guard let key = COpenSSL_generate_p256_key() else { throw Failed() }
        let root = try Self.make(request, key: key, issuer: nil, signer: key, serial: 1)
        self.key = key
        self.root = root
        self.certificate = try pem { PEM_write_bio_X509($0, root) }
    }

    deinit {
        X509_free(root)
        EVP_PKEY_free(key)
    }

    package func issue(_ request: Request) throws -> Identity {
        guard let subjectKey = COpenSSL_generate_p256_key() else { throw Failed() }
        defer { EVP_PKEY_free(subjectKey) }
        lastSerial += 1
        let leaf = try Self.make(
            request,
            key: subjectKey,
            issuer: root,
            signer: key,
            serial: lastSerial
        )
        defer { X509_free(leaf) }
        return Identity(
            certificate: try pem { PEM_write_bio_X509($0, leaf) },
            privateKey: try pem { PEM_write_bio_PrivateKey($0, subjectKey, nil, nil, 0, nil, nil) }
        )
    }

    /// A server's: for localhost, 127.0.0.1 and a SPIFFE ID.
    package func issueServer(uri: String = "spiffe://test.example/server") throws -> Identity {
        try issue(
            Request {
                $0.commonName = "server"
                $0.dnsNames = ["localhost", "server.test.example"]
                $0.addresses = ["127.0.0.1"]
                $0.uris = [uri]
            }
        )
    }

    package func issueClient(uri: String = "spiffe://test.example/client") throws -> Identity {
        try issue(
            Request {
                $0.commonName = "client"
                $0.uris = [uri]
            }
        )
    }

    private static func make(
        _ request: Request,
        key: OpaquePointer,
        issuer: OpaquePointer?,
        signer: OpaquePointer,
        serial: Int
    ) throws -> OpaquePointer {
        guard let certificate = X509_new() else { throw Failed() }
        X509_set_version(certificate, 2)
        ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial)
        X509_gmtime_adj(X509_getm_notBefore(certificate), request.notBefore)
        X509_gmtime_adj(X509_getm_notAfter(certificate), request.notAfter)
        X509_set_pubkey(certificate, key)
        let name = X509_get_subject_name(certificate)
        X509_NAME_add_entry_by_txt(
            name,
            "CN",
            Int32(MBSTRING_UTF8),
            request.commonName,
            -1,
            -1,
            0
        )
        X509_set_issuer_name(certificate, issuer.map { X509_get_subject_name($0) } ?? name)
        var context = X509V3_CTX()
        X509V3_set_ctx(&context, issuer ?? certificate, certificate, nil, nil, 0)
        var extensions: [(Int32, String)] = [
            (NID_basic_constraints, request.isAuthority ? "critical,CA:TRUE" : "critical,CA:FALSE"),
            (
                NID_key_usage,
                request.isAuthority ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature"
            ),
            (NID_subject_key_identifier, "hash"),
        ]
        let names =
            request.dnsNames.map { "DNS:\($0)" } + request.addresses.map { "IP:\($0)" }
            + request.uris.map { "URI:\($0)" }
        if !names.isEmpty {
            extensions.append((NID_subject_alt_name, names.joined(separator: ",")))
        }
        for (id, value) in extensions {
            guard let entry = X509V3_EXT_conf_nid(nil, &context, id, value) else {
                X509_free(certificate)
                throw Failed()
            }
            X509_add_ext(certificate, entry, -1)
            X509_EXTENSION_free(entry)
        }
        guard X509_sign(certificate, signer, EVP_sha256()) > 0 else {
            X509_free(certificate)
            throw Failed()
        }
        return certificate
    }
}

private func pem(_ write: (OpaquePointer) -> Int32) throws -> String {
    guard let bio = BIO_new(BIO_s_mem()) else { throw CertificateAuthority.Failed() }
    defer { BIO_free(bio) }
    guard write(bio) == 1 else { throw CertificateAuthority.Failed() }
    var start: UnsafeMutablePointer<CChar>?
    let count = COpenSSL_mem_data(bio, &start)
    return String(decoding: UnsafeRawBufferPointer(start: start, count: count), as: UTF8.self)
}
