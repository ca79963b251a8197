import Primitives

/// One response that is due on a stream.
///
/// Small: it says what to send by references to journals, and the lists are made when the shell asks for
/// them. The shell does so only when it has no frame for `key` yet.
package final class Push: Sendable {
    /// Which resources go into the response.
    enum Selection: Sendable {
        /// All of the journal.
        case everything
        /// What changed since a journal, and what is gone since.
        case changes(since: ResourceJournal)
        /// What changed since a journal; removals come in a response of their own.
        case updates(since: ResourceJournal)
        /// These, sorted, because the client asked for them or is owed them; those that don't exist count as
        /// removed, and it is told why.
        case names([ResourceName])
        /// These, sorted, have to be forgotten, unless they have come back.
        case removals([ResourceName])
        /// These, sorted, live on: the content stays away.
        case heartbeat([ResourceName])
    }

    /// Why a resource that the client asked for isn't there.
    package enum Absence: Hashable, Sendable {
        case notFound
        /// It exists, but not for this node.
        case notAllowed
    }

    package let variant: ProtocolVariant
    package let nonce: Nonce
    let journal: ResourceJournal
    let selection: Selection
    /// What is gone from the journal, but goes out until nothing refers to it any more; sorted by name.
    let retained: [EncodedResource]
    /// State of the world: each resource goes in a wrapper, the only place that a time to live has.
    package let wrapsResources: Bool

    init(
        variant: ProtocolVariant,
        nonce: Nonce,
        journal: ResourceJournal,
        selection: Selection,
        retained: [EncodedResource],
        wrapsResources: Bool
    ) {
        self.variant = variant
        self.nonce = nonce
        self.journal = journal
        self.selection = selection
        self.retained = retained
        self.wrapsResources = wrapsResources
    }

    package var typeURL: TypeURL { journal.typeURL }

    /// `system_version_info` in delta, `version_info` in state of the world: equal for equal content.
    package var version: Version {
        guard !retained.isEmpty else { return journal.version }
        var digest = ContentDigest()
        for resource in retained { digest.add(resource) }
        return Version(
            hashing: Array(journal.version.rawValue.utf8) + Array(digest.version.rawValue.utf8)
        )
    }

    /// The resources only have their time to live renewed: they go without content.
    package var isHeartbeat: Bool {
        if case .heartbeat = selection { return true }
        return false
    }

    /// The resources to send, in the order of their names.
    package var resources: [EncodedResource] {
        let selected: [EncodedResource]
        switch selection {
        case .everything: selected = journal.resources
        case .changes(let base), .updates(let base): selected = journal.changes(since: base).updated
        case .names(let names), .removals(let names), .heartbeat(let names):
            selected = names.compactMap { journal.resource(named: $0) }
        }
        guard !retained.isEmpty else { return selected }
        return (selected + retained).sorted { $0.name < $1.name }
    }

    /// The names that the client has to forget, sorted; delta only.
    package var removedNames: [ResourceName] {
        switch (variant, selection) {
        case (.stateOfTheWorld, _), (.delta, .everything), (.delta, .updates), (.delta, .heartbeat):
            []
        case (.delta, .changes(let base)): journal.changes(since: base).removed
        case (.delta, .removals(let names)): names.filter(isAbsent)
        case (.delta, .names(let names)):
            typeURL.isAbsenceSaidByAlias ? [] : names.filter(isAbsent)
        }
    }

    /// The names that are answered with an alias and no resource, sorted; virtual hosts in delta only.
    ///
    /// A request that waits for its virtual host on demand goes on with this, and with a removal it doesn't.
    package var unresolvedNames: [ResourceName] {
        guard variant == .delta, typeURL.isAbsenceSaidByAlias, case .names(let names) = selection
        else {
            return []
        }
        return names.filter(isAbsent)
    }

    /// The endpoints that a state-of-the-world client must not wait for any longer; sorted.
    ///
    /// This form of the protocol has no word for a removal of endpoints, so the client is given none.
    package var emptiedNames: [ResourceName] {
        guard variant == .stateOfTheWorld, typeURL == .clusterLoadAssignment,
            case .removals(let names) = selection
        else { return [] }
        return names.filter(isAbsent)
    }

    /// Why names that the client asked for aren't among the resources; sorted.
    package var absences: [(name: ResourceName, reason: Absence)] {
        guard case .names(let names) = selection, !typeURL.isAbsenceSaidByAlias else { return [] }
        return names.filter(isAbsent).map { name in
            (name, journal.denied.contains(name) ? .notAllowed : .notFound)
        }
    }

    private func isAbsent(_ name: ResourceName) -> Bool {
        !journal.contains(name) && retained.sortedFirst(named: name) == nil
    }

    /// Calls `body` for each name that the response speaks of, nil for one that is gone.
    func forEachName(_ body: (ResourceName, EncodedResource?) -> Void) {
        switch selection {
        case .everything:
            journal.forEach { body($0.name, $0) }
        case .changes(let base):
            journal.forEachChange(since: base, body)
        case .updates(let base):
            journal.forEachChange(since: base) { name, resource in
                if resource != nil { body(name, resource) }
            }
        case .heartbeat:
            // The client's answer says nothing of the content.
            break
        case .names(let names), .removals(let names):
            for name in names {
                let resource = journal.resource(named: name)
                body(name, resource ?? retained.sortedFirst(named: name))
            }
        }
    }
}

/// What a response's bytes are told apart by: equal keys, equal bytes, on whichever stream.
///
/// The shell encodes and frames a push once for each key and hands the same bytes to every stream.
/// Streams that have seen the same have equal keys, so a change of a view is one key for all its
/// wildcard streams, and also for all that subscribe by name to everything that changed.
package struct PushKey: Hashable, Sendable {
    private enum Content: Hashable {
        case everything
        case changes(since: Cursor)
        case updates(since: Cursor)
        case names([ResourceName])
        case removals([ResourceName])
        case heartbeat([ResourceName])
    }

    private let variant: ProtocolVariant
    private let typeURL: TypeURL
    private let nonce: Nonce
    private let content: Content
    private let retained: [EncodedResource]
    private let wrapsResources: Bool

    fileprivate init(_ push: Push) {
        variant = push.variant
        typeURL = push.typeURL
        nonce = push.nonce
        retained = push.retained
        wrapsResources = push.wrapsResources
        switch push.selection {
        case .everything: content = .everything
        case .changes(let base): content = .changes(since: base.cursor)
        case .updates(let base): content = .updates(since: base.cursor)
        case .names(let names): content = .names(names)
        case .removals(let names): content = .removals(names)
        case .heartbeat(let names): content = .heartbeat(names)
        }
    }
}

extension Push {
    package var key: PushKey { PushKey(self) }
}
