package import Primitives

/// Who is registered, until when, and with which fencing epoch.
///
/// Events in, instructions out; the shell owns the streams, the store and the timer. What always holds:
/// - A worker has at most one live epoch, and epochs only grow, also over restarts.
/// - An address has at most one live endpoint. The worker that registered there last has it: a TCP port has one
///   listener, so the newer claim is the true one, and the older process is gone or about to learn that it is.
/// - A stream whose registration ended can't bring the endpoint back. Only a new registration can.
/// - A lease ends when `expire` ends it. A heartbeat that arrives late, but first, renews: nothing has been withdrawn
///   and nobody else has taken the place, and a control plane that was stopped for a while must not punish workers
///   whose heartbeats waited in its socket buffers.
package struct MembershipMachine: ~Copyable, Sendable {
    private let limits: MembershipLimits
    private var rules: RegistrationRules
    private(set) var table = MemberTable()
    /// The largest epoch that was ever granted, here or before the restart.
    ///
    /// The shell stores it with each `save`,
    /// because the registration that carries it may be forgotten before the restart.
    package private(set) var highestEpoch = Epoch.none

    package init(directory: MeshDirectory, limits: MembershipLimits) {
        self.limits = limits
        self.rules = RegistrationRules(directory: directory, limits: limits)
    }

    // MARK: The life of the control plane

    /// Regions or services of the mesh changed.
    ///
    /// This decides about registrations to come. The present ones stay: a slip in a mesh file must not take
    /// endpoints out, and routing sends nothing to a region that it doesn't know.
    package mutating func directoryChanged(to directory: MeshDirectory) {
        rules.directory = directory
    }

    /// The store was read after a restart.
    ///
    /// Registrations come back without a stream and with the grace on top of their leases, so that no endpoint
    /// disappears because the control plane was away; their workers return with new registrations or the leases lapse.
    /// The newest epochs win where the store holds more than the limit or two claims to one worker or address.
    /// The instructions publish what came back and forget what did not.
    package mutating func restored(
        _ stored: [StoredRegistration],
        highestEpoch: Epoch,
        now: MonotonicInstant
    ) -> [Instruction] {
        precondition(table.count == 0, "a machine is restored before its first registration")
        self.highestEpoch = highestEpoch
        var dropped: [Instruction] = []
        var published: [Instruction] = []
        for item in stored.sorted(by: Self.isNewer) {
            let registration = item.registration
            self.highestEpoch = max(self.highestEpoch, item.epoch)
            // A second row of one worker is under the same key as the first: forgetting it would hit both.
            guard table.slot(of: registration.workerID) == nil else { continue }
            guard table.slot(at: registration.address) == nil,
                table.count < limits.maximumRegistrations
            else {
                dropped.append(.forget(registration.workerID, item.epoch))
                continue
            }
            let lease = registration.lease + limits.restoreGrace
            table.insert(
                registration,
                LeaseState(
                    epoch: item.epoch,
                    stream: nil,
                    durationNanoseconds: registration.lease.wholeNanoseconds,
                    deadline: now.advanced(by: lease),
                    standing: Self.standing(item.health)
                )
            )
            published.append(.publish(MemberEndpoint(registration, health: item.health)))
        }
        return dropped + published
    }

    // MARK: Registering

    /// What follows a registration.
    package enum OnRegister: Equatable, Sendable {
        /// Do the instructions, then send the lease to the worker.
        case granted(Grant)
        /// End the stream with the refusal.
        case refused(Refusal)
    }

    /// The lease that a worker is given.
    package struct Grant: Hashable, Sendable {
        package let epoch: Epoch
        package let lease: Duration
        /// A third of the lease: two heartbeats may be lost before it ends.
        package let heartbeatInterval: Duration
        package let instructions: [Instruction]
    }

    /// The first message of a stream arrived.
    ///
    /// An older registration of the same worker is superseded, wherever its stream is; so is another worker's at the
    /// same address. An endpoint that looks the same as before is not published again.
    package mutating func register(
        _ request: RegistrationRequest,
        stream: StreamID,
        now: MonotonicInstant
    ) -> OnRegister {
        guard table.slot(of: stream) == nil else {
            return .refused(Refusal("registration", "this stream has registered already"))
        }
        let registration: Registration
        do {
            registration = try rules.checked(request)
        } catch {
            return .refused(error)
        }
        let predecessor = table.slot(of: registration.workerID)
        let neighbour = table.slot(at: registration.address).flatMap {
            $0 == predecessor ? nil : $0
        }
        guard predecessor != nil || neighbour != nil || table.count < limits.maximumRegistrations
        else {
            let reason =
                "the control plane holds its limit of \(limits.maximumRegistrations) workers"
            return .refused(Refusal("registration", reason, kind: .exhausted))
        }
        highestEpoch = highestEpoch.next
        return .granted(
            Grant(
                epoch: highestEpoch,
                lease: registration.lease,
                heartbeatInterval: registration.lease / 3,
                instructions: replace(
                    predecessor,
                    neighbour,
                    by: registration,
                    stream: stream,
                    now: now
                )
            )
        )
    }

    private mutating func replace(
        _ predecessor: Int?,
        _ neighbour: Int?,
        by registration: Registration,
        stream: StreamID,
        now: MonotonicInstant
    ) -> [Instruction] {
        let stored = StoredRegistration(
            registration: registration,
            epoch: highestEpoch,
            health: .serving
        )
        let endpoint = MemberEndpoint(registration, health: .serving)
        var store: [Instruction] = []
        var configuration: [Instruction] = []
        var fences: [Instruction] = []
        var isUnchanged = false
        if let neighbour {
            let end = end(neighbour, .addressTaken(by: registration.workerID))
            store += end.store
            configuration += end.withdrawn.map { .withdraw($0) }
            fences += end.fences
        }
        if let predecessor {
            // `save` goes over the row of the predecessor, so there is nothing to forget.
            let end = end(predecessor, .superseded(by: highestEpoch))
            isUnchanged = end.withdrawn.first == endpoint
            // `publish` replaces what is known under the same service and worker.
            let moved = end.withdrawn.filter { $0.service != registration.service }
            configuration += moved.map { .withdraw($0) }
            fences += end.fences
        }
        store.append(.save(stored))
        if !isUnchanged { configuration.append(.publish(endpoint)) }
        let duration = registration.lease.wholeNanoseconds
        table.insert(
            registration,
            LeaseState(
                epoch: highestEpoch,
                stream: stream,
                durationNanoseconds: duration,
                deadline: now.advanced(byNanoseconds: duration),
                standing: .serving
            )
        )
        return store + configuration + fences
    }

    // MARK: Heartbeats

    /// What follows a heartbeat.
    package enum OnHeartbeat: Equatable, Sendable {
        /// Confirm it to the worker.
        case renewed
        /// Confirm it to the worker, and do the instructions: its health changed.
        case renewedWithChange([Instruction])
        /// The epoch was granted, but not to what this stream holds now. End the stream: its worker was replaced, or
        /// was silent for longer than its lease.
        case fenced
        /// Nobody was ever granted this epoch. End the stream as one of a peer that doesn't follow the protocol.
        case unknown
    }

    /// A worker said that it lives.
    ///
    /// The hot path: nothing here allocates unless the health changed.
    ///
    /// `isServing` is nil when the heartbeat says nothing of the health.
    package mutating func heartbeat(
        stream: StreamID,
        epoch: Epoch,
        load: WorkerLoad,
        isServing: Bool?,
        now: MonotonicInstant
    ) -> OnHeartbeat {
        guard let slot = table.slot(of: stream), table.leases[slot].epoch == epoch else {
            return wasGranted(epoch) ? .fenced : .unknown
        }
        var changed = false
        table.update(slot) { lease in
            lease.renew(now: now)
            lease.load = load
            switch (lease.standing, isServing) {
            case (.serving, false):
                lease.standing = .notServing
                changed = true
            case (.notServing, true):
                lease.standing = .serving
                changed = true
            case (.serving, _), (.notServing, _):
                break
            case (.draining, _), (.withdrawn, _):
                // A worker that asked to stop may still report its health; there is no way back from a drain.
                break
            }
        }
        return changed ? .renewedWithChange(announcement(of: slot)) : .renewed
    }

    // MARK: Draining

    /// What follows a worker's wish to stop.
    package enum OnDrainRequest: Equatable, Sendable {
        /// Do the instructions; when the proxies have the endpoint as draining, or can't be waited for any longer,
        /// call `drainAnnounced`.
        case announce(WorkerID, [Instruction])
        /// It asked before; the drain goes on.
        case ignoreRepeated
        /// As for a heartbeat.
        case fenced
        /// As for a heartbeat.
        case unknown
    }

    /// A worker wants to stop.
    ///
    /// Heartbeats go on until its stream ends.
    package mutating func drainRequested(
        stream: StreamID,
        epoch: Epoch,
        now: MonotonicInstant
    ) -> OnDrainRequest {
        guard let slot = table.slot(of: stream), table.leases[slot].epoch == epoch else {
            return wasGranted(epoch) ? .fenced : .unknown
        }
        table.update(slot) { $0.renew(now: now) }
        switch table.leases[slot].standing {
        case .serving, .notServing:
            table.update(slot) { $0.standing = .draining }
            return .announce(table.registration(slot).workerID, announcement(of: slot))
        case .draining, .withdrawn:
            return .ignoreRepeated
        }
    }

    /// What follows the news that proxies know of a drain.
    package enum OnDrainAnnounced: Equatable, Sendable {
        /// Do the instructions; when the proxies are without the endpoint, or can't be waited for any longer, call
        /// `withdrawalConfirmed`.
        case withdraw([Instruction])
        /// The worker is gone or has registered again since, or this was said before.
        case ignoreStale
    }

    /// The proxies have the endpoint as draining.
    package mutating func drainAnnounced(worker: WorkerID, epoch: Epoch) -> OnDrainAnnounced {
        guard let slot = table.slot(of: worker), table.leases[slot].epoch == epoch,
            table.leases[slot].standing == .draining, let endpoint = table.endpoint(slot)
        else { return .ignoreStale }
        // The store forgets it now: a control plane that restarts here must not list the endpoint again.
        let instructions: [Instruction] = [.forget(worker, epoch), .withdraw(endpoint)]
        if table.leases[slot].stream == nil {
            table.remove(slot)
        } else {
            table.update(slot) { $0.standing = .withdrawn }
        }
        return .withdraw(instructions)
    }

    /// What follows the news that proxies are without an endpoint.
    package enum OnWithdrawalConfirmed: Equatable, Sendable {
        /// Tell the worker on this stream that it may stop.
        case mayStop(StreamID)
        /// The worker is gone or has registered again since.
        case ignoreStale
    }

    /// The proxies are without the endpoint.
    ///
    /// The registration ends with this; the stream is the worker's to end.
    package mutating func withdrawalConfirmed(
        worker: WorkerID,
        epoch: Epoch
    ) -> OnWithdrawalConfirmed {
        guard let slot = table.slot(of: worker), table.leases[slot].epoch == epoch,
            table.leases[slot].standing == .withdrawn, let stream = table.leases[slot].stream
        else { return .ignoreStale }
        table.remove(slot)
        return .mayStop(stream)
    }

    // MARK: Ends

    /// A worker ended its stream, or its connection broke: the endpoint goes at once.
    ///
    /// Nothing follows for a stream that holds no registration: it was fenced, refused or told that it may stop.
    /// The shell doesn't report streams that it ends itself because the control plane stops; their workers go on.
    package mutating func streamEnded(_ stream: StreamID) -> [Instruction] {
        guard let slot = table.slot(of: stream) else { return [] }
        let end = end(slot, .leaseExpired)
        return end.store + end.withdrawn.map { .withdraw($0) }
    }

    /// When `expire` should be called next; nil while nobody is registered.
    ///
    /// Rounded up to the granularity, so that one wake-up serves many leases. Renewals may have moved the leases on
    /// since: then `expire` returns nothing, and the next deadline is a later one.
    package var nextDeadline: MonotonicInstant? {
        guard let deadline = table.earliestDeadline else { return nil }
        let step = max(1, limits.expiryGranularity.wholeNanoseconds)
        let remainder = deadline.nanoseconds % step
        return remainder == 0 ? deadline : deadline.advanced(byNanoseconds: step - remainder)
    }

    /// Ends the leases that have run out, the earliest first.
    package mutating func expire(now: MonotonicInstant) -> [Instruction] {
        var store: [Instruction] = []
        var configuration: [Instruction] = []
        var fences: [Instruction] = []
        while let slot = table.nextLapsed(now: now) {
            let end = end(slot, .leaseExpired)
            store += end.store
            configuration += end.withdrawn.map { .withdraw($0) }
            fences += end.fences
        }
        return store + configuration + fences
    }

    // MARK: Shared steps

    private struct End {
        var store: [Instruction] = []
        var withdrawn: [MemberEndpoint] = []
        var fences: [Instruction] = []
    }

    /// Removes a registration and says what has to follow from it.
    private mutating func end(_ slot: Int, _ reason: Fence.Reason) -> End {
        let lease = table.leases[slot]
        let workerID = table.registration(slot).workerID
        var end = End()
        if let endpoint = table.endpoint(slot) {
            end.store = [.forget(workerID, lease.epoch)]
            end.withdrawn = [endpoint]
        }
        if let stream = lease.stream {
            end.fences = [
                .fence(stream, Fence(workerID: workerID, epoch: lease.epoch, reason: reason))
            ]
        }
        table.remove(slot)
        return end
    }

    private func announcement(of slot: Int) -> [Instruction] {
        guard let stored = table.stored(slot), let endpoint = table.endpoint(slot) else {
            return []
        }
        return [.save(stored), .publish(endpoint)]
    }

    private func wasGranted(_ epoch: Epoch) -> Bool {
        epoch > .none && epoch <= highestEpoch
    }

    private static func isNewer(_ lhs: StoredRegistration, _ rhs: StoredRegistration) -> Bool {
        (rhs.epoch, lhs.registration.workerID) < (lhs.epoch, rhs.registration.workerID)
    }

    private static func standing(_ health: MemberHealth) -> LeaseState.Standing {
        switch health {
        case .serving: .serving
        case .notServing: .notServing
        case .draining: .draining
        }
    }
}
