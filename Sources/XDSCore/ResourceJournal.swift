import Primitives

/// The resources of one type in one view, with the order in which they changed.
///
/// Immutable, so that every event loop reads it without a lock while a publisher makes the next one. A
/// stream keeps the journal that it was last sent as its cursor: "what changed since" is then exact
/// however old the cursor is, and also when the stream moves to another view.
///
/// The log has one entry for each live name and a bounded number of tombstones, so a burst of changes
/// to one name is one entry. A cursor within the log costs O(changes); an older one, from which
/// tombstones have been dropped, is compared name by name.
package final class ResourceJournal: Sendable {
    /// One name's last change; nil as resource is a tombstone.
    private struct Change: Sendable {
        let revision: Revision
        let name: ResourceName
        let resource: EncodedResource?
    }

    package let typeURL: TypeURL
    package let cursor: Cursor
    /// Stands for the names and versions in this journal: equal content, equal version, on every replica.
    package let version: Version
    /// The live resources in the order of their names.
    package let resources: [EncodedResource]
    /// The names of `resources`; streams that subscribe to exactly these share the array.
    package let names: [ResourceName]

    /// In the order of revisions, by name within one.
    private let log: [Change]
    /// The log is complete for cursors from here on; before, tombstones have been dropped.
    private let floor: Revision
    private let digest: ContentDigest

    /// A journal without resources.
    package init(emptyFor typeURL: TypeURL, in view: ViewID) {
        self.typeURL = typeURL
        self.cursor = Cursor(view: view, revision: .zero)
        self.resources = []
        self.names = []
        self.log = []
        self.floor = .zero
        self.digest = ContentDigest()
        self.version = digest.version
    }

    private init(
        after previous: ResourceJournal,
        revision: Revision,
        resources: [EncodedResource],
        log: [Change],
        floor: Revision,
        digest: ContentDigest
    ) {
        self.typeURL = previous.typeURL
        self.cursor = Cursor(view: previous.cursor.view, revision: revision)
        self.resources = resources
        self.names = resources.map(\.name)
        self.log = log
        self.floor = floor
        self.digest = digest
        self.version = digest.version
    }

    package var isEmpty: Bool { resources.isEmpty }

    /// The number of names that the log remembers as removed.
    package var tombstoneCount: Int { log.count - resources.count }

    package func resource(named name: ResourceName) -> EncodedResource? {
        let index = names.sortedInsertionIndex(of: name)
        guard index < resources.count else { return nil }
        let candidate = resources[index]
        return candidate.name == name ? candidate : nil
    }

    package func contains(_ name: ResourceName) -> Bool {
        let index = names.sortedInsertionIndex(of: name)
        return index < names.count && names[index] == name
    }

    package func version(of name: ResourceName) -> Version? {
        resource(named: name)?.version
    }
}

// MARK: Reading changes

extension ResourceJournal {
    /// Calls `body` once for each name whose version differs between `base` and here, nil for one that is gone.
    ///
    /// The names come in a deterministic order, but not sorted. Nothing is allocated when `base` is
    /// within the log.
    package func forEachChange(
        since base: ResourceJournal,
        _ body: (ResourceName, EncodedResource?) -> Void
    ) {
        guard base.cursor != cursor else { return }
        if base.isEmpty {
            for resource in resources { body(resource.name, resource) }
            return
        }
        guard isInLog(base.cursor) else {
            return compareEachName(with: base, body)
        }
        // What changed and changed back is in the log, but it isn't a change for this cursor.
        for change in log[firstChange(after: base.cursor.revision)...] {
            if let resource = change.resource {
                if base.version(of: change.name) != resource.version { body(change.name, resource) }
            } else if base.contains(change.name) {
                body(change.name, nil)
            }
        }
    }

    /// Calls `body` once for each resource of `base` whose name is gone.
    func forEachRemoval(since base: ResourceJournal, _ body: (EncodedResource) -> Void) {
        guard base.cursor != cursor, !base.isEmpty else { return }
        guard isInLog(base.cursor) else {
            for resource in base.resources where !contains(resource.name) { body(resource) }
            return
        }
        for change in log[firstChange(after: base.cursor.revision)...] where change.resource == nil
        {
            if let last = base.resource(named: change.name) { body(last) }
        }
    }

    /// Both lists in the order of names.
    package func changes(
        since base: ResourceJournal
    ) -> (updated: [EncodedResource], removed: [ResourceName]) {
        if base.isEmpty { return (resources, []) }
        var updated = [EncodedResource]()
        var removed = [ResourceName]()
        forEachChange(since: base) { name, resource in
            if let resource { updated.append(resource) } else { removed.append(name) }
        }
        updated.sort { $0.name < $1.name }
        removed.sort()
        return (updated, removed)
    }

    /// Whether the log knows all that changed since.
    private func isInLog(_ other: Cursor) -> Bool {
        other.view == cursor.view && other.revision >= floor && other.revision <= cursor.revision
    }

    private func firstChange(after revision: Revision) -> Int {
        var low = 0
        var high = log.count
        while low < high {
            let middle = low + (high - low) / 2
            if log[middle].revision > revision { high = middle } else { low = middle + 1 }
        }
        return low
    }

    private func compareEachName(
        with base: ResourceJournal,
        _ body: (ResourceName, EncodedResource?) -> Void
    ) {
        forEachPair(base.resources, resources) { old, new in
            switch (old, new) {
            case (let old?, let new?): if old.version != new.version { body(new.name, new) }
            case (let old?, nil): body(old.name, nil)
            case (nil, let new?): body(new.name, new)
            case (nil, nil): break
            }
        }
    }
}

// MARK: Making the next journal

extension ResourceJournal {
    /// The journal with exactly these resources, sorted by name and without duplicates; this one if nothing differs.
    func replacing(
        with next: [EncodedResource],
        at revision: Revision,
        maximumTombstones: Int
    ) -> ResourceJournal {
        var changes = [Change]()
        var digest = self.digest
        forEachPair(resources, next) { old, new in
            if let old, let new, old.version == new.version { return }
            if let old { digest.remove(old) }
            if let new { digest.add(new) }
            guard let name = new?.name ?? old?.name else { return }
            changes.append(Change(revision: revision, name: name, resource: new))
        }
        guard !changes.isEmpty else { return self }

        let changed = changes.map(\.name)
        var log = self.log.filter { !changed.sortedContains($0.name) }
        log.append(contentsOf: changes)
        var floor = self.floor
        var surplus = log.count - next.count - maximumTombstones
        if surplus > 0 {
            log.removeAll { change in
                guard surplus > 0, change.resource == nil else { return false }
                surplus -= 1
                floor = change.revision
                return true
            }
        }
        return ResourceJournal(
            after: self,
            revision: revision,
            resources: next,
            log: log,
            floor: floor,
            digest: digest
        )
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

/// Walks two lists that are sorted by name, and calls `body` once for each name in either of them.
private func forEachPair(
    _ left: [EncodedResource],
    _ right: [EncodedResource],
    _ body: (EncodedResource?, EncodedResource?) -> Void
) {
    var (l, r) = (0, 0)
    while l < left.count && r < right.count {
        if left[l].name == right[r].name {
            body(left[l], right[r])
            l += 1
            r += 1
        } else if left[l].name < right[r].name {
            body(left[l], nil)
            l += 1
        } else {
            body(nil, right[r])
            r += 1
        }
    }
    for resource in left[l...] { body(resource, nil) }
    for resource in right[r...] { body(nil, resource) }
}
