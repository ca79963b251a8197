import Primitives

/// What all nodes of one scope get: an immutable snapshot with a journal for each type.
///
/// A publisher makes the next snapshot with `replacing(with:)` and hands it to the streams; copies share
/// everything. Only one publisher may continue a view.
package struct View: Sendable {
    package let id: ViewID
    /// Counts the changes of any type.
    package let revision: Revision
    /// How many removed names each journal remembers; older ones cost a full comparison, nothing else.
    package let maximumTombstonesPerType: Int

    /// In the sending order of the types.
    private let journals: [ResourceJournal]

    /// A view without resources.
    package init(id: ViewID, maximumTombstonesPerType: Int = 1_000) {
        self.init(
            id: id,
            revision: .zero,
            maximumTombstonesPerType: max(0, maximumTombstonesPerType),
            journals: TypeURL.standard.map { ResourceJournal(emptyFor: $0, in: id) }
        )
    }

    private init(
        id: ViewID,
        revision: Revision,
        maximumTombstonesPerType: Int,
        journals: [ResourceJournal]
    ) {
        self.id = id
        self.revision = revision
        self.maximumTombstonesPerType = maximumTombstonesPerType
        self.journals = journals
    }

    /// The types that have a journal, in the sending order.
    package var typeURLs: [TypeURL] { journals.map(\.typeURL) }

    /// The journal of the type; an empty one for a type that the view never had.
    package func journal(of typeURL: TypeURL) -> ResourceJournal {
        for journal in journals where journal.typeURL == typeURL { return journal }
        return ResourceJournal(emptyFor: typeURL, in: id)
    }

    /// The view with exactly these resources, or this one when no version differs.
    ///
    /// The order of `resources` doesn't matter; of two with the same type and name the last one counts.
    package func replacing(with resources: [EncodedResource]) -> View {
        let groups = Self.groupedByType(resources)
        let revision = self.revision.next
        var next = [ResourceJournal]()
        var hasChanged = false
        let types = Set(journals.map(\.typeURL)).union(groups.keys).sorted()
        for typeURL in types {
            let previous = journal(of: typeURL)
            let journal = previous.replacing(
                with: groups[typeURL, default: []],
                at: revision,
                maximumTombstones: maximumTombstonesPerType
            )
            hasChanged = hasChanged || journal !== previous
            next.append(journal)
        }
        guard hasChanged else { return self }
        return View(
            id: id,
            revision: revision,
            maximumTombstonesPerType: maximumTombstonesPerType,
            journals: next
        )
    }

    /// Sorted by name and without duplicates within each type.
    private static func groupedByType(
        _ resources: [EncodedResource]
    ) -> [TypeURL: [EncodedResource]] {
        var groups = [TypeURL: [EncodedResource]]()
        for resource in resources {
            groups[resource.typeURL, default: []].append(resource)
        }
        for typeURL in groups.keys {
            groups[typeURL]?.sortByName()
        }
        return groups
    }
}

extension [EncodedResource] {
    /// Sorts by name; of several with one name, the last one stays.
    fileprivate mutating func sortByName() {
        let isSorted = zip(self, dropFirst()).allSatisfy { $0.name < $1.name }
        if isSorted { return }
        let order = indices.sorted { left, right in
            self[left].name == self[right].name ? left < right : self[left].name < self[right].name
        }
        var result = [EncodedResource]()
        result.reserveCapacity(count)
        for index in order {
            if result.last?.name == self[index].name { result.removeLast() }
            result.append(self[index])
        }
        self = result
    }
}
