import Primitives

/// Where a node stands with one type, as `meridian get proxies` shows it.
package struct SubscriptionStatus: Sendable {
    package enum State: String, Hashable, Sendable {
        /// The client has accepted all that it is to have.
        case synced = "SYNCED"
        /// A response is under way and hasn't been answered.
        case sent = "STALE"
        /// The client refuses at least one resource; what it accepted before stays in force there.
        case nacked = "NACKED"
        /// Something is due that hasn't been sent: it waits for another type's ACK, or doesn't exist.
        case notSent = "NOT_SENT"
    }

    package let typeURL: TypeURL
    package let state: State
    /// The client has left a response unanswered for long; the watchdog has found it.
    package let isOverdue: Bool
    package let isWildcard: Bool
    /// The resources that the client has been sent and not been told to forget.
    package let resourceCount: Int
    /// The version of the last accepted response on this stream.
    package let acknowledgedVersion: Version?
    /// The refused resources, by name; one text may stand at several, of which one is the culprit.
    package let rejections: [(name: ResourceName, rejection: Subscription.Rejection)]

    /// The text of the first refused resource.
    package var errorText: String? { rejections.first?.rejection.error.message }
}

extension Subscription {
    func status(in journal: ResourceJournal) -> SubscriptionStatus {
        let state: SubscriptionStatus.State
        if !rejections.isEmpty {
            state = .nacked
        } else if !outstanding.isEmpty {
            state = .sent
        } else if isUnserved || !held.isEmpty || !retained.isEmpty
            || owesAnything(in: journal)
        {
            state = .notSent
        } else {
            state = .synced
        }
        return SubscriptionStatus(
            typeURL: typeURL,
            state: state,
            isOverdue: unansweredTicks >= limits.watchdogTicksUntilOverdue,
            isWildcard: isWildcard,
            resourceCount: resourceCount,
            acknowledgedVersion: acknowledgedVersion,
            rejections: rejections.map { ($0.key, $0.value) }.sorted { $0.name < $1.name }
        )
    }

    /// It asked for something and has heard nothing.
    ///
    /// A client that asks for virtual hosts on demand begins with a request for none.
    private var isUnserved: Bool { !hasBeenServed && (isWildcard || !names.isEmpty) }

    private var resourceCount: Int {
        let base = self.base
        let live =
            isWildcard
            ? base.count : names.sorted.count { base.contains($0) && !owed.contains($0) }
        // State of the world: what is held back there was never sent.
        return live + (variant == .delta ? held.count : 0) + retained.count
    }

    /// Exact, unlike `isUpdateDue`: what changed may be of no interest here.
    private func owesAnything(in journal: ResourceJournal) -> Bool {
        var isOwing = mustAnswer || !owed.isEmpty
        journal.forEachChange(since: base) { name, _ in
            isOwing = isOwing || isSubscribed(to: name)
        }
        return isOwing
    }
}
