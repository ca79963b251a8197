package import Primitives

extension MembershipMachine {
    /// Workers that hold a registration.
    package var count: Int { table.count }

    /// The listed endpoints of a service, ordered by worker.
    package func endpoints(of service: ServiceName) -> [MemberEndpoint] {
        table.slots(of: service).compactMap(table.endpoint).sorted { $0.workerID < $1.workerID }
    }

    /// All registrations, ordered by worker.
    package func workers(now: MonotonicInstant) -> [MemberStatus] {
        table.slots.map { slot in
            let lease = table.leases[slot]
            let found = table.found[slot]
            let reported = lease.reportedHealth ?? .draining
            return MemberStatus(
                registration: table.registration(slot),
                epoch: lease.epoch,
                health: found.verdict(over: reported),
                reported: reported,
                probe: found.probe,
                sidecars: found.sidecars,
                isHeld: lease.isHeld,
                isWithdrawn: lease.reportedHealth == nil,
                isAwaitingReturn: lease.stream == nil,
                load: lease.load,
                leaseRemaining: max(.zero, now.duration(to: lease.deadline))
            )
        }
        .sorted { $0.registration.workerID < $1.registration.workerID }
    }

    /// Leases that have run out and are held.
    package var heldCount: Int { table.slots.count { table.leases[$0].isHeld } }
}
