/// Certificates and a key as PEM text, not looked at yet.
///
/// Neither `print` nor a log nor a mirror shows the key.
package struct TLSMaterial: Sendable {
    /// A text and what to call it in an error: a file's path, as a rule.
    struct Source: Sendable {
        let name: String
        let bytes: [UInt8]
    }

    /// The own certificate first, then what leads from it to a root.
    let certificateChain: Source?
    let privateKey: Source?
    let trustRoots: Source?

    /// Credentials that are pushed in memory.
    ///
    /// - Parameter certificateChain: nil for a client that shows no certificate.
    /// - Parameter trustRoots: nil for a server that asks for no certificates, and for a client that
    ///   trusts what the system trusts.
    package init(certificateChain: String?, privateKey: String?, trustRoots: String?) {
        func source(_ name: String, _ text: String?) -> Source? {
            text.map { Source(name: name, bytes: Array($0.utf8)) }
        }
        self.certificateChain = source("the certificate chain", certificateChain)
        self.privateKey = source("the private key", privateKey)
        self.trustRoots = source("the trust roots", trustRoots)
    }

    init(certificateChain: Source?, privateKey: Source?, trustRoots: Source?) {
        self.certificateChain = certificateChain
        self.privateKey = privateKey
        self.trustRoots = trustRoots
    }
}

extension TLSMaterial: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String {
        "TLS credentials: \(certificateChain?.name ?? "no certificate"), trust roots: "
            + (trustRoots?.name ?? "the system's")
    }

    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: []) }
}

extension TLSMaterial.Source: CustomStringConvertible, CustomDebugStringConvertible,
    CustomReflectable
{
    var description: String { name }
    var debugDescription: String { name }
    var customMirror: Mirror { Mirror(self, children: []) }
}
