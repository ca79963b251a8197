package import Primitives

/// Who is registered, until when, and with which fencing epoch.
///
/// Events in, instructions out; the shell owns the streams, the store and the timer. What always holds:
/// - A worker has at most one live epoch, and epochs only grow, also over restarts.
/// - An address has at most one live endpoint. A worker that speaks keeps it against another one's claim. One that has
///   been silent for half its lease, or has lost its stream, makes way: a TCP port has one listener, so by then the
///   newer claim is the true one.
/// - A stream whose registration ended can't bring the endpoint back. Only a new registration can.
/// - A lease ends when `expire` ends it. A heartbeat that arrives late, but first, renews: nothing has been withdrawn
///   and nobody else has taken the place, and a control plane that was stopped for a while must not punish workers
///   whose heartbeats waited in its socket buffers.
/// - Leases that run out together are not believed at once (`MassExpiryGuard`).
package struct MembershipMachine: ~Copyable, Sendable {
    let limits: MembershipLimits
    private(set) var rules: RegistrationRules
    // The setters of these are for the files beside this one.
    var table = MemberTable()
    var massExpiry = MassExpiryGuard()
    var lastTick: MonotonicInstant?
    var events: [MembershipEvent] = []
    private var registrationRate: RegistrationRate<WorkerID>
    /// The largest epoch that was ever granted, here or before the restart.
    ///
    /// The shell stores it with each `save`,
    /// because the registration that carries it may be forgotten before the restart.
    package private(set) var highestEpoch = Epoch.none

    package init(directory: MeshDirectory, limits: MembershipLimits) {
        self.limits = limits
        self.rules = RegistrationRules(directory: directory, limits: limits)
        self.registrationRate = RegistrationRate(
            limits.registrationsOfWorker,
            maximumKeys: limits.maximumTrackedRates
        )
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
            insert(
                registration,
                stream: nil,
                epoch: item.epoch,
                deadline: now.advanced(by: lease),
                standing: Self.standing(item.health),
                now: now
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
    /// An older registration of the same worker is superseded, wherever its stream is. Another worker's at the same
    /// address is too, if nothing has been heard of that one for half of its lease; else the claim is refused.
    /// An endpoint that looks the same as before is not published again.
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
        noticeOwnSilence(now: now)
        if let refusal = refusal(of: registration, neighbour: neighbour, now: now) {
            return .refused(refusal)
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

    /// Who claims what a live worker has, or claims too often.
    private mutating func refusal(
        of registration: Registration,
        neighbour: Int?,
        now: MonotonicInstant
    ) -> Refusal? {
        let worker = registration.workerID
        guard registrationRate.allows(worker, now: now) else {
            let reason =
                "\(worker) registers too often, expected at most \(limits.registrationsOfWorker)"
            return Refusal("registration.worker_id", reason, kind: .exhausted)
        }
        guard let neighbour else { return nil }
        let lease = table.leases[neighbour]
        switch lease.standing {
        case .withdrawn: return nil
        case .serving, .notServing, .draining: break
        }
        guard lease.stream != nil, !lease.isSilent(now: now) else { return nil }
        let holder = table.registration(neighbour).workerID
        let reason = "\(registration.address) belongs to \(holder), whose lease is live"
        return Refusal("registration.address", reason, kind: .taken)
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
        insert(
            registration,
            stream: stream,
            epoch: highestEpoch,
            deadline: now.advanced(byNanoseconds: duration),
            standing: .serving,
            now: now
        )
        return store + configuration + fences
    }

    private mutating func insert(
        _ registration: Registration,
        stream: StreamID?,
        epoch: Epoch,
        deadline: MonotonicInstant,
        standing: LeaseState.Standing,
        now: MonotonicInstant
    ) {
        let lease = LeaseState(
            epoch: epoch,
            stream: stream,
            durationNanoseconds: registration.lease.wholeNanoseconds,
            heardAt: now,
            deadline: deadline,
            standing: standing,
            cohort: Int32(massExpiry.joined(registration, now: now))
        )
        table.insert(registration, lease)
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
        var wasHeld = false
        table.update(slot) { lease in
            wasHeld = lease.isHeld
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
        if wasHeld { table.release(slot) }
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
        if table.leases[slot].isHeld { table.release(slot) }
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
            remove(slot)
        } else {
            if table.leases[slot].isHeld { table.release(slot) }
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
        remove(slot)
        return .mayStop(stream)
    }

    // MARK: Shared steps

    struct End {
        var store: [Instruction] = []
        var withdrawn: [MemberEndpoint] = []
        var fences: [Instruction] = []
    }

    /// Removes a registration and says what has to follow from it.
    mutating func end(_ slot: Int, _ reason: Fence.Reason) -> End {
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
        remove(slot)
        return end
    }

    mutating func remove(_ slot: Int) {
        massExpiry.left(Int(table.leases[slot].cohort))
        table.remove(slot)
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
