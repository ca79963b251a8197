/// A SPIFFE ID: `spiffe://trust-domain/path` (SPIFFE-ID.md, sections 2.1 to 2.4).
package struct SPIFFEID: Hashable, Sendable, CustomStringConvertible {
    package let trustDomain: String
    /// Empty, or `/` and segments.
    package let path: String

    /// Bytes of a whole ID, and of its trust domain (section 2.3).
    static let maximumBytes = 2048
    static let maximumTrustDomainBytes = 255

    private static let scheme = "spiffe://"

    /// Nil when the text is no SPIFFE ID.
    package init?(_ text: String) {
        guard text.utf8.count <= Self.maximumBytes, text.hasPrefix(Self.scheme) else { return nil }
        let rest = text.dropFirst(Self.scheme.count)
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        let trustDomain = rest[..<slash]
        let path = rest[slash...]
        guard Self.isTrustDomain(trustDomain), Self.isPath(path) else { return nil }
        self.trustDomain = String(trustDomain)
        self.path = String(path)
    }

    package var description: String { Self.scheme + trustDomain + path }

    /// Lower case only, so that equal IDs are equal bytes.
    static func isTrustDomain(_ text: Substring) -> Bool {
        (1...maximumTrustDomainBytes).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                    UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
    }

    /// Segments are never empty, `.` or `..`, so a path can't be written in two ways.
    private static func isPath(_ text: Substring) -> Bool {
        guard !text.isEmpty else { return true }
        return text.dropFirst().split(separator: "/", omittingEmptySubsequences: false).allSatisfy {
            segment in
            !segment.isEmpty && segment != "." && segment != ".."
                && segment.utf8.allSatisfy(isPathByte)
        }
    }

    private static func isPathByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"),
            UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
