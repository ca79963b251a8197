package import XDSCore

/// What a node gets of one object in place of what operators wrote last.
package struct Substitution: Hashable, Sendable {
    package let object: String
    /// What the object was when the node accepted it last; nil leaves it out.
    package let standIn: ObjectPart?

    package init(object: String, standIn: ObjectPart?) {
        self.object = object
        self.standIn = standIn
    }
}

extension Composition {
    /// What has to be done to `wanted` to make it this composition, by object.
    package func substitutions(in wanted: Composition) -> [Substitution] {
        if self == wanted { return [] }
        return wanted.parts.compactMap { part in
            let ours = self[part.object]
            return ours == part ? nil : Substitution(object: part.object, standIn: ours)
        }
    }
}
