package import Primitives

package enum VersionTag {}

/// What a resource's content is told apart by: the text of `Resource.version` and `version_info`.
///
/// A hash of the content, equal on every replica and after every restart, unless an operator brings a
/// version text of their own. Versions are compared for equality only; there is no order among them.
package typealias Version = Identifier<VersionTag>

extension Identifier where Tag == VersionTag {
    /// The version of a resource with these bytes.
    package init(hashing bytes: [UInt8]) {
        self.init(StableHash(bytes).hexadecimal)
    }

    /// It looks like a hash of ours; an operator's version never does, unless it is the content's.
    package var isHash: Bool {
        rawValue.utf8.count == 32
            && rawValue.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }
}
