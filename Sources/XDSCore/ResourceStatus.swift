import Primitives

/// Where a node stands with one resource.
package struct ResourceStatus: Sendable {
    package enum State: Hashable, Sendable {
        /// The client has accepted it.
        case synced
        /// It is under way and hasn't been answered.
        case sent
        /// The client refused it.
        case nacked(Subscription.Rejection)
        /// It is due and hasn't been sent.
        case notSent
        /// The client asked for it, and there is none.
        case absent
    }

    package let typeURL: TypeURL
    package let name: ResourceName
    /// What the node is to have; nil if there is none.
    package let resource: EncodedResource?
    package let state: State
}

extension Subscription {
    /// One entry for each resource that the client is to have, or has asked for; sorted by name.
    func resourceStatuses(in journal: ResourceJournal) -> [ResourceStatus] {
        var underWay = Set<ResourceName>()
        for push in outstanding { push.forEachName { name, _ in underWay.insert(name) } }
        var subscribed = names
        if isWildcard { subscribed.formUnion(NameSet(sorted: journal.names)) }
        return subscribed.sorted.map { name in
            let resource = journal.resource(named: name)
            return ResourceStatus(
                typeURL: typeURL,
                name: name,
                resource: resource,
                state: state(of: name, resource, isUnderWay: underWay.contains(name))
            )
        }
    }

    private func state(
        of name: ResourceName,
        _ resource: EncodedResource?,
        isUnderWay: Bool
    ) -> ResourceStatus.State {
        if let rejection = rejections[name] { return .nacked(rejection) }
        if isUnderWay { return .sent }
        guard let resource else { return .absent }
        let isKnown = base.resource(named: name)?.isSame(as: resource) == true
        let isDue = owed.contains(name) || probation.contains(name)
        return isKnown && !isDue ? .synced : .notSent
    }
}
