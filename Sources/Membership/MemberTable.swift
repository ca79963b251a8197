import Primitives

/// The lease of one registration: all that a plain renewal touches.
///
/// `BitwiseCopyable` is the promise behind the hot path: there is no reference in it, so writing one can neither
/// allocate nor count references. Names and addresses are kept beside it, in `MemberTable.registrations`.
struct LeaseState: BitwiseCopyable, Sendable {
    /// Where a registration stands.
    ///
    ///     serving ⇄ notServing      the worker reports its health
    ///         ↓         ↓
    ///         draining              it asked to stop; the endpoint is still listed
    ///             ↓
    ///         withdrawn             the endpoint is out; the proxies' confirmations are awaited
    ///
    /// Every one of them may be followed by the end of the registration.
    enum Standing: BitwiseCopyable, Sendable {
        case serving
        case notServing
        case draining
        case withdrawn
    }

    let epoch: Epoch
    /// Nil while nobody knows where the worker is: it was restored and has not been heard of yet, or
    /// its stream ended in a way that proves nothing.
    var stream: StreamID?
    let durationNanoseconds: Int64
    /// When the worker last gave a sign of life; when it was restored, if it has given none.
    var heardAt: MonotonicInstant
    var deadline: MonotonicInstant
    /// Until then the end of the stream proves nothing.
    ///
    /// The worker had been unheard for longer than its lease, so it may have given the stream up for
    /// that reason alone, and be on its way back with a new one.
    var unsettledUntil = MonotonicInstant(nanoseconds: .min)
    var standing: Standing
    /// The lease has run out, and `MassExpiryGuard` does not believe it.
    var isHeld = false
    /// The worker's service and region, as a number of `MassExpiryGuard`; -1 in a slot that is free.
    var cohort: Int32 = -1
    var load = WorkerLoad()

    /// What the worker says itself; nil when the endpoint is not listed.
    var reportedHealth: MemberHealth? {
        switch standing {
        case .serving: .serving
        case .notServing: .notServing
        case .draining: .draining
        case .withdrawn: nil
        }
    }

    /// Gives the lease its full length from `now` on.
    mutating func renew(now: MonotonicInstant) {
        if deadline < now { unsettledUntil = now.advanced(byNanoseconds: durationNanoseconds) }
        heardAt = max(heardAt, now)
        // Two shells may read the clock in one order and get here in the other: a deadline never moves back.
        deadline = max(deadline, now.advanced(byNanoseconds: durationNanoseconds))
    }

    /// How long the worker has given no sign.
    func silence(now: MonotonicInstant) -> Int64 { now.nanoseconds - heardAt.nanoseconds }

    /// A worker sends a heartbeat in every third of its lease, so half of it without one is not the
    /// network's jitter any more.
    func isSilent(now: MonotonicInstant) -> Bool { silence(now: now) > durationNanoseconds / 2 }
}

/// What others than the worker itself have found of it.
struct FoundHealth: Hashable, BitwiseCopyable, Sendable {
    var probe = ProbeState()
    var sidecars = SidecarViews.Count()
    var isEjected = false

    /// The verdict over all sources: who says of itself that it can't serve is believed, and who
    /// says that it can is believed only as long as nobody has found otherwise.
    func verdict(over reported: MemberHealth) -> MemberHealth {
        switch reported {
        case .draining, .notServing: reported
        case .serving: probe.verdict == .failing || isEjected ? .notServing : .serving
        }
    }
}

/// The registrations by slot, with the indexes over them kept in step.
///
/// A slot is valid from `insert` until `remove`; then it is used again.
struct MemberTable: Sendable {
    private(set) var bySlot: [Registration?] = []
    private(set) var leases: [LeaseState] = []
    private(set) var found: [FoundHealth] = []
    private var free: [Int] = []
    private var byWorker: [WorkerID: Int] = [:]
    private var byAddress: [EndpointAddress: Int] = [:]
    private var byStream: [StreamID: Int] = [:]
    private var byService: [ServiceName: Set<Int>] = [:]
    private var deadlines = DeadlineQueue()

    var count: Int { byWorker.count }

    func slot(of worker: WorkerID) -> Int? { byWorker[worker] }

    func slot(of stream: StreamID) -> Int? { byStream[stream] }

    func slot(at address: EndpointAddress) -> Int? { byAddress[address] }

    /// In no particular order.
    var slots: some Collection<Int> { byWorker.values }

    /// In no particular order.
    func slots(of service: ServiceName) -> Set<Int> { byService[service] ?? [] }

    func registration(_ slot: Int) -> Registration {
        guard let registration = bySlot[slot] else {
            preconditionFailure("slot \(slot) is not in use")
        }
        return registration
    }

    /// The endpoint of a slot, if it is listed.
    func endpoint(_ slot: Int) -> MemberEndpoint? {
        leases[slot].reportedHealth.map {
            MemberEndpoint(registration(slot), health: found[slot].verdict(over: $0))
        }
    }

    /// What the store should hold of a slot; nothing once the endpoint is out for good.
    func stored(_ slot: Int) -> StoredRegistration? {
        let lease = leases[slot]
        return lease.reportedHealth.map {
            StoredRegistration(registration: registration(slot), epoch: lease.epoch, health: $0)
        }
    }

    /// Neither the worker nor the address nor the stream may be in use.
    mutating func insert(_ registration: Registration, _ lease: LeaseState) {
        let slot: Int
        if let reused = free.popLast() {
            slot = reused
            bySlot[slot] = registration
            leases[slot] = lease
            found[slot] = FoundHealth()
        } else {
            slot = bySlot.count
            bySlot.append(registration)
            leases.append(lease)
            found.append(FoundHealth())
        }
        let displaced = byWorker.updateValue(slot, forKey: registration.workerID)
        let neighbour = byAddress.updateValue(slot, forKey: registration.address)
        precondition(
            displaced == nil && neighbour == nil,
            "\(registration.workerID) is in the table already"
        )
        if let stream = lease.stream { byStream[stream] = slot }
        byService[registration.service, default: []].insert(slot)
        deadlines.set(slot, to: lease.deadline)
    }

    mutating func remove(_ slot: Int) {
        let registration = registration(slot)
        byWorker[registration.workerID] = nil
        byAddress[registration.address] = nil
        if let stream = leases[slot].stream { byStream[stream] = nil }
        byService[registration.service]?.remove(slot)
        // The names of services come from the mesh, so keeping empty sets would be bounded, but never ends.
        if byService[registration.service]?.isEmpty == true {
            byService[registration.service] = nil
        }
        if !leases[slot].isHeld { deadlines.remove(slot) }
        leases[slot].cohort = -1
        bySlot[slot] = nil
        free.append(slot)
    }

    mutating func update(_ slot: Int, _ change: (inout LeaseState) -> Void) {
        change(&leases[slot])
    }

    mutating func updateFound(_ slot: Int, _ change: (inout FoundHealth) -> Void) {
        change(&found[slot])
    }

    /// The stream is gone, and the registration stays.
    mutating func loseStream(_ slot: Int) {
        if let stream = leases[slot].stream { byStream[stream] = nil }
        leases[slot].stream = nil
    }

    /// The lease has run out and stays; only a renewal or a release gives it a deadline again.
    mutating func hold(_ slot: Int) {
        deadlines.remove(slot)
        leases[slot].isHeld = true
    }

    /// The lease counts again.
    mutating func release(_ slot: Int) {
        leases[slot].isHeld = false
        deadlines.set(slot, to: leases[slot].deadline)
    }

    /// Not later than the earliest deadline; earlier than it after renewals, which leave the queue alone.
    var earliestDeadline: MonotonicInstant? { deadlines.first?.deadline }

    /// A slot whose lease has run out, the one that ran out first.
    ///
    /// Renewals do not touch the queue, which keeps them O(1): a slot comes up at the deadline that it had when it
    /// was last looked at, and is put back at the one that it has now.
    mutating func nextLapsed(now: MonotonicInstant) -> Int? {
        while let (slot, deadline) = deadlines.first, deadline <= now {
            guard leases[slot].deadline > now else { return slot }
            deadlines.set(slot, to: leases[slot].deadline)
        }
        return nil
    }
}
