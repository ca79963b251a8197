/// The parts that one version of an aggregate is made of: at most one for each object.
///
/// A copy is a reference, and two are compared by a hash: a fleet that refuses the same thing holds
/// the same few of them.
package struct Composition: Sendable {
    /// Sorted by object.
    package let parts: [ObjectPart]
    private let digest: Digest

    /// The sum of the parts' hashes, as in `ContentDigest`.
    private struct Digest: Hashable {
        var high: UInt64 = 0
        var low: UInt64 = 0

        init(_ parts: [ObjectPart]) {
            for part in parts {
                high &+= part.identity.high
                low &+= part.identity.low
            }
        }
    }

    /// Of several parts of one object the last one counts.
    package init(_ parts: some Sequence<ObjectPart> = []) {
        var partByObject: [String: ObjectPart] = [:]
        for part in parts { partByObject[part.object] = part }
        self.init(sorted: partByObject.values.sorted { $0.object < $1.object })
    }

    private init(sorted parts: [ObjectPart]) {
        self.parts = parts
        self.digest = Digest(parts)
    }

    package subscript(object: String) -> ObjectPart? {
        var range = parts.startIndex..<parts.endIndex
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            if parts[middle].object == object { return parts[middle] }
            if parts[middle].object < object {
                range = (middle + 1)..<range.upperBound
            } else {
                range = range.lowerBound..<middle
            }
        }
        return nil
    }

    package var count: Int { parts.count }
    package var isEmpty: Bool { parts.isEmpty }

    /// Takes these parts, each in place of another one of its object.
    package func adding(_ added: some Collection<ObjectPart>) -> Self {
        added.isEmpty ? self : Self(parts + added)
    }

    /// The parts of those objects only that `other` has, too.
    package func restricted(to other: Self) -> Self {
        let kept = parts.filter { other[$0.object] != nil }
        return kept.count == parts.count ? self : Self(sorted: kept)
    }
}

extension Composition: Hashable {
    package static func == (lhs: Self, rhs: Self) -> Bool { lhs.digest == rhs.digest }

    package func hash(into hasher: inout Hasher) { hasher.combine(digest) }
}
