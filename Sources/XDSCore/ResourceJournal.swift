import Primitives

/// The resources of one type in one view, with the order in which they changed.
///
/// Immutable, so that every event loop reads it without a lock while a publisher makes the next one. A
/// stream keeps the journal that it was last sent as its cursor: "what changed since" is then exact
/// however old the cursor is, and also when the stream moves to another view.
///
/// The log has the names of the last changes, up to a bound. A cursor within the log costs O(changes); an
/// older one is compared name by name. The next journal shares with this one all that didn't change.
package final class ResourceJournal: Sendable {
    /// How this journal differs from the one before it.
    ///
    /// Nearly every stream is at the one before when a change comes, so this is all that is read then.
    private struct Step: Sendable {
        /// One name, with what is there now or what is gone.
        struct Change: Sendable {
            let name: ResourceName
            let gone: EncodedResource?
            let new: EncodedResource?
        }

        let previous: Cursor
        /// Sorted by name.
        var changes: [Change] = []
        var removals = 0
    }

    /// What one revision changed.
    private final class Batch: Sendable {
        let revision: Revision
        /// Sorted.
        let names: [ResourceName]

        init(revision: Revision, names: [ResourceName]) {
            self.revision = revision
            self.names = names
        }
    }

    package let typeURL: TypeURL
    package let cursor: Cursor
    /// Stands for the names and versions in this journal: equal content, equal version, on every replica.
    package let version: Version
    /// The live names, sorted; streams that subscribe to exactly these share the array.
    package let names: [ResourceName]
    /// The names that exist, but that the nodes of this view aren't given.
    package let denied: NameSet
    /// The names of the resources with a time to live.
    package let expiring: NameSet

    private let table: ResourceTable
    private let step: Step?
    /// In the order of revisions.
    private let log: [Batch]
    /// The number of changes that the log remembers.
    package let loggedChangeCount: Int
    /// The log is complete for cursors from here on; what was before has been dropped.
    private let floor: Revision
    private let digest: ContentDigest

    /// A journal without resources.
    package init(emptyFor typeURL: TypeURL, in view: ViewID) {
        self.typeURL = typeURL
        self.cursor = Cursor(view: view, revision: .zero)
        self.names = []
        self.denied = NameSet()
        self.expiring = NameSet()
        self.table = ResourceTable()
        self.step = nil
        self.log = []
        self.loggedChangeCount = 0
        self.floor = .zero
        self.digest = ContentDigest()
        self.version = digest.version
    }

    /// The journal after `previous`, with what changed.
    private init(
        after previous: ResourceJournal,
        revision: Revision,
        changes: [ResourceTable.Change],
        denied: NameSet,
        maximumLoggedChanges: Int
    ) {
        var table = previous.table
        var digest = previous.digest
        var expiring = previous.expiring
        var haveNamesChanged = false
        var step = Step(previous: previous.cursor)
        for change in changes {
            let old = previous.table.resource(named: change.name)
            let isRemoval = change.resource == nil
            step.changes.append(
                .init(name: change.name, gone: isRemoval ? old : nil, new: change.resource)
            )
            if isRemoval { step.removals += 1 }
            if let old { digest.remove(old) }
            if let new = change.resource { digest.add(new) }
            if change.resource?.timeToLive != nil {
                expiring.insert(change.name)
            } else if old?.timeToLive != nil {
                expiring.remove(change.name)
            }
            haveNamesChanged = haveNamesChanged || (old == nil) != (change.resource == nil)
        }
        table.apply(changes)
        var log = previous.log
        var logged = previous.loggedChangeCount
        var floor = previous.floor
        if !changes.isEmpty {
            log.append(Batch(revision: revision, names: changes.map(\.name)))
            logged += changes.count
        }
        var dropped = 0
        while dropped < log.count, logged > maximumLoggedChanges {
            logged -= log[dropped].names.count
            floor = log[dropped].revision
            dropped += 1
        }
        log.removeFirst(dropped)

        self.typeURL = previous.typeURL
        self.cursor = Cursor(view: previous.cursor.view, revision: revision)
        self.table = table
        self.step = step
        self.names = haveNamesChanged ? table.all.map(\.name) : previous.names
        self.denied = denied
        self.expiring = expiring
        self.log = log
        self.loggedChangeCount = logged
        self.floor = floor
        self.digest = digest
        self.version = digest.version
    }

    package var isEmpty: Bool { table.isEmpty }
    package var count: Int { table.count }

    /// The live resources in the order of their names; O(all of them).
    package var resources: [EncodedResource] { table.all }

    package func forEach(_ body: (EncodedResource) -> Void) {
        table.forEach(body)
    }

    package func resource(named name: ResourceName) -> EncodedResource? {
        table.resource(named: name)
    }

    package func contains(_ name: ResourceName) -> Bool {
        names.sortedContains(name)
    }

    package func version(of name: ResourceName) -> Version? {
        resource(named: name)?.version
    }
}

// MARK: Reading changes

extension ResourceJournal {
    /// Calls `body` once for each name that is another between `base` and here, nil for one that is gone.
    ///
    /// The names come in a deterministic order, but not sorted. Nothing is allocated when `base` is the
    /// journal before.
    package func forEachChange(
        since base: ResourceJournal,
        _ body: (ResourceName, EncodedResource?) -> Void
    ) {
        guard base.cursor != cursor else { return }
        if let step, base.cursor == step.previous {
            for change in step.changes { body(change.name, change.new) }
            return
        }
        if base.isEmpty {
            table.forEach { body($0.name, $0) }
            return
        }
        guard isInLog(base.cursor) else {
            return compareEachName(with: base, body)
        }
        forEachLoggedName(after: base.cursor.revision) { name in
            // What changed and changed back is in the log, but it isn't a change for this cursor.
            let old = base.resource(named: name)
            if let new = resource(named: name) {
                if old?.isSame(as: new) != true { body(name, new) }
            } else if old != nil {
                body(name, nil)
            }
        }
    }

    /// How many names are another between `base` and here, and how many are gone; nil when `base` isn't
    /// the journal before.
    func changeCounts(since base: ResourceJournal) -> (updates: Int, removals: Int)? {
        guard let step, base.cursor == step.previous else { return nil }
        return (step.changes.count - step.removals, step.removals)
    }

    /// Calls `body` once for each resource of `base` whose name is gone.
    func forEachRemoval(since base: ResourceJournal, _ body: (EncodedResource) -> Void) {
        guard base.cursor != cursor, !base.isEmpty else { return }
        if let step, base.cursor == step.previous {
            guard step.removals > 0 else { return }
            for change in step.changes {
                if let gone = change.gone { body(gone) }
            }
            return
        }
        guard isInLog(base.cursor) else {
            base.table.forEach { if !contains($0.name) { body($0) } }
            return
        }
        forEachLoggedName(after: base.cursor.revision) { name in
            guard !contains(name), let last = base.resource(named: name) else { return }
            body(last)
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

    private func forEachLoggedName(after revision: Revision, _ body: (ResourceName) -> Void) {
        var start = log.count
        while start > 0, log[start - 1].revision > revision { start -= 1 }
        guard log.count - start > 1 else {
            for batch in log[start...] {
                for name in batch.names { body(name) }
            }
            return
        }
        var seen = Set<ResourceName>()
        for batch in log[start...] {
            for name in batch.names where seen.insert(name).inserted { body(name) }
        }
    }

    private func compareEachName(
        with base: ResourceJournal,
        _ body: (ResourceName, EncodedResource?) -> Void
    ) {
        forEachPair(base.resources, resources) { old, new in
            switch (old, new) {
            case (let old?, let new?): if !old.isSame(as: new) { body(new.name, new) }
            case (let old?, nil): body(old.name, nil)
            case (nil, let new?): body(new.name, new)
            case (nil, nil): break
            }
        }
    }
}

// MARK: Making the next journal

extension ResourceJournal {
    /// The journal with these changes, sorted by name and without duplicates; this one if none is any.
    func applying(
        _ changes: [ResourceTable.Change],
        denied: NameSet? = nil,
        at revision: Revision,
        maximumLoggedChanges: Int
    ) -> ResourceJournal {
        let changes = changes.filter { change in
            let old = resource(named: change.name)
            guard let new = change.resource else { return old != nil }
            return old?.isSame(as: new) != true
        }
        let denied = denied ?? self.denied
        guard !changes.isEmpty || denied != self.denied else { return self }
        return ResourceJournal(
            after: self,
            revision: revision,
            changes: changes,
            denied: denied,
            maximumLoggedChanges: maximumLoggedChanges
        )
    }

    /// What makes these resources of this journal; they are sorted by name and without duplicates.
    func changes(to next: [EncodedResource]) -> [ResourceTable.Change] {
        var changes = [ResourceTable.Change]()
        forEachPair(resources, next) { old, new in
            if let old, let new, old.isSame(as: new) { return }
            guard let name = new?.name ?? old?.name else { return }
            changes.append((name, new))
        }
        return changes
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
