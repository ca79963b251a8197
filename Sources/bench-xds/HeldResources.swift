/// What one sidecar has of one type, by the numbers of names and versions.
///
/// Names of all types share one table, so most places are empty; a place is four bytes.
struct HeldResources {
    private static let absent: Int32 = -1

    private var versions: [Int32] = []
    private(set) var count = 0

    subscript(name: Int32) -> Int32? {
        get {
            guard Int(name) < versions.count else { return nil }
            let version = versions[Int(name)]
            return version == Self.absent ? nil : version
        }
        set {
            while versions.count <= Int(name) { versions.append(Self.absent) }
            let old = versions[Int(name)]
            versions[Int(name)] = newValue ?? Self.absent
            count += (newValue == nil ? 0 : 1) - (old == Self.absent ? 0 : 1)
        }
    }

    var names: [Int32] {
        versions.indices.compactMap { versions[$0] == Self.absent ? nil : Int32($0) }
    }

    /// Whether both have the same versions of the same names.
    func isEqual(to other: Self) -> Bool {
        guard count == other.count else { return false }
        return names.allSatisfy { self[$0] == other[$0] }
    }
}
