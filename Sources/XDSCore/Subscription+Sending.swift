import Primitives

// What a subscription sends, and when.
//
// At most one response that was caused by a change is without an ACK; meanwhile changes coalesce, because
// they are not stored but derived from `base`. Delta answers to subscription changes may go out over it:
// Envoy withholds the CDS ACK until the clusters are warm, and an on-demand cluster must not wait for that.
// Envoy answers each by its nonce. Such an answer never runs ahead of `base`: a name that changed after the
// outstanding response goes out with that change. State of the world has one nonce that counts, so there
// everything waits.

extension Subscription {
    /// The response that is due for additions, changes and answers.
    mutating func nextUpdate(in journal: ResourceJournal) -> Push? {
        guard isUpdateDue(in: journal) else { return nil }
        switch variant {
        case .delta:
            return outstanding.isEmpty ? nextDelta(in: journal) : nextAnswer(in: journal)
        case .stateOfTheWorld:
            guard outstanding.isEmpty else { return nil }
            return typeURL.isFullStateInSotw
                ? nextFullState(in: journal) : nextPartialState(in: journal)
        }
    }

    /// The response that is due for removals that were held back; call it after `nextUpdate`.
    mutating func nextRemoval(in journal: ResourceJournal) -> Push? {
        guard outstanding.isEmpty, !isUpdateDue(in: journal) else { return nil }
        switch variant {
        case .delta:
            guard !held.isEmpty else { return nil }
            let names = held.sorted
            held.removeAll()
            return push(.names(names), in: journal)
        case .stateOfTheWorld:
            guard !retained.isEmpty else { return nil }
            retained = []
            return push(fullStateSelection(in: journal), in: journal)
        }
    }

    var hasHeldRemovals: Bool { !held.isEmpty || !retained.isEmpty }

    /// Removals are held back for longer than the bound allows.
    var hasTooManyHeldRemovals: Bool {
        held.count + retained.count > limits.maximumHeldRemovalsPerType
    }

    private mutating func push(_ selection: Push.Selection, in journal: ResourceJournal) -> Push {
        let push = Push(
            variant: variant,
            nonce: nextNonce(in: journal),
            journal: journal,
            selection: selection,
            retained: retained
        )
        outstanding.append(push)
        hasBeenServed = true
        return push
    }

    private mutating func nextNonce(in journal: ResourceJournal) -> Nonce {
        var ordinal: UInt64 = 0
        if let lastNonce {
            if lastNonce.cursor.view != journal.cursor.view { hasChangedViews = true }
            if hasChangedViews || lastNonce.cursor.revision >= journal.cursor.revision {
                ordinal = lastNonce.ordinal &+ 1
            }
        }
        let nonce = Nonce(cursor: journal.cursor, ordinal: ordinal)
        lastNonce = nonce
        return nonce
    }
}

// MARK: Delta

extension Subscription {
    private mutating func nextDelta(in journal: ResourceJournal) -> Push? {
        held.removeAll { journal.contains($0) }
        let due = dueNames(in: journal)
        let previous = base
        base = journal
        if typeURL.isReferredTo, due.removals > 0 {
            hold(removedSince: previous, in: journal)
        }
        let selection: Push.Selection?
        if !owed.isEmpty {
            selection = .names(ownedAndChanged(since: previous, in: journal))
        } else if due.updates == 0, due.removals == 0 || typeURL.isReferredTo {
            selection = nil
        } else if due.skipped > 0 {
            selection = .names(ownedAndChanged(since: previous, in: journal))
        } else if previous.isEmpty {
            selection = .everything
        } else {
            selection =
                typeURL.isReferredTo ? .updates(since: previous) : .changes(since: previous)
        }
        owed.removeAll()
        let isOwedAnyway = mustAnswer
        mustAnswer = false
        if let selection { return push(normalized(selection, journal), in: journal) }
        return isOwedAnyway ? push(.names([]), in: journal) : nil
    }

    /// How much of what changed since `base` this stream is to hear of.
    private func dueNames(
        in journal: ResourceJournal
    ) -> (updates: Int, removals: Int, skipped: Int) {
        if isWildcard, base.isEmpty { return (journal.resources.count, 0, 0) }
        var (updates, removals, skipped) = (0, 0, 0)
        journal.forEachChange(since: base) { name, resource in
            if !isSubscribed(to: name) {
                skipped += 1
            } else if resource == nil {
                removals += 1
            } else {
                updates += 1
            }
        }
        return (updates, removals, skipped)
    }

    private mutating func hold(removedSince previous: ResourceJournal, in journal: ResourceJournal) {
        var removed = [ResourceName]()
        journal.forEachChange(since: previous) { name, resource in
            if resource == nil, isSubscribed(to: name), !owed.contains(name) { removed.append(name) }
        }
        held.formUnion(NameSet(removed))
    }

    private mutating func ownedAndChanged(
        since previous: ResourceJournal,
        in journal: ResourceJournal
    ) -> [ResourceName] {
        var changed = [ResourceName]()
        journal.forEachChange(since: previous) { name, resource in
            guard isSubscribed(to: name) else { return }
            if resource != nil || !typeURL.isReferredTo { changed.append(name) }
        }
        // A name that is asked for is answered now, also when its removal was held back.
        held.subtract(owed)
        var names = owed
        names.formUnion(NameSet(changed))
        return names.sorted
    }

    /// What is due is all there is: then its key needs no list of names.
    private func normalized(_ selection: Push.Selection, _ journal: ResourceJournal)
        -> Push.Selection
    {
        guard case .names(let names) = selection, !names.isEmpty, names == journal.names else {
            return selection
        }
        return .everything
    }

    /// Answers to subscription changes while another response is outstanding.
    private mutating func nextAnswer(in journal: ResourceJournal) -> Push? {
        guard !owed.isEmpty, outstanding.count < limits.maximumOutstandingResponsesPerType else {
            return nil
        }
        let base = self.base
        var ready = owed
        ready.removeAll { journal.version(of: $0) != base.version(of: $0) }
        guard !ready.isEmpty else { return nil }
        owed.subtract(ready)
        held.subtract(ready)
        return push(normalized(.names(ready.sorted), journal), in: journal)
    }
}

// MARK: State of the world

extension Subscription {
    /// Listeners and clusters: everything that is subscribed to, if any of it changed.
    private mutating func nextFullState(in journal: ResourceJournal) -> Push? {
        let due = dueNames(in: journal)
        if typeURL.isReferredTo, due.removals > 0 {
            retain(removedSince: base, in: journal)
        }
        retained.removeAll { journal.contains($0.name) }
        let mustSend =
            mustAnswer || !owed.isEmpty || due.updates > 0
            || (due.removals > 0 && !typeURL.isReferredTo)
        base = journal
        owed.removeAll()
        mustAnswer = false
        return mustSend ? push(fullStateSelection(in: journal), in: journal) : nil
    }

    private func fullStateSelection(in journal: ResourceJournal) -> Push.Selection {
        if isWildcard { return .everything }
        return normalized(.names(names.sorted.filter { journal.contains($0) }), journal)
    }

    private mutating func retain(
        removedSince previous: ResourceJournal,
        in journal: ResourceJournal
    ) {
        var removed = [EncodedResource]()
        journal.forEachChange(since: previous) { name, resource in
            guard resource == nil, isSubscribed(to: name) else { return }
            if let last = previous.resource(named: name) { removed.append(last) }
        }
        retained = (retained + removed).sorted { $0.name < $1.name }
    }

    /// The other types: what changed. What doesn't exist is silence, and what is gone is never said.
    private mutating func nextPartialState(in journal: ResourceJournal) -> Push? {
        let due = dueNames(in: journal)
        let previous = base
        var names = owed.sorted
        owed.removeAll()
        mustAnswer = false
        base = journal
        guard names.isEmpty, due.skipped == 0 else {
            journal.forEachChange(since: previous) { name, resource in
                if resource != nil, isSubscribed(to: name) { names.append(name) }
            }
            let existing = NameSet(names.lazy.filter { journal.contains($0) })
            guard !existing.isEmpty else { return nil }
            return push(normalized(.names(existing.sorted), journal), in: journal)
        }
        guard due.updates > 0 else { return nil }
        return push(previous.isEmpty ? .everything : .updates(since: previous), in: journal)
    }
}
