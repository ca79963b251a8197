import Primitives

extension Subscription {
    /// A delta request of this type came in.
    ///
    /// Its parts are independent: a nonce that answers nothing any more doesn't make its subscription
    /// changes void.
    package mutating func received(
        _ request: DeltaRequest,
        in journal: ResourceJournal
    ) -> Verdict {
        precondition(variant == .delta, "a delta request on a state-of-the-world stream")
        guard hasStarted else {
            hasStarted = true
            receivedFirst(request, in: journal)
            return request.nonce.isEmpty ? .none : .unmatched
        }
        let verdict = answered(Nonce(request.nonce), error: request.error)
        unsubscribe(request.unsubscribe)
        subscribe(request.subscribe, in: journal)
        return verdict == .none && !request.nonce.isEmpty ? .unmatched : verdict
    }

    /// The client accepted a response, and says nothing more: what `received` does with such a request.
    ///
    /// Nil when that takes a whole request, as the first of its type does.
    mutating func acknowledged(_ nonce: Nonce) -> Verdict? {
        guard hasStarted else { return nil }
        let verdict = answered(nonce, error: nil)
        return verdict == .none ? .unmatched : verdict
    }

    /// The first request says what the client has from an earlier stream.
    private mutating func receivedFirst(_ request: DeltaRequest, in journal: ResourceJournal) {
        let isForAll =
            request.subscribe.contains(.wildcard)
            || (request.subscribe.isEmpty && typeURL.hasLegacyWildcard)
        hasMemoryChanged = !recalled.isEmpty
        names = NameSet(request.subscribe.lazy.filter { $0 != .wildcard })
        names.share(with: journal)
        if request.initialVersions.isEmpty {
            owed = names
            if isForAll { restartWildcard(in: journal) }
            forgetOrphans(in: journal)
        } else {
            isWildcard = isForAll
            hasBeenServed = true
            hasEarlierState = true
            uncertain.subtract(NameSet(request.initialVersions.keys))
            keepRejections(of: request.initialVersions, in: journal)
            noteAccepted(request.initialVersions, in: journal)
            resume(from: request.initialVersions, in: journal)
            forgetOrphans(in: journal)
        }
    }

    /// What the client may have without saying so, and what is gone, is removed explicitly.
    private mutating func forgetOrphans(in journal: ResourceJournal) {
        var orphans = recalled.uncertain
        orphans.removeAll { journal.contains($0) || !isSubscribed(to: $0) }
        guard !orphans.isEmpty else { return }
        if typeURL.isReferredTo {
            held.formUnion(orphans)
            mustAnswer = true
        } else {
            owed.formUnion(orphans)
        }
    }

    /// Owes what differs from `versions`, beside what changes from now on, so that nothing is sent again that the client has.
    private mutating func resume(
        from versions: [ResourceName: Version],
        in journal: ResourceJournal
    ) {
        var due = [ResourceName]()
        if isWildcard {
            journal.forEach { resource in
                if typeURL.isAlwaysSentOnNewStream || versions[resource.name] != resource.version {
                    due.append(resource.name)
                }
            }
        }
        for name in names.sorted {
            switch (versions[name], journal.version(of: name)) {
            case (let has?, let current?):
                if typeURL.isAlwaysSentOnNewStream || has != current { due.append(name) }
            // It is told that the name doesn't exist, as on any new subscription.
            case (nil, _): due.append(name)
            // Gone. Endpoints are answered at once, because a cluster may be warming for want of them;
            // all others below, with what the client must forget of a wildcard.
            case (_?, nil): if typeURL.isAlwaysSentOnNewStream { due.append(name) }
            }
        }
        if !rejections.isEmpty { due.removeAll { rejections[$0] != nil } }
        var gone = NameSet(versions.keys.lazy.filter { !journal.contains($0) })
        gone.subtract(NameSet(due))
        if typeURL.isReferredTo {
            held = gone
            // The client asks for all its types before it answers this response. So its answer is the
            // time to look whether routes are due, which have to go before the removals.
            mustAnswer = !gone.isEmpty
        } else {
            due.append(contentsOf: gone.sorted)
        }
        owed = NameSet(due)
    }

    private mutating func unsubscribe(_ unsubscribed: [ResourceName]) {
        guard !unsubscribed.isEmpty else { return }
        let isWildcardGone = unsubscribed.contains(.wildcard)
        if isWildcardGone { isWildcard = false }
        for name in unsubscribed where names.contains(name) {
            names.remove(name)
            // The client can't know whether the wildcard still covers the name, so it is told.
            if isWildcard { owed.insert(name) }
        }
        pruneToSubscribedNames()
    }

    private mutating func subscribe(_ subscribed: [ResourceName], in journal: ResourceJournal) {
        guard !subscribed.isEmpty else { return }
        var added = NameSet(subscribed.lazy.filter { $0 != .wildcard })
        added.share(with: journal)
        // Also what is subscribed to already: the client asks because it lost it.
        owed.formUnion(added)
        names.formUnion(added)
        names.share(with: journal)
        if subscribed.contains(.wildcard) { restartWildcard(in: journal) }
    }
}
