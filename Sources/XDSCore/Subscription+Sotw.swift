import Primitives

extension Subscription {
    /// A state-of-the-world request of this type came in: the names are all that the client wants now.
    package mutating func received(
        _ request: SotwRequest,
        in journal: ResourceJournal
    ) -> Verdict {
        precondition(variant == .stateOfTheWorld, "a state-of-the-world request on a delta stream")
        var requested = NameSet(request.names.lazy.filter { $0 != .wildcard })
        requested.share(with: journal)
        if !request.names.isEmpty { hasHadNames = true }
        let isForAll =
            request.names.contains(.wildcard) || (typeURL.hasLegacyWildcard && !hasHadNames)
        guard hasStarted else {
            hasStarted = true
            receivedFirst(request, requested, isForAll: isForAll, in: journal)
            return request.nonce.isEmpty ? .none : .unmatched
        }
        // The client will send its names again with its answer to the response that crossed this request.
        let nonce = Nonce(request.nonce)
        if let lastNonce, nonce != lastNonce { return .stale }

        let verdict = answered(nonce, error: request.error)
        let added = NameSet(sorted: requested.sorted.filter { !names.contains($0) })
        if verdict == .none, request.error == nil, !typeURL.isFullStateInSotw, requested == names {
            // The same again without an answer in it: Envoy put a changed cluster into warming and asks for
            // its endpoints so. It names all, and doesn't say which it misses.
            owed = names
        } else {
            owed.formUnion(added)
        }
        names = requested
        if isForAll, !isWildcard {
            restartWildcard(in: journal)
        }
        isWildcard = isForAll
        pruneToSubscribedNames()
        // Nothing was sent yet that the nonce could be of.
        if lastNonce == nil, !request.nonce.isEmpty { return .unmatched }
        return verdict
    }

    private mutating func receivedFirst(
        _ request: SotwRequest,
        _ requested: NameSet,
        isForAll: Bool,
        in journal: ResourceJournal
    ) {
        names = requested
        hasEarlierState = !request.version.rawValue.isEmpty
        // With names, the version doesn't say whether the last response was to the same ones.
        // After a refusal the client has more than the version that it accepted; and what it refused is
        // still refused.
        let isSame =
            recalled.refusedVersion.map {
                $0 == journal.version && !request.version.rawValue.isEmpty
            }
            ?? (request.version == journal.version && recalled.uncertain.isEmpty)
        if isForAll, names.isEmpty, isSame {
            isWildcard = true
            hasBeenServed = true
            keepRejections(of: [:], in: journal)
            refusedVersion = recalled.refusedVersion
        } else if isForAll {
            restartWildcard(in: journal)
        } else {
            owed = names
        }
    }
}
