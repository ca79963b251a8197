import Primitives

/// What all nodes of one scope get: an immutable snapshot with a journal for each type.
///
/// A publisher makes the next snapshot with `applying` what changed, or `replacing` all, and hands it to the
/// streams; successive snapshots share what didn't change. Only one publisher may continue a view.
package struct View: Sendable {
    package let id: ViewID
    /// Counts the changes of any type.
    package let revision: Revision
    /// How many changes each journal remembers; older cursors cost a full comparison, nothing else.
    package let maximumLoggedChangesPerType: Int

    /// In the sending order of the types: all of `TypeURL.standard`, and then the others.
    private let journals: [ResourceJournal]

    /// A view without resources.
    package init(id: ViewID, maximumLoggedChangesPerType: Int = 1_000) {
        self.init(
            id: id,
            revision: .zero,
            maximumLoggedChangesPerType: max(0, maximumLoggedChangesPerType),
            journals: TypeURL.standard.map { ResourceJournal(emptyFor: $0, in: id) }
        )
    }

    private init(
        id: ViewID,
        revision: Revision,
        maximumLoggedChangesPerType: Int,
        journals: [ResourceJournal]
    ) {
        self.id = id
        self.revision = revision
        self.maximumLoggedChangesPerType = maximumLoggedChangesPerType
        self.journals = journals
    }

    /// The types that have a journal, in the sending order.
    package var typeURLs: [TypeURL] { journals.map(\.typeURL) }

    /// The shortest time that a client keeps a resource for when it hears nothing; nil if none ends.
    package var shortestTimeToLive: Duration? {
        var shortest: Duration?
        for journal in journals where !journal.expiring.isEmpty {
            for name in journal.expiring.sorted {
                guard let span = journal.resource(named: name)?.timeToLive else { continue }
                shortest = min(span, shortest ?? span)
            }
        }
        return shortest
    }

    /// The journal of the type; an empty one for a type that the view never had.
    package func journal(of typeURL: TypeURL) -> ResourceJournal {
        if let index = typeURL.standardIndex { return journals[index] }
        for journal in journals where journal.typeURL == typeURL { return journal }
        return ResourceJournal(emptyFor: typeURL, in: id)
    }

    /// Whether a cluster or another resource goes with this one; O(all of them).
    func refers(to reference: ResourceReference) -> Bool {
        var isFound = false
        for journal in journals {
            journal.forEach { isFound = isFound || $0.companions.contains(reference) }
        }
        return isFound
    }

    /// The view with exactly these resources, or this one when none is another.
    ///
    /// The order of `resources` doesn't matter; of two with the same type and name the last one counts.
    package func replacing(with resources: [EncodedResource]) -> View {
        let groups = Self.groupedByType(resources)
        let types = Set(journals.map(\.typeURL)).union(groups.keys)
        return changing(types) { journal in
            (journal.changes(to: groups[journal.typeURL, default: []]), nil)
        }
    }

    /// The view with these changes, in O(changes); this one when none is any.
    ///
    /// Of several changes of one resource the last one counts.
    package func applying(_ changes: [ResourceChange]) -> View {
        var groups = [TypeURL: [ResourceName: EncodedResource?]]()
        for change in changes {
            groups[change.reference.typeURL, default: [:]]
                .updateValue(change.resource, forKey: change.reference.name)
        }
        return changing(Set(groups.keys)) { journal in
            let group = groups[journal.typeURL, default: [:]].sorted { $0.key < $1.key }
            return (group.map { ($0.key, $0.value) }, nil)
        }
    }

    /// The view that denies its nodes these names: they exist, but not for them.
    ///
    /// Who asks for one of them is told so, and who asks for another name that isn't there is told that it
    /// doesn't exist.
    package func denying(_ names: [TypeURL: NameSet]) -> View {
        let types = Set(journals.map(\.typeURL)).union(names.keys)
        return changing(types) { ([], names[$0.typeURL, default: NameSet()]) }
    }

    private func changing(
        _ types: Set<TypeURL>,
        _ changes: (ResourceJournal) -> ([ResourceTable.Change], denied: NameSet?)
    ) -> View {
        let revision = self.revision.next
        var next = journals
        var hasChanged = false
        for typeURL in types.sorted() {
            let index = next.firstIndex { $0.typeURL == typeURL }
            let previous = index.map { next[$0] } ?? ResourceJournal(emptyFor: typeURL, in: id)
            let (changes, denied) = changes(previous)
            let journal = previous.applying(
                changes,
                denied: denied,
                at: revision,
                maximumLoggedChanges: maximumLoggedChangesPerType
            )
            guard journal !== previous else { continue }
            hasChanged = true
            if let index {
                next[index] = journal
            } else {
                next.append(journal)
                next.sort { $0.typeURL < $1.typeURL }
            }
        }
        guard hasChanged else { return self }
        return View(
            id: id,
            revision: revision,
            maximumLoggedChangesPerType: maximumLoggedChangesPerType,
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
