import Primitives

/// The resources of one type in the order of their names, in chunks that successive tables share.
///
/// A change of one resource copies its chunk and the list of chunks, so it costs about the same for a
/// hundred resources and for some thousands.
struct ResourceTable: Sendable {
    /// A few dozen: a chunk is copied for each change in it, and the list of chunks for each change.
    private static let maximumChunkSize = 32
    private static let minimumChunkSize = 8

    /// Some resources that follow each other; never empty.
    private final class Chunk: Sendable {
        let resources: [EncodedResource]

        init(_ resources: [EncodedResource]) {
            self.resources = resources
        }

        /// Empty only for an empty chunk, which there is none of.
        var firstName: ResourceName { resources.first?.name ?? "" }
    }

    /// A name and what is there now; nil for a resource that is gone.
    typealias Change = (name: ResourceName, resource: EncodedResource?)

    private var chunks: [Chunk] = []
    private(set) var count = 0

    init() {}

    var isEmpty: Bool { count == 0 }

    var all: [EncodedResource] {
        var all = [EncodedResource]()
        all.reserveCapacity(count)
        for chunk in chunks { all.append(contentsOf: chunk.resources) }
        return all
    }

    func resource(named name: ResourceName) -> EncodedResource? {
        var low = 0
        var high = chunks.count
        while low < high {
            let middle = low + (high - low) / 2
            if chunks[middle].firstName <= name { low = middle + 1 } else { high = middle }
        }
        return low == 0 ? nil : chunks[low - 1].resources.sortedFirst(named: name)
    }

    func forEach(_ body: (EncodedResource) -> Void) {
        for chunk in chunks {
            for resource in chunk.resources { body(resource) }
        }
    }

    /// Takes over the changes, which are sorted by name and without duplicates.
    mutating func apply(_ changes: [Change]) {
        guard !changes.isEmpty else { return }
        var next = [Chunk]()
        next.reserveCapacity(chunks.count + 1)
        var start = 0
        var total = 0
        for index in 0..<max(1, chunks.count) {
            var end = changes.count
            if index + 1 < chunks.count {
                let following = chunks[index + 1].firstName
                end = start
                while end < changes.count, changes[end].name < following { end += 1 }
            }
            if start == end {
                next.append(chunks[index])
                total += chunks[index].resources.count
            } else {
                let old = index < chunks.count ? chunks[index].resources : []
                let merged = Self.merged(old, changes[start..<end])
                total += merged.count
                Self.append(merged, to: &next)
            }
            start = end
        }
        chunks = next
        count = total
    }

    private static func append(_ resources: [EncodedResource], to chunks: inout [Chunk]) {
        guard !resources.isEmpty else { return }
        // Removals would leave ever smaller chunks behind.
        if resources.count < minimumChunkSize, let last = chunks.last,
            last.resources.count + resources.count <= maximumChunkSize
        {
            chunks[chunks.count - 1] = Chunk(last.resources + resources)
            return
        }
        let parts = (resources.count + maximumChunkSize - 1) / maximumChunkSize
        for part in 0..<parts {
            let start = resources.count * part / parts
            let end = resources.count * (part + 1) / parts
            chunks.append(Chunk(Array(resources[start..<end])))
        }
    }

    private static func merged(
        _ old: [EncodedResource],
        _ changes: ArraySlice<Change>
    ) -> [EncodedResource] {
        var result = [EncodedResource]()
        result.reserveCapacity(old.count + changes.count)
        var index = 0
        for change in changes {
            while index < old.count, old[index].name < change.name {
                result.append(old[index])
                index += 1
            }
            if index < old.count, old[index].name == change.name { index += 1 }
            if let resource = change.resource { result.append(resource) }
        }
        result.append(contentsOf: old[index...])
        return result
    }
}

extension [EncodedResource] {
    /// The resource with this name; the array has to be sorted by name.
    func sortedFirst(named name: ResourceName) -> EncodedResource? {
        var low = 0
        var high = count
        while low < high {
            let middle = low + (high - low) / 2
            if self[middle].name < name { low = middle + 1 } else { high = middle }
        }
        return low < count && self[low].name == name ? self[low] : nil
    }
}
