package import Primitives

/// Something that operators should hear of.
package enum MembershipEvent: Hashable, Sendable {
    /// Nothing was looked at for so long; every lease has begun again.
    case wasStopped(Duration)
    /// Too many leases of a region ran out together: a service's endpoints there are held.
    case holding(RegionName, ServiceName, lost: Int, of: Int)
    /// They no longer are.
    case released(RegionName, ServiceName, Release)

    package enum Release: Hashable, Sendable {
        /// Enough workers are heard again. The others have one more lease to return.
        case renewals
        /// An operator said that the silent ones are dead.
        case confirmed
    }
}

/// How registrations end that nobody ends on purpose.
extension MembershipMachine {
    // MARK: The end of a stream

    /// How a registration stream ended.
    package enum StreamEndCause: Hashable, Sendable {
        /// Its worker ended it, on a connection that lives.
        case closed
        /// The connection broke: what happens when a process dies.
        case connectionLost
        /// We gave the connection up, because of silence or of a rule.
        case givenUp
    }

    /// A registration stream is over, and the worker may be gone with it.
    ///
    /// - A worker that ends its stream while its lease runs wants to go: the endpoint goes at once. After its lease it
    ///   has merely given up this stream, as it was stopped itself or cut off, and is on its way back.
    /// - A broken connection is proof of a death: the endpoint goes at once, also while its region is held.
    /// - A stream that we gave up proves nothing.
    /// - Nothing is proved either after we were stopped, or did not hear the worker for longer than its lease: workers
    ///   then end streams and connections because *we* did not answer.
    ///
    /// Where nothing is proved the lease decides, and the endpoint stays for the worker's new registration.
    ///
    /// Nothing follows for a stream that holds no registration: it was fenced, refused or told that it may stop.
    /// The shell doesn't report streams that it ends itself because the control plane stops; their workers go on.
    package mutating func streamEnded(
        _ stream: StreamID,
        _ cause: StreamEndCause,
        now: MonotonicInstant
    ) -> [Instruction] {
        noticeOwnSilence(now: now)
        guard let slot = table.slot(of: stream) else { return [] }
        let lease = table.leases[slot]
        let isProof =
            switch cause {
            case .closed: lease.deadline > now
            case .connectionLost: true
            case .givenUp: false
            }
        if lease.reportedHealth != nil, !isProof || now < lease.unsettledUntil {
            table.loseStream(slot)
            return []
        }
        let end = end(slot, .leaseExpired)
        return end.store + end.withdrawn.map { .withdraw($0) }
    }

    // MARK: Time

    /// What a look at the clock has led to.
    package struct OnTick: Equatable, Sendable {
        package var instructions: [Instruction] = []
        package var events: [MembershipEvent] = []
    }

    /// Time has passed: call it at `nextDeadline`, and at least twice in every `maximumTickGap`.
    ///
    /// A longer gap means that this process was stopped. Heartbeats wait in its socket buffers then, and whether a
    /// worker is alive can't be known before they are read.
    package mutating func ticked(now: MonotonicInstant) -> OnTick {
        noticeOwnSilence(now: now)
        lastTick = now
        endHolds(now: now)
        let instructions = expire(now: now)
        defer { events = [] }
        return OnTick(instructions: instructions, events: events)
    }

    /// Gives each lease its full length if the last tick is too long ago.
    ///
    /// Everything that could end a registration comes by here first: after a stop, a stream's end may be read before
    /// the timer fires.
    mutating func noticeOwnSilence(now: MonotonicInstant) {
        guard let last = lastTick else { return }
        let gap = last.duration(to: now)
        guard gap > limits.maximumTickGap else { return }
        lastTick = now
        events.append(.wasStopped(gap))
        for slot in table.slots {
            table.update(slot) { lease in
                let begun = now.advanced(byNanoseconds: lease.durationNanoseconds)
                lease.deadline = max(lease.deadline, begun)
                lease.unsettledUntil = max(lease.unsettledUntil, begun)
            }
        }
    }

    /// When `ticked` should be called next; nil while no lease can run out.
    ///
    /// Rounded up to the granularity, so that one wake-up serves many leases. Renewals may have moved the leases on
    /// since: then nothing follows, and the next deadline is a later one.
    package var nextDeadline: MonotonicInstant? {
        guard let deadline = table.earliestDeadline else { return nil }
        let step = max(1, limits.expiryGranularity.wholeNanoseconds)
        let remainder = deadline.nanoseconds % step
        return remainder == 0 ? deadline : deadline.advanced(byNanoseconds: step - remainder)
    }

    // MARK: Leases that run out

    /// Ends or holds the leases that have run out, the earliest first.
    package mutating func expire(now: MonotonicInstant) -> [Instruction] {
        var store: [Instruction] = []
        var configuration: [Instruction] = []
        var fences: [Instruction] = []
        var counted: [CensusKey: MassExpiryGuard.Census] = [:]
        while let slot = table.nextLapsed(now: now) {
            if isHeldBack(slot, &counted, now: now) {
                table.hold(slot)
                continue
            }
            let end = end(slot, .leaseExpired)
            store += end.store
            configuration += end.withdrawn.map { .withdraw($0) }
            fences += end.fences
        }
        return store + configuration + fences
    }

    /// What a region's leases say of a lease is the same for all of one length at one moment: one that is let go turns
    /// from a silent lease into a lapse.
    private struct CensusKey: Hashable {
        let region: RegionName
        let lease: Int64
    }

    /// Judges a lease that has run out; see `MassExpiryGuard`.
    private mutating func isHeldBack(
        _ slot: Int,
        _ counted: inout [CensusKey: MassExpiryGuard.Census],
        now: MonotonicInstant
    ) -> Bool {
        let lease = table.leases[slot]
        // The endpoint of a withdrawn one is out already.
        guard lease.reportedHealth != nil, !massExpiry.isConfirmed(lease) else { return false }
        let number = Int(lease.cohort)
        let cohort = massExpiry.cohorts[number]
        if cohort.isHolding { return true }
        let key = CensusKey(region: cohort.region, lease: lease.durationNanoseconds)
        let census = counted[key] ?? censusWithLapses(key, now: now)
        counted[key] = census
        guard rule(of: cohort.service).isExceeded(by: census.lost, of: census.total) else {
            massExpiry.believed(number, now: now)
            return false
        }
        massExpiry.beginsHolding(number, lease: lease.durationNanoseconds)
        events.append(
            .holding(cohort.region, cohort.service, lost: census.lost, of: census.total)
        )
        return true
    }

    private func censusWithLapses(
        _ key: CensusKey,
        now: MonotonicInstant
    ) -> MassExpiryGuard.Census {
        var census = massExpiry.census(
            of: key.region,
            lease: key.lease,
            in: table.leases,
            now: now
        )
        census.lost += massExpiry.lapses(in: key.region, within: key.lease, now: now)
        return census
    }

    func rule(of service: ServiceName) -> MassExpiryRule {
        rules.directory.massExpiry[service] ?? limits.massExpiry
    }

    // MARK: The end of a hold

    /// Ends the holds of regions in which few enough are silent; who still is has one more lease to return.
    private mutating func endHolds(now: MonotonicInstant) {
        for number in massExpiry.cohorts.indices {
            let cohort = massExpiry.cohorts[number]
            guard let lease = cohort.heldLease else { continue }
            let census = massExpiry.census(
                of: cohort.region,
                lease: lease,
                in: table.leases,
                now: now
            )
            guard !rule(of: cohort.service).isExceeded(by: census.lost, of: census.total) else {
                continue
            }
            massExpiry.endsHolding(number)
            events.append(.released(cohort.region, cohort.service, .renewals))
            for slot in held(in: number) {
                table.update(slot) {
                    $0.deadline = now.advanced(byNanoseconds: $0.durationNanoseconds)
                }
                table.release(slot)
            }
        }
    }

    /// What follows an operator's word.
    package enum OnExpiryConfirmed: Equatable, Sendable {
        /// Do the instructions; these workers' registrations have ended.
        case ended([WorkerID], [Instruction])
        /// Nothing is held there.
        case ignoreNothingHeld
    }

    /// An operator says that the held workers of a region are dead, of one service or of all.
    ///
    /// Those that are silent by now and whose leases have still to run out are not held any more either. Who has come
    /// back since the operator looked is not held and stays.
    package mutating func expiryConfirmed(
        in region: RegionName,
        of service: ServiceName?,
        now: MonotonicInstant
    ) -> OnExpiryConfirmed {
        let numbers = massExpiry.numbers(in: region, of: service).filter {
            massExpiry.cohorts[$0].isHolding
        }
        guard !numbers.isEmpty else { return .ignoreNothingHeld }
        var workers: [WorkerID] = []
        var store: [Instruction] = []
        var configuration: [Instruction] = []
        var fences: [Instruction] = []
        for number in numbers {
            let slots = held(in: number)
            massExpiry.confirmed(number, now: now)
            events.append(
                .released(region, massExpiry.cohorts[number].service, .confirmed)
            )
            for slot in slots {
                workers.append(table.registration(slot).workerID)
                let end = end(slot, .leaseExpired)
                store += end.store
                configuration += end.withdrawn.map { .withdraw($0) }
                fences += end.fences
            }
        }
        return .ended(workers.sorted(), store + configuration + fences)
    }

    /// In the order of the workers' names, so that what follows does not depend on the table's.
    private func held(in number: Int) -> [Int] {
        table.slots.filter { table.leases[$0].isHeld && Int(table.leases[$0].cohort) == number }
            .sorted { table.registration($0).workerID < table.registration($1).workerID }
    }
}
