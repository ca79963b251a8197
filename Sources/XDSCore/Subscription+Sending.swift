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
        observe(journal)
        guard isUpdateDue(in: journal) else {
            noteConfirmation()
            return nil
        }
        defer { noteConfirmation() }
        guard outstanding.isEmpty else {
            return variant == .delta ? nextAnswer(in: journal) : nil
        }
        if variant == .stateOfTheWorld, typeURL.isFullStateInSotw {
            return nextFullState(in: journal)
        }
        putOnProbation(in: journal)
        let push = variant == .delta ? nextDelta(in: journal) : nextPartialState(in: journal)
        return push ?? nextSingle(in: journal)
    }

    /// What was refused and has changed since goes alone, so that it can't spoil another resource's answer.
    private mutating func putOnProbation(in journal: ResourceJournal) {
        // What is gone is a removal like any other.
        probation.removeAll { !journal.contains($0) }
        guard !rejections.isEmpty, base.cursor != journal.cursor else { return }
        for (name, rejection) in rejections {
            guard let current = journal.version(of: name), current != rejection.version else {
                continue
            }
            probation.insert(name)
        }
    }

    /// One name of those that go alone.
    private mutating func nextSingle(in journal: ResourceJournal) -> Push? {
        while let name = probation.sorted.first {
            probation.remove(name)
            if isSubscribed(to: name), journal.contains(name) {
                return push(.names([name]), in: journal)
            }
        }
        return nil
    }

    /// The response that is due for removals that were held back; call it after `nextUpdate`.
    ///
    /// - Parameter isAwaited: the name is still referred to, so that it may come yet. State of the world only.
    mutating func nextRemoval(
        in journal: ResourceJournal,
        isAwaited: (ResourceName) -> Bool
    ) -> Push? {
        guard outstanding.isEmpty, !isUpdateDue(in: journal) else { return nil }
        gone = []
        defer { noteConfirmation() }
        var names = held
        held.removeAll()
        switch variant {
        case .delta:
            guard !names.isEmpty else { return nil }
            return push(.removals(names.sorted), in: journal)
        case .stateOfTheWorld:
            if typeURL.isFullStateInSotw {
                guard !retained.isEmpty else { return nil }
                retained = []
                return push(fullStateSelection(in: journal), in: journal)
            }
            names.removeAll(where: isAwaited)
            guard !names.isEmpty else { return nil }
            return push(.removals(names.sorted), in: journal)
        }
    }

    /// Renews the time to live of what the client has.
    ///
    /// A client that answers nothing isn't kept alive for ever: the bound on outstanding responses ends it.
    mutating func nextHeartbeat(in journal: ResourceJournal) -> Push? {
        guard hasBeenServed, !journal.expiring.isEmpty else { return nil }
        var underWay = [ResourceName]()
        for push in outstanding { push.forEachName { name, _ in underWay.append(name) } }
        let names = journal.expiring.sorted.filter { name in
            guard isSubscribed(to: name), !owed.contains(name), rejections[name] == nil,
                !underWay.contains(name),
                let current = journal.resource(named: name)
            else { return false }
            return base.resource(named: name)?.isSame(as: current) == true
        }
        guard !names.isEmpty else { return nil }
        switch variant {
        case .delta:
            guard outstanding.count < limits.maximumOutstandingResponsesPerType else { return nil }
            return push(.heartbeat(names), in: journal)
        case .stateOfTheWorld:
            guard wrapsResources, outstanding.isEmpty else { return nil }
            guard typeURL.isFullStateInSotw else {
                return push(.heartbeat(names), in: journal)
            }
            // What is absent is deleted, so everything goes.
            guard !isUpdateDue(in: journal) else { return nil }
            return push(fullStateSelection(in: journal), in: journal, retaining: retained)
        }
    }

    var hasHeldRemovals: Bool { !held.isEmpty || !retained.isEmpty || !gone.isEmpty }

    /// Removals are held back for longer than the bound allows.
    var hasTooManyHeldRemovals: Bool {
        held.count + retained.count > limits.maximumHeldRemovalsPerType
    }

    private mutating func push(
        _ selection: Push.Selection,
        in journal: ResourceJournal,
        retaining retained: [EncodedResource] = []
    ) -> Push {
        let push = Push(
            variant: variant,
            nonce: nextNonce(in: journal),
            journal: journal,
            selection: selection,
            retained: retained,
            wrapsResources: wrapsResources
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

// MARK: Moving on

extension Subscription {
    /// How much changed since `base`, and how much of it this stream is to hear of.
    private struct Due {
        var updates = 0
        var removals = 0
        /// Changes of names that aren't subscribed to.
        var skipped = 0
    }

    private func due(in journal: ResourceJournal) -> Due {
        var due = Due()
        if isWildcard, base.isEmpty {
            due.updates = journal.count
            return due
        }
        if isWildcard || names.isSameArray(as: journal.names),
            let counts = journal.changeCounts(since: base)
        {
            due.updates = counts.updates
            due.removals = counts.removals
            return due
        }
        journal.forEachChange(since: base) { name, resource in
            if !isSubscribed(to: name) {
                due.skipped += 1
            } else if resource == nil {
                due.removals += 1
            } else {
                due.updates += 1
            }
        }
        return due
    }

    /// Keeps what disappears from the view, as far as something may refer to it.
    ///
    /// Also while a response is outstanding: a cluster may come, be sent, and be gone in that time, and its
    /// endpoints with it.
    private mutating func observe(_ journal: ResourceJournal) {
        // A full state says by itself what is gone: see `retained`.
        let isNeeded = variant == .delta || !typeURL.isFullStateInSotw
        guard typeURL.isReferredTo, isNeeded, seen.cursor != journal.cursor else { return }
        let previous = seen
        seen = journal
        if !gone.isEmpty { gone.removeAll { journal.contains($0.name) } }
        var removed = [EncodedResource]()
        journal.forEachRemoval(since: previous) { removed.append($0) }
        guard !removed.isEmpty else { return }
        // What doesn't fit is answered as a name that doesn't exist.
        let space = limits.maximumHeldRemovalsPerType - gone.count
        gone.append(contentsOf: removed.prefix(max(0, space)))
        gone.sort { $0.name < $1.name }
    }

    /// `base` becomes `journal`, and what is held back keeps up with it; the old base is returned.
    private mutating func advance(to journal: ResourceJournal, _ due: Due) -> ResourceJournal {
        let previous = base
        base = journal
        guard typeURL.isReferredTo else { return previous }
        held.removeAll { journal.contains($0) }
        if !retained.isEmpty { retained.removeAll { journal.contains($0.name) } }
        guard due.removals > 0 else { return previous }
        var removed = [EncodedResource]()
        journal.forEachRemoval(since: previous) { resource in
            if isSubscribed(to: resource.name) { removed.append(resource) }
        }
        switch variant {
        case .delta:
            held.formUnion(NameSet(removed.map(\.name)))
        case .stateOfTheWorld:
            guard typeURL.isFullStateInSotw else { break }
            retained = (retained + removed).sorted { $0.name < $1.name }
        }
        return previous
    }

    /// What is due is all there is: then its key needs no list of names.
    private func normalized(_ names: [ResourceName], _ journal: ResourceJournal) -> Push.Selection {
        !names.isEmpty && names == journal.names ? .everything : .names(names)
    }
}

// MARK: Delta

extension Subscription {
    private mutating func nextDelta(in journal: ResourceJournal) -> Push? {
        let due = due(in: journal)
        let previous = advance(to: journal, due)
        let isOwedAnyway = mustAnswer
        mustAnswer = false
        if typeURL.isAbsenceSaidByAlias, due.removals > 0 {
            return nextRemovalBeforeAliases(since: previous, in: journal)
        }
        if !owed.isEmpty || !probation.isEmpty
            || (due.skipped > 0 && due.updates + due.removals > 0)
        {
            var names = owed
            owed.removeAll()
            names.formUnion(changedNames(since: previous, in: journal))
            names.subtract(probation)
            if !names.isEmpty { return answer(names, in: journal) }
        } else if due.updates > 0 || (due.removals > 0 && !typeURL.isReferredTo) {
            if previous.isEmpty { return push(.everything, in: journal) }
            return push(
                typeURL.isReferredTo ? .updates(since: previous) : .changes(since: previous),
                in: journal
            )
        }
        return isOwedAnyway ? push(.names([]), in: journal) : nil
    }

    /// A removal and an answer to a name that isn't there look alike in a list of names, so the removals go
    /// first, and the rest over them.
    private mutating func nextRemovalBeforeAliases(
        since previous: ResourceJournal,
        in journal: ResourceJournal
    ) -> Push {
        var removed = [ResourceName]()
        journal.forEachChange(since: previous) { name, resource in
            guard isSubscribed(to: name) else { return }
            if resource == nil { removed.append(name) } else { owed.insert(name) }
        }
        return push(.removals(removed.sorted()), in: journal)
    }

    private func changedNames(
        since previous: ResourceJournal,
        in journal: ResourceJournal
    ) -> NameSet {
        var changed = [ResourceName]()
        journal.forEachChange(since: previous) { name, resource in
            guard isSubscribed(to: name) else { return }
            if resource != nil || !typeURL.isReferredTo { changed.append(name) }
        }
        return NameSet(changed)
    }

    /// Sends the names as they are now, or as they were if their removal has to wait.
    private mutating func answer(_ names: NameSet, in journal: ResourceJournal) -> Push {
        guard hasHeldRemovals else { return push(normalized(names.sorted, journal), in: journal) }
        let retained = gone.filter { names.contains($0.name) }
        held.subtract(names)
        held.formUnion(NameSet(retained.map(\.name)))
        return push(.names(names.sorted), in: journal, retaining: retained)
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
        return answer(ready, in: journal)
    }
}

// MARK: State of the world

extension Subscription {
    /// Listeners and clusters: everything that is subscribed to, if any of it changed.
    private mutating func nextFullState(in journal: ResourceJournal) -> Push? {
        let due = due(in: journal)
        let mustSend =
            mustAnswer || !owed.isEmpty || due.updates > 0
            || (due.removals > 0 && !typeURL.isReferredTo)
        _ = advance(to: journal, due)
        owed.removeAll()
        mustAnswer = false
        guard mustSend else { return nil }
        return push(fullStateSelection(in: journal), in: journal, retaining: retained)
    }

    private func fullStateSelection(in journal: ResourceJournal) -> Push.Selection {
        isWildcard ? .everything : normalized(names.sorted, journal)
    }

    /// The other types: what changed.
    ///
    /// What doesn't exist is answered with the reason alone, and what is gone is never said.
    private mutating func nextPartialState(in journal: ResourceJournal) -> Push? {
        let due = due(in: journal)
        let previous = advance(to: journal, due)
        forgetRejectionsOfGone(in: journal)
        let asked = owed
        owed.removeAll()
        mustAnswer = false
        if !asked.isEmpty || !probation.isEmpty || (due.skipped > 0 && due.updates > 0) {
            var names = asked
            names.formUnion(changedNames(since: previous, in: journal))
            names.subtract(probation)
            let retained = gone.filter { asked.contains($0.name) }
            if typeURL == .clusterLoadAssignment {
                held.formUnion(asked)
                held.removeAll { name in
                    journal.contains(name) || retained.sortedFirst(named: name) != nil
                }
            }
            guard !names.isEmpty else { return nil }
            return push(normalized(names.sorted, journal), in: journal, retaining: retained)
        }
        guard due.updates > 0 else { return nil }
        return push(previous.isEmpty ? .everything : .updates(since: previous), in: journal)
    }

    /// What is gone is never said in this form, so no answer of the client ends its refusal.
    private mutating func forgetRejectionsOfGone(in journal: ResourceJournal) {
        guard !rejections.isEmpty else { return }
        let refused = rejections.count
        rejections = rejections.filter { journal.contains($0.key) }
        if rejections.count != refused { hasMemoryChanged = true }
    }
}
