import Primitives

/// What one stream is subscribed to for one type, and how much of it the client has.
///
/// The client's state is never kept as a name → version map. It is `base`, the journal that the client was
/// brought up to, corrected by three small sets:
///
///     for a name that the stream subscribes to, the client has
///         what it was sent long ago   if the name is in `held` (gone, but not told yet)
///         who knows                   if the name is in `owed` (it will be sent whatever `base` says)
///         its resource in `base`      otherwise
///
/// `received…` (in the +Delta and +Sotw files) change what is subscribed and owed; `nextUpdate` and
/// `nextRemoval` (in +Sending) turn that into at most one response each. The stream decides when they may.
///
/// Copyable, because it lives in the stream's array of types.
package struct Subscription: Sendable {
    package let typeURL: TypeURL
    package let variant: ProtocolVariant
    let limits: StreamLimits

    /// Subscribed to everything of the type, now and later.
    package internal(set) var isWildcard = false
    /// The names that are subscribed to explicitly, without `*`.
    package internal(set) var names = NameSet()

    var base: ResourceJournal
    /// Names to be sent at the next opportunity at whatever version.
    var owed = NameSet()
    /// Names that are gone from `base`, while the client hasn't been told.
    ///
    /// State of the world: endpoints that were asked for and don't exist, of which the client has to be told
    /// in the end too.
    var held = NameSet()
    /// State of the world: what is gone from `base`, while it still goes out with the full state.
    var retained: [EncodedResource] = []
    /// What is gone from the view, but may still be asked for; sorted by name.
    ///
    /// A client asks for the endpoints of a cluster when it has got the cluster. Should both be gone by then,
    /// the answer is what they were. Without one Envoy would keep the cluster warming and withhold the CDS
    /// ACK, for which the update without the cluster waits. Kept only until removals may go.
    var gone: [EncodedResource] = []
    /// The newest journal that `gone` knows of; `base` stays behind while a response is outstanding.
    var seen: ResourceJournal
    /// A response is owed even when there is nothing to put into it.
    ///
    /// Envoy ends its initialization with the first CDS and LDS response; without one it waits 15 s.
    var mustAnswer = false
    /// Responses that weren't answered yet, oldest first.
    var outstanding: [Push] = []
    /// What the client refused and still would; empty nearly always.
    package internal(set) var rejections: [ResourceName: Rejection] = [:]
    /// Names that go in a response of their own each, so that the answer says which one is refused.
    ///
    /// After a NACK of a response with several resources nobody knows which of them the client has.
    var probation = NameSet()
    /// See `ClientMemory`.
    var uncertain = NameSet()
    var refusedVersion: Version?
    /// What an earlier stream left.
    var recalled = ClientMemory()
    /// `memory` is another since this was last set to false.
    var hasMemoryChanged = false
    /// How often the watchdog came since the oldest outstanding response was sent.
    var unansweredTicks = 0

    /// The version of the last response that was accepted.
    package internal(set) var acknowledgedVersion: Version?
    /// The client has been sent something, or said that it has it.
    var hasBeenServed = false
    /// A request has come; the first one has rules of its own.
    var hasStarted = false
    /// The first request said that the client has something from an earlier stream.
    var hasEarlierState = false
    /// A request had names: from then on one without names means none, not everything (SotW).
    var hasHadNames = false
    var lastNonce: Nonce?
    /// Moving between views makes revisions repeat; ordinals then only grow.
    var hasChangedViews = false
    /// The state of the view up to which the client has accepted all that it is to have.
    private(set) var confirmed: Cursor?
    /// State of the world: the client understands `Resource` wrappers.
    var wrapsResources = false
    /// What the client accepted last of each resource that is made of several objects' parts.
    var acceptedAggregates: [(name: ResourceName, origin: ResourceOrigin)] = []
    /// What it said of them that the shell hasn't taken yet.
    var aggregateAnswers: [AggregateAnswer] = []

    package init(
        typeURL: TypeURL,
        variant: ProtocolVariant,
        journal: ResourceJournal,
        limits: StreamLimits
    ) {
        self.typeURL = typeURL
        self.variant = variant
        self.limits = limits
        self.base = journal
        self.seen = journal
    }

    /// What a request's nonce and error meant.
    package enum Verdict: Equatable, Sendable {
        /// Answers no response, or one that was answered before.
        case none
        /// The nonce is of no response that is out, such as another stream's; the rest of it counts.
        case unmatched
        case acknowledged(Nonce, Version)
        case rejected(Nonce, Version, ErrorDetail)
        /// State of the world: an answer to an older response, so all of the request is out of date.
        case stale
    }

    /// Nothing is under way and nothing is due, as far as `journal` goes.
    func isSettled(in journal: ResourceJournal) -> Bool {
        outstanding.isEmpty && !isUpdateDue(in: journal)
    }

    /// Something may have to be sent; false is certain, true is not.
    func isUpdateDue(in journal: ResourceJournal) -> Bool {
        mustAnswer || !owed.isEmpty || !probation.isEmpty || base.cursor != journal.cursor
    }

    /// Notes how far the client has come, whenever nothing is under way.
    mutating func noteConfirmation() {
        guard outstanding.isEmpty, hasStarted, rejections.isEmpty, confirmed != base.cursor,
            owed.isEmpty, !mustAnswer, held.isEmpty, retained.isEmpty, probation.isEmpty
        else { return }
        confirmed = base.cursor
    }

    /// The client has accepted what it is to have of this journal, whatever came after it.
    func hasConfirmed(_ journal: ResourceJournal) -> Bool {
        guard hasStarted else { return true }
        guard let confirmed, confirmed.view == journal.cursor.view else { return false }
        return confirmed.revision >= journal.cursor.revision
    }

    func isSubscribed(to name: ResourceName) -> Bool {
        isWildcard || names.contains(name)
    }

    /// Another resource that the client was just sent makes it wait for this one.
    mutating func becameDue(companion name: ResourceName) {
        if isSubscribed(to: name) { owed.insert(name) }
    }
}

// MARK: Answers of the client

extension Subscription {
    /// The response with this nonce was answered.
    ///
    /// The client answers in order, so older responses without an answer won't get one any more. It is
    /// taken as accepted: a client that answers the last one only must not block its type.
    mutating func answered(_ nonce: Nonce?, error: ErrorDetail?) -> Verdict {
        guard let nonce, let index = outstanding.firstIndex(where: { $0.nonce == nonce }) else {
            // An ACK that crossed another response, or a nonce of an earlier stream.
            return .none
        }
        let push = outstanding[index]
        for older in outstanding[..<index] { accepted(older) }
        outstanding.removeFirst(index + 1)
        unansweredTicks = 0
        guard let error else {
            accepted(push)
            noteAccepted(push)
            acknowledgedVersion = push.version
            noteConfirmation()
            return .acknowledged(nonce, push.version)
        }
        let cut = ErrorDetail(
            code: error.code,
            message: error.message.prefix(utf8Bytes: limits.maximumErrorTextBytes)
        )
        rejected(push, cut)
        noteRefused(push, cut)
        return .rejected(nonce, push.version, cut)
    }

    private mutating func accepted(_ push: Push) {
        if rejections.isEmpty, uncertain.isEmpty, refusedVersion == nil { return }
        if push.isHeartbeat { return }
        if variant == .stateOfTheWorld, typeURL.isFullStateInSotw {
            // It holds all there is: what was refused before and isn't in it is gone.
            rejections.removeAll()
            uncertain.removeAll()
        }
        push.forEachName { name, _ in
            rejections[name] = nil
            uncertain.remove(name)
        }
        refusedVersion = nil
        hasMemoryChanged = true
    }

    /// `base` stays: Envoy keeps what it accepted last, and the same again would be refused again.
    private mutating func rejected(_ push: Push, _ error: ErrorDetail) {
        var suspects: [(name: ResourceName, resource: EncodedResource?)] = []
        push.forEachName { name, resource in
            // State of the world: a name without a resource isn't in the response.
            if resource != nil || variant == .delta { suspects.append((name, resource)) }
        }
        let named = suspects.filter { error.message.mentions($0.name.rawValue) }
        let isCertain = !named.isEmpty || suspects.count == 1
        for suspect in named.isEmpty ? suspects : named {
            rejections[suspect.name] = Rejection(
                version: suspect.resource?.version,
                error: error,
                nonce: push.nonce,
                isNamed: isCertain,
                origin: suspect.resource?.origin
            )
        }
        hasMemoryChanged = true
        guard variant == .delta || !typeURL.isFullStateInSotw else {
            refusedVersion = push.version
            return
        }
        uncertain.formUnion(NameSet(suspects.map(\.name)))
        guard suspects.count > 1 else { return }
        let culprits = NameSet(named.map(\.name))
        let others = suspects.filter { $0.resource != nil && !culprits.contains($0.name) }
        probation.formUnion(NameSet(others.map(\.name)))
    }

    /// Forgets what was only known of names that aren't subscribed to any more.
    mutating func pruneToSubscribedNames() {
        guard !isWildcard else { return }
        let names = self.names
        owed.removeAll { !names.contains($0) }
        held.removeAll { !names.contains($0) }
        retained.removeAll { !names.contains($0.name) }
        probation.removeAll { !names.contains($0) }
        if !rejections.isEmpty { rejections = rejections.filter { names.contains($0.key) } }
    }

    /// Everything is sent, as to a client that has nothing.
    mutating func restartWildcard(in journal: ResourceJournal) {
        if isWildcard {
            // It does have something: what is gone since has to be told.
            owed.formUnion(NameSet(sorted: base.names))
        } else {
            isWildcard = true
            base = ResourceJournal(emptyFor: typeURL, in: journal.cursor.view)
        }
        // Without a base, removals of explicit names, and of those that are on their way, would be forgotten.
        owed.formUnion(names)
        var underWay = [ResourceName]()
        for push in outstanding { push.forEachName { name, _ in underWay.append(name) } }
        owed.formUnion(NameSet(underWay))
        mustAnswer = true
    }
}
