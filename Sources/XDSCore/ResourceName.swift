package import Primitives

package enum ResourceNameTag {}

/// The name of an xDS resource, unique within its type and view.
package typealias ResourceName = Identifier<ResourceNameTag>

extension Identifier where Tag == ResourceNameTag {
    /// `*`: in a subscription, every resource of the type.
    package static var wildcard: Self { "*" }
}

/// A resource by its type and its name.
package struct ResourceReference: Hashable, Sendable, Comparable, CustomStringConvertible {
    package let typeURL: TypeURL
    package let name: ResourceName

    package init(_ typeURL: TypeURL, _ name: ResourceName) {
        self.typeURL = typeURL
        self.name = name
    }

    package var description: String { "\(typeURL.shortName)/\(name)" }

    package static func < (lhs: Self, rhs: Self) -> Bool {
        lhs.typeURL == rhs.typeURL ? lhs.name < rhs.name : lhs.typeURL < rhs.typeURL
    }
}
