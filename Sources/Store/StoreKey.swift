/// A key, ordered by its bytes as in etcd.
///
/// Bytes and not `String`: Swift orders strings by Unicode's rules and finds different bytes equal, so a prefix would
/// not be a range.
package struct StoreKey: Hashable, Comparable, Sendable, CustomStringConvertible,
    ExpressibleByStringInterpolation
{
    package let bytes: [UInt8]

    package init(_ text: String) {
        self.bytes = Array(text.utf8)
    }

    package init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    package init(stringLiteral value: String) {
        self.init(value)
    }

    package func hasPrefix(_ prefix: StoreKey) -> Bool {
        bytes.starts(with: prefix.bytes)
    }

    /// The first key after all that begin with this one; nil when there is none, as for the empty key.
    package var endOfPrefix: StoreKey? {
        guard let last = bytes.lastIndex(where: { $0 < 0xFF }) else { return nil }
        return StoreKey(bytes: bytes[..<last] + [bytes[last] + 1])
    }

    package var description: String { String(decoding: bytes, as: UTF8.self) }

    package static func < (lhs: Self, rhs: Self) -> Bool {
        lhs.bytes.lexicographicallyPrecedes(rhs.bytes)
    }
}
