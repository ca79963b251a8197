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
    /// Nil for a restored registration whose worker has not been heard of yet.
    let stream: StreamID?
    let durationNanoseconds: Int64
    var deadline: MonotonicInstant
    var standing: Standing
    var load = WorkerLoad()

    /// What proxies are told; nil when the endpoint is not listed.
    var listedHealth: MemberHealth? {
        switch standing {
        case .serving: .serving
        case .notServing: .notServing
        case .draining: .draining
        case .withdrawn: nil
        }
    }

    /// Gives the lease its full length from `now` on.
    mutating func renew(now: MonotonicInstant) {
        // Two shells may read the clock in one order and get here in the other: a deadline never moves back.
        deadline = max(deadline, now.advanced(byNanoseconds: durationNanoseconds))
    }
}

/// The registrations by slot, with the indexes over them kept in step.
///
/// A slot is valid from `insert` until `remove`; then it is used again.
struct MemberTable: Sendable {
    private(set) var bySlot: [Registration?] = []
    private(set) var leases: [LeaseState] = []
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
        leases[slot].listedHealth.map { MemberEndpoint(registration(slot), health: $0) }
    }

    /// What the store should hold of a slot; nothing once the endpoint is out for good.
    func stored(_ slot: Int) -> StoredRegistration? {
        let lease = leases[slot]
        return lease.listedHealth.map {
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
        } else {
            slot = bySlot.count
            bySlot.append(registration)
            leases.append(lease)
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
        deadlines.remove(slot)
        bySlot[slot] = nil
        free.append(slot)
    }

    mutating func update(_ slot: Int, _ change: (inout LeaseState) -> Void) {
        change(&leases[slot])
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
