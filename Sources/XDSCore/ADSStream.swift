import Primitives

/// One aggregated discovery stream: what the client subscribes to of each type, and what is sent in which order.
///
/// Events go in with the view that the node gets; actions come out for the shell to carry out in order.
/// The order of pushes (each line waits for the ACKs of the line above, as far as there is one to wait for):
///
///     clusters, endpoints, secrets, and all other types      together, waiting for nothing
///     listeners and routes                                   no cluster response without its ACK
///     removals of what clusters, listeners and routes        nothing due, outstanding or refused
///     refer to, each type's alone                            for any of these
///
/// Envoy withholds the CDS ACK until endpoints and secrets have arrived, so these never wait for it, and it
/// means "the clusters are active". A NACK opens the same gates as an ACK, but for removals: what a
/// client had before it refused an update may be in use. A type that the client never asked for has
/// no gate, so nothing but removals can wait for ever, unless for a client that answers nothing.
///
/// The same machine serves a stream of a single type, with its one subscription. There is no order among
/// streams, but what has to go with a resource and belongs to another stream of the node is told to the shell.
package struct ADSStream: ~Copyable {
    package let variant: ProtocolVariant
    package let limits: StreamLimits
    /// The only type of the stream; nil for an aggregated one.
    package let onlyType: TypeURL?

    /// In the sending order.
    private var subscriptions: [Subscription] = []
    private var view: View?
    /// The client broke a rule; the shell ends the stream and nothing more comes out.
    private var isClosed = false
    private var understandsWrappers = false
    /// See `endpointsAreProvisional`.
    private var holdsEndpoints = false
    private var recalled: [TypeURL: ClientMemory] = [:]

    package init(
        variant: ProtocolVariant,
        onlyType: TypeURL? = nil,
        limits: StreamLimits = StreamLimits()
    ) {
        self.variant = variant
        self.onlyType = onlyType
        self.limits = limits
    }

    /// What the shell does now.
    package enum Action: Sendable {
        /// Write this response.
        case send(Push)
        /// The client accepted a response; for metrics.
        case acknowledged(TypeURL, Nonce, Version)
        /// The client refused a response; for logs and metrics. The state is in `status`.
        case rejected(TypeURL, Nonce, Version, ErrorDetail)
        /// The nonce of a request answers nothing that is out; for metrics.
        case ignoredNonce(TypeURL)
        /// What has to be known of the client on its next stream is this now.
        case remember(TypeURL, ClientMemory)
        /// The client has not answered for long; `neverAsked` goes with what it was sent, and it never
        /// subscribed to it.
        case overdue(TypeURL, neverAsked: [ResourceReference])
        /// What goes with these resources is no subscription of this stream: tell the node's other streams.
        case companionsBelongElsewhere(Push)
        /// The client broke a rule: end the stream with a status.
        case violation(Violation)
    }

    /// The client understands `Resource` wrappers in the state of the world (its feature
    /// `xds.config.resource-in-sotw`).
    package mutating func learnedOfWrappers() {
        understandsWrappers = true
        for index in subscriptions.indices { subscriptions[index].wrapsResources = true }
    }

    /// An earlier stream of the same client left this; before the first request.
    package mutating func recalled(_ memories: [TypeURL: ClientMemory]) {
        recalled = memories
    }

    /// The view may lack endpoints that exist; before the first request.
    ///
    /// A control plane that lost its registry knows no worker until the workers have come back. A
    /// client that has endpoints from before keeps them until `endpointsAreKnown`; to all others the
    /// few that are known are better than none.
    package mutating func endpointsAreProvisional() {
        holdsEndpoints = true
    }

    /// Whoever was away has had its time to come back.
    package mutating func endpointsAreKnown() -> [Action] {
        guard holdsEndpoints, !isClosed else { return [] }
        holdsEndpoints = false
        var actions = [Action]()
        plan(into: &actions)
        return actions
    }

    /// A request of a delta stream came in.
    package mutating func received(_ request: DeltaRequest, in view: View) -> [Action] {
        var request = request
        request.typeURL = implied(request.typeURL)
        return receive(request.typeURL, in: view, violation: check(request)) {
            subscription,
            journal in
            subscription.received(request, in: journal)
        }
    }

    /// A request of a delta stream came in that has a type and a nonce and nothing else: nearly all are such.
    ///
    /// Does what `received` would, into a buffer that the shell keeps.
    package mutating func acknowledged(
        _ typeURL: TypeURL,
        _ nonce: Nonce,
        in view: View,
        appendingTo actions: inout [Action]
    ) {
        guard !isClosed else { return }
        for index in subscriptions.indices where subscriptions[index].typeURL == typeURL {
            viewChanged(to: view, appendingTo: &actions)
            guard let verdict = subscriptions[index].acknowledged(nonce) else { break }
            finish(verdict, ofSubscriptionAt: index, into: &actions)
            return
        }
        actions += received(DeltaRequest(typeURL: typeURL, nonce: nonce.text), in: view)
    }

    /// A request of a state-of-the-world stream came in.
    package mutating func received(_ request: SotwRequest, in view: View) -> [Action] {
        var request = request
        request.typeURL = implied(request.typeURL)
        return receive(request.typeURL, in: view, violation: check(request)) {
            subscription,
            journal in
            subscription.received(request, in: journal)
        }
    }

    /// The node gets another snapshot: a newer one of its view, or one of another view.
    package mutating func viewChanged(to view: View) -> [Action] {
        var actions = [Action]()
        viewChanged(to: view, appendingTo: &actions)
        return actions
    }

    /// The same into a buffer that the shell keeps, for the case of ten thousand streams and one change.
    package mutating func viewChanged(to view: View, appendingTo actions: inout [Action]) {
        guard !isClosed, adopt(view) else { return }
        plan(into: &actions)
    }

    /// Another stream of the node sent resources, with which some of this stream's have to go.
    package mutating func companionsAreDue(with push: Push) -> [Action] {
        guard !isClosed else { return [] }
        var actions = [Action]()
        markCompanionsDue(with: push) { _ in true }
        plan(into: &actions)
        return actions
    }

    /// It is time to renew what has a time to live.
    package mutating func heartbeatIsDue() -> [Action] {
        guard !isClosed, let view else { return [] }
        var actions = [Action]()
        for index in subscriptions.indices {
            let journal = view.journal(of: subscriptions[index].typeURL)
            guard let push = subscriptions[index].nextHeartbeat(in: journal) else { continue }
            actions.append(.send(push))
        }
        return actions
    }

    /// The watchdog comes at a fixed interval and finds what the client has left unanswered for too long.
    ///
    /// Envoy withholds an ACK while what it was sent is warming. Then something that goes with it was lost or
    /// overlooked, so that is sent once more.
    package mutating func watchdogCame() -> [Action] {
        guard !isClosed else { return [] }
        var actions = [Action]()
        for index in subscriptions.indices where !subscriptions[index].outstanding.isEmpty {
            subscriptions[index].unansweredTicks += 1
            guard subscriptions[index].unansweredTicks == limits.watchdogTicksUntilOverdue else {
                continue
            }
            let typeURL = subscriptions[index].typeURL
            var neverAsked = Set<ResourceReference>()
            for push in subscriptions[index].outstanding {
                markCompanionsDue(with: push) { $0 > typeURL }
                push.forEachName { _, resource in
                    for companion in resource?.companions ?? [] where !hasAsked(for: companion) {
                        neverAsked.insert(companion)
                    }
                }
            }
            actions.append(.overdue(typeURL, neverAsked: neverAsked.sorted()))
        }
        if !actions.isEmpty { plan(into: &actions) }
        return actions
    }

    /// Lends the subscriptions of the types that may be made of several objects' parts.
    mutating func forEachAggregateSubscription(_ body: (inout Subscription) -> Void) {
        for index in subscriptions.indices where subscriptions[index].typeURL.mayBeAggregate {
            body(&subscriptions[index])
        }
    }

    private func hasAsked(for reference: ResourceReference) -> Bool {
        subscriptions.contains {
            $0.typeURL == reference.typeURL && $0.isSubscribed(to: reference.name)
        }
    }

    /// What has to be known of the client on its next stream, when this one has ended.
    package var memoriesAtEnd: [(typeURL: TypeURL, memory: ClientMemory)] {
        subscriptions.filter { !$0.outstanding.isEmpty }.map { ($0.typeURL, $0.memoryAtEnd) }
    }

    /// The client has accepted all that this snapshot has for it, whatever came after.
    ///
    /// A type that it never asked for has nothing for it. After a move to another view, that view counts.
    package func hasConfirmed(_ snapshot: View) -> Bool {
        guard let view else { return true }
        let expected = view.id == snapshot.id ? snapshot : view
        return subscriptions.allSatisfy { $0.hasConfirmed(expected.journal(of: $0.typeURL)) }
    }
}

// MARK: Requests

extension ADSStream {
    private mutating func receive(
        _ typeURL: TypeURL,
        in view: View,
        violation: Violation?,
        _ apply: (inout Subscription, ResourceJournal) -> Subscription.Verdict
    ) -> [Action] {
        guard !isClosed else { return [] }
        if let violation { return close(violation) }
        var actions = [Action]()
        viewChanged(to: view, appendingTo: &actions)
        let journal = (self.view ?? view).journal(of: typeURL)
        guard let index = indexOfSubscription(to: typeURL, journal) else {
            let limit = limits.maximumTypesPerStream
            return close(.exceeded("maximumTypesPerStream", of: limit, by: limit + 1))
        }
        if typeURL == .cluster, onlyType == nil { watchEndpoints() }
        let verdict = apply(&subscriptions[index], journal)
        var total = 0
        for index in subscriptions.indices { total += subscriptions[index].names.count }
        guard total <= limits.maximumSubscriptionsPerStream else {
            let limit = limits.maximumSubscriptionsPerStream
            return close(.exceeded("maximumSubscriptionsPerStream", of: limit, by: total))
        }
        finish(verdict, ofSubscriptionAt: index, into: &actions)
        return actions
    }

    /// Tells what a request meant, and sends what may go now.
    private mutating func finish(
        _ verdict: Subscription.Verdict,
        ofSubscriptionAt index: Int,
        into actions: inout [Action]
    ) {
        let typeURL = subscriptions[index].typeURL
        switch verdict {
        case .none: break
        case .stale, .unmatched: actions.append(.ignoredNonce(typeURL))
        case .acknowledged(let nonce, let version):
            actions.append(.acknowledged(typeURL, nonce, version))
        case .rejected(let nonce, let version, let error):
            actions.append(.rejected(typeURL, nonce, version, error))
        }
        if subscriptions[index].hasMemoryChanged {
            subscriptions[index].hasMemoryChanged = false
            actions.append(.remember(typeURL, subscriptions[index].memory))
        }
        plan(into: &actions)
    }

    private mutating func close(_ violation: Violation) -> [Action] {
        isClosed = true
        subscriptions = []
        return [.violation(violation)]
    }

    /// Takes over the snapshot; false when it is the one that the stream has, or an older one.
    private mutating func adopt(_ view: View) -> Bool {
        // A shell may read the current view just before a publisher's event overtakes it. The older
        // snapshot then comes second, and a stream never goes back.
        if let current = self.view, current.id == view.id, view.revision <= current.revision {
            return false
        }
        self.view = view
        return true
    }

    private mutating func indexOfSubscription(
        to typeURL: TypeURL,
        _ journal: ResourceJournal
    ) -> Int? {
        var index = 0
        while index < subscriptions.count, subscriptions[index].typeURL < typeURL { index += 1 }
        if index < subscriptions.count, subscriptions[index].typeURL == typeURL { return index }
        guard subscriptions.count < limits.maximumTypesPerStream else { return nil }
        var subscription = Subscription(
            typeURL: typeURL,
            variant: variant,
            journal: journal,
            limits: limits
        )
        subscription.wrapsResources = understandsWrappers
        if let memory = recalled.removeValue(forKey: typeURL) { subscription.recall(memory) }
        subscriptions.insert(subscription, at: index)
        return index
    }

    /// Follows the endpoints from the first cluster on, before they are asked for.
    ///
    /// The client asks for the endpoints of a cluster when it has got it. Should both be gone from the view
    /// by then, the answer is what they were. (They sort after clusters, so no index before them moves.)
    private mutating func watchEndpoints() {
        guard let view else { return }
        let typeURL = TypeURL.clusterLoadAssignment
        _ = indexOfSubscription(to: typeURL, view.journal(of: typeURL))
    }

    private func check(_ request: DeltaRequest) -> Violation? {
        let versions = request.initialVersions
        guard versions.count <= limits.maximumInitialVersionsPerRequest else {
            return .exceeded(
                "maximumInitialVersionsPerRequest",
                of: limits.maximumInitialVersionsPerRequest,
                by: versions.count
            )
        }
        return check(request.typeURL) ?? check(request.subscribe)
            ?? check(versions.keys.sorted())
    }

    private func check(_ request: SotwRequest) -> Violation? {
        check(request.typeURL) ?? check(request.names)
    }

    /// A stream of one type may leave it out.
    private func implied(_ typeURL: TypeURL) -> TypeURL {
        typeURL.rawValue.isEmpty ? onlyType ?? typeURL : typeURL
    }

    private func check(_ typeURL: TypeURL) -> Violation? {
        let length = typeURL.rawValue.utf8.count
        if let onlyType, typeURL != onlyType {
            return .malformed(
                "this stream is for \(onlyType), but the request has another type_url"
            )
        }
        if length == 0 {
            return .malformed("a request on an aggregated stream needs a type_url, but has none")
        }
        guard length > limits.maximumNameBytes else { return nil }
        return .exceeded("maximumNameBytes (type_url)", of: limits.maximumNameBytes, by: length)
    }

    private func check(_ names: [ResourceName]) -> Violation? {
        // Before they are sorted and merged: a request of many equal names is as much work.
        guard names.count <= limits.maximumSubscriptionsPerStream else {
            return .exceeded(
                "maximumSubscriptionsPerStream",
                of: limits.maximumSubscriptionsPerStream,
                by: names.count
            )
        }
        for name in names {
            let length = name.rawValue.utf8.count
            guard length > limits.maximumNameBytes else { continue }
            return .exceeded("maximumNameBytes", of: limits.maximumNameBytes, by: length)
        }
        return nil
    }
}

// MARK: The order of pushes

extension ADSStream {
    /// Sends what is due and may go, in the sending order of the types.
    private mutating func plan(into actions: inout [Action]) {
        guard let view else { return }
        var areClustersActive = true
        var areClustersKnown = false
        var areReferrersSettled = true
        // A client that refused new routes has its old ones, and needs what they lead to.
        var isAnyRefused = false
        var hasHeldRemovals = false
        for index in subscriptions.indices {
            let typeURL = subscriptions[index].typeURL
            let journal = view.journal(of: typeURL)
            if isHeld(at: index) {
                // Nothing that refers to clusters waits for these: the client has some already.
            } else if areClustersActive || !typeURL.refersToClusters {
                if let push = subscriptions[index].nextUpdate(in: journal) {
                    actions.append(.send(push))
                    sent(push, &actions)
                }
            }
            if typeURL == .cluster {
                areClustersKnown = true
                areClustersActive = subscriptions[index].outstanding.isEmpty
            } else if typeURL == .clusterLoadAssignment, !areClustersKnown {
                // A client that comes back with a warming cluster asks for clusters only when it has got
                // the endpoints, and for listeners and routes at once. Its request for clusters comes
                // before the ACK of the endpoints, if it comes.
                areClustersActive = subscriptions[index].outstanding.isEmpty
            }
            if typeURL.refersToClusters {
                let isSettled = subscriptions[index].isSettled(in: journal)
                areReferrersSettled = areReferrersSettled && isSettled
                isAnyRefused = isAnyRefused || !subscriptions[index].rejections.isEmpty
            }
            hasHeldRemovals = hasHeldRemovals || subscriptions[index].hasHeldRemovals
        }
        guard hasHeldRemovals else { return }
        let isNothingReferring = areClustersActive && areReferrersSettled
        for index in subscriptions.indices {
            let typeURL = subscriptions[index].typeURL
            // Endpoints in the state of the world: none is removed, but a client waits for an answer.
            let isRemoval = variant == .delta || typeURL.isFullStateInSotw
            guard
                (isNothingReferring && !(isRemoval && isAnyRefused))
                    || subscriptions[index].hasTooManyHeldRemovals,
                !isHeld(at: index)
            else { continue }
            let push = subscriptions[index].nextRemoval(in: view.journal(of: typeURL)) { name in
                view.refers(to: ResourceReference(typeURL, name))
            }
            if let push { actions.append(.send(push)) }
        }
    }

    private func isHeld(at index: Int) -> Bool {
        holdsEndpoints && subscriptions[index].typeURL == .clusterLoadAssignment
            && subscriptions[index].hasEarlierState
    }

    /// What goes with the resources of a response becomes due, for the types that come after.
    private mutating func sent(_ push: Push, _ actions: inout [Action]) {
        // The first cluster response of a stream speaks of all clusters, and nothing waits for it yet.
        var isAnyWaiting = false
        for index in subscriptions.indices.reversed() {
            guard subscriptions[index].typeURL > push.typeURL else { break }
            if subscriptions[index].hasStarted { isAnyWaiting = true }
        }
        if isAnyWaiting {
            // Only what comes after: the order of types has no cycles, so companions have none either.
            markCompanionsDue(with: push) { $0 > push.typeURL }
        }
        if push.typeURL == .cluster, !isSubscribed(to: .clusterLoadAssignment) {
            actions.append(.companionsBelongElsewhere(push))
        }
    }

    private func isSubscribed(to typeURL: TypeURL) -> Bool {
        subscriptions.contains { $0.typeURL == typeURL && $0.hasStarted }
    }

    private mutating func markCompanionsDue(
        with push: Push,
        where isIncluded: (TypeURL) -> Bool
    ) {
        push.forEachName { _, resource in
            guard let resource, !resource.companions.isEmpty else { return }
            for companion in resource.companions where isIncluded(companion.typeURL) {
                for index in subscriptions.indices
                where subscriptions[index].typeURL == companion.typeURL {
                    subscriptions[index].becameDue(companion: companion.name)
                }
            }
        }
    }
}

// MARK: Status

extension ADSStream {
    /// Where each subscribed type stands, in the sending order of the types.
    package var status: [SubscriptionStatus] {
        guard let view else { return [] }
        return subscriptions.filter(\.hasStarted).map {
            $0.status(in: view.journal(of: $0.typeURL))
        }
    }

    /// Where each resource stands, by type in the sending order and by name.
    package var resourceStatuses: [ResourceStatus] {
        guard let view else { return [] }
        return subscriptions.filter(\.hasStarted).flatMap {
            $0.resourceStatuses(in: view.journal(of: $0.typeURL))
        }
    }
}
