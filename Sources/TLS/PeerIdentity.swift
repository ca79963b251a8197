import COpenSSL

/// Who the peer is by the certificate that it proved to have the key of.
package final class PeerIdentity: Sendable, CustomStringConvertible {
    /// The ID of an X.509-SVID; nil when the certificate is none.
    package let spiffeID: SPIFFEID?
    package let dnsNames: [String]
    /// The subject in the order of RFC 2253; empty for most certificates of a mesh.
    package let subject: String
    /// When the certificate expires, in seconds since 1970.
    package let notAfterSeconds: Int64

    /// - Parameter certificate: an `X509`, which is only read.
    init(certificate: OpaquePointer) {
        let names = SubjectAlternativeNames(certificate)
        self.spiffeID = Self.spiffeID(certificate, uris: names.uris)
        self.dnsNames = names.dnsNames
        self.subject = Self.subject(certificate)
        self.notAfterSeconds = seconds(X509_get0_notAfter(certificate))
    }

    package var description: String {
        spiffeID?.description ?? dnsNames.first ?? (subject.isEmpty ? "nameless" : subject)
    }

    /// X509-SVID.md, section 5.2: exactly one URI, a leaf, and a key that signs no certificates.
    static func spiffeID(_ certificate: OpaquePointer, uris: [String]) -> SPIFFEID? {
        guard uris.count == 1, let id = SPIFFEID(uris[0]), X509_check_ca(certificate) == 0 else {
            return nil
        }
        let usage = X509_get_key_usage(certificate)
        let hasUsage = X509_get_extension_flags(certificate) & UInt32(EXFLAG_KUSAGE) != 0
        guard !hasUsage || usage & UInt32(KU_KEY_CERT_SIGN | KU_CRL_SIGN) == 0 else { return nil }
        return id
    }

    /// Bytes of the subject that are kept.
    private static let maximumSubjectBytes = 1024

    private static func subject(_ certificate: OpaquePointer) -> String {
        guard let bio = BIO_new(BIO_s_mem()) else { return "" }
        defer { BIO_free(bio) }
        let name = X509_get_subject_name(certificate)
        X509_NAME_print_ex(bio, name, 0, COpenSSL_subject_flags)
        var start: UnsafeMutablePointer<CChar>?
        let count = min(COpenSSL_mem_data(bio, &start), maximumSubjectBytes)
        return String(
            decoding: UnsafeRawBufferPointer(start: start, count: max(count, 0)),
            as: UTF8.self
        )
    }
}

/// The names that a certificate is for (RFC 5280, section 4.2.1.6).
struct SubjectAlternativeNames {
    private(set) var dnsNames: [String] = []
    private(set) var uris: [String] = []

    /// A certificate with more names is taken to have none: part of them could hide a second URI.
    static let maximumNames = 1000

    init(_ certificate: OpaquePointer) {
        guard let pointer = X509_get_ext_d2i(certificate, NID_subject_alt_name, nil, nil) else {
            return
        }
        let names = OpaquePointer(pointer)
        defer { GENERAL_NAMES_free(names) }
        let count = COpenSSL_general_name_count(names)
        guard count <= Self.maximumNames else { return }
        for index in 0..<count {
            guard let name = COpenSSL_general_name(names, index) else { continue }
            switch name.pointee.type {
            case GEN_DNS: dnsNames.append(Self.text(name))
            case GEN_URI: uris.append(Self.text(name))
            default: break
            }
        }
    }

    /// A NUL inside stays one: the text then equals no name that anybody expects.
    private static func text(_ name: UnsafePointer<GENERAL_NAME>) -> String {
        let value = COpenSSL_ia5(name)
        let count = Int(ASN1_STRING_length(value))
        return String(
            decoding: UnsafeRawBufferPointer(start: ASN1_STRING_get0_data(value), count: count),
            as: UTF8.self
        )
    }
}

/// A certificate's time in seconds since 1970; the end of time for one that can't be read.
func seconds(_ time: UnsafePointer<ASN1_TIME>?) -> Int64 {
    guard let epoch = ASN1_TIME_set(nil, 0) else { return .max }
    defer { ASN1_STRING_free(epoch) }
    var days: Int32 = 0
    var seconds: Int32 = 0
    guard ASN1_TIME_diff(&days, &seconds, epoch, time) == 1 else { return .max }
    return Int64(days) * 86_400 + Int64(seconds)
}
