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
}
