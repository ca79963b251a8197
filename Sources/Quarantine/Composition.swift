package import XDSCore

/// The parts that one version of an aggregate is made of: at most one for each object.
package struct Composition: Hashable, Sendable {
    private var partByObject: [String: ObjectPart] = [:]

    /// Of several parts of one object the last one counts.
    package init(_ parts: some Sequence<ObjectPart> = []) {
        for part in parts { partByObject[part.object] = part }
    }

    package subscript(object: String) -> ObjectPart? { partByObject[object] }

    /// The parts by the names of their objects.
    package var parts: [ObjectPart] { partByObject.values.sorted { $0.object < $1.object } }

    package var count: Int { partByObject.count }
    package var isEmpty: Bool { partByObject.isEmpty }

    /// Takes these parts, each in place of another one of its object.
    package func adding(_ parts: some Sequence<ObjectPart>) -> Self {
        var result = self
        for part in parts { result.partByObject[part.object] = part }
        return result
    }

    /// The parts of those objects only that `other` has, too.
    package func restricted(to other: Self) -> Self {
        var result = self
        for object in partByObject.keys where other.partByObject[object] == nil {
            result.partByObject[object] = nil
        }
        return result
    }
}

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
        wanted.parts.compactMap { part in
            let ours = self[part.object]
            return ours == part ? nil : Substitution(object: part.object, standIn: ours)
        }
    }
}
