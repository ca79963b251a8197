import Primitives

/// A set of resource names as a sorted array.
///
/// Sorted, because its order reaches the wire. An array, because ten thousand streams that subscribe to
/// the same names then share one buffer.
package struct NameSet: Sendable, Hashable {
    package private(set) var sorted: [ResourceName]

    package init() {
        self.sorted = []
    }

    package init(_ names: some Sequence<ResourceName>) {
        self.sorted = names.sorted()
        removeDuplicates()
    }

    /// `names` has to be sorted and without duplicates already.
    init(sorted names: [ResourceName]) {
        self.sorted = names
    }

    package var isEmpty: Bool { sorted.isEmpty }
    package var count: Int { sorted.count }

    package func contains(_ name: ResourceName) -> Bool {
        sorted.sortedContains(name)
    }

    package mutating func insert(_ name: ResourceName) {
        let index = sorted.sortedInsertionIndex(of: name)
        if index < sorted.count, sorted[index] == name { return }
        sorted.insert(name, at: index)
    }

    package mutating func formUnion(_ other: NameSet) {
        if other.isEmpty { return }
        if isEmpty { return self = other }
        sorted.append(contentsOf: other.sorted)
        sorted.sort()
        removeDuplicates()
    }

    package mutating func subtract(_ other: NameSet) {
        if isEmpty || other.isEmpty { return }
        sorted.removeAll { other.contains($0) }
    }

    package mutating func remove(_ name: ResourceName) {
        let index = sorted.sortedInsertionIndex(of: name)
        if index < sorted.count, sorted[index] == name { sorted.remove(at: index) }
    }

    package mutating func removeAll(where isGone: (ResourceName) -> Bool) {
        if isEmpty { return }
        sorted.removeAll(where: isGone)
    }

    package mutating func removeAll() {
        sorted = []
    }

    /// Takes over the buffers of the journal where the names are equal.
    ///
    /// Each request brings names of its own; after this, a stream that subscribes to all of a view's
    /// names costs it nothing, and one that subscribes to some only the array.
    mutating func share(with journal: ResourceJournal) {
        if sorted == journal.names {
            sorted = journal.names
            return
        }
        for index in sorted.indices {
            let position = journal.names.sortedInsertionIndex(of: sorted[index])
            if position < journal.names.count, journal.names[position] == sorted[index] {
                sorted[index] = journal.names[position]
            }
        }
    }

    /// Whether the set has the names in this very array; false is no answer.
    func isSameArray(as names: [ResourceName]) -> Bool {
        guard sorted.count == names.count else { return false }
        return sorted.withUnsafeBufferPointer { left in
            names.withUnsafeBufferPointer { right in left.baseAddress == right.baseAddress }
        }
    }

    private mutating func removeDuplicates() {
        var last: ResourceName?
        sorted.removeAll { name in
            defer { last = name }
            return name == last
        }
    }
}

extension [ResourceName] {
    /// The first index whose name isn't below `name`; the array has to be sorted.
    func sortedInsertionIndex(of name: ResourceName) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = low + (high - low) / 2
            if self[middle] < name { low = middle + 1 } else { high = middle }
        }
        return low
    }

    func sortedContains(_ name: ResourceName) -> Bool {
        let index = sortedInsertionIndex(of: name)
        return index < count && self[index] == name
    }
}
