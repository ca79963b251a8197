package import Primitives

/// What others than the worker itself find of its health.
///
/// Found health is not stored: after a restart it is found again, and until then the worker's own
/// word counts.
extension MembershipMachine {
    /// The control plane asked a worker for its health, and this came of it.
    ///
    /// Failing probes take a worker out of use, but not many of a region together: what the mass
    /// expiry rule doesn't believe of leases is not believed of probes either.
    package mutating func probed(_ worker: WorkerID, epoch: Epoch, isServing: Bool) -> [Instruction]
    {
        guard let slot = table.slot(of: worker), table.leases[slot].epoch == epoch else {
            return []
        }
        let service = table.registration(slot).service
        guard let policy = rules.directory.probes[service] else { return [] }
        guard !isServing else { return found(slot) { $0.probe.answered(policy) } }
        var isDue = false
        table.updateFound(slot) { isDue = $0.probe.failed(policy) }
        guard isDue else { return [] }
        let verdict: ProbeState.Verdict = mayFail(slot, service) ? .failing : .doubted
        return found(slot) { $0.probe.judge(verdict) }
    }

    /// Services' probes were turned off: what they had found counts no more.
    package mutating func probesEnded() -> [Instruction] {
        table.slots.sorted().flatMap { slot in
            let service = table.registration(slot).service
            guard rules.directory.probes[service] == nil else { return [Instruction]() }
            return found(slot) { $0.probe = ProbeState() }
        }
    }

    /// So many of the sidecars that see an endpoint have ejected it; see `SidecarViews`.
    package mutating func sidecarVerdict(
        _ endpoint: EndpointAddress,
        _ count: SidecarViews.Count
    ) -> [Instruction] {
        guard let slot = table.slot(at: endpoint) else { return [] }
        let isEjected = count.reaches(limits.ejectionQuorum)
        return found(slot) { found in
            found.sidecars = count
            found.isEjected = isEjected
        }
    }

    private mutating func found(_ slot: Int, _ change: (inout FoundHealth) -> Void) -> [Instruction]
    {
        let before = table.endpoint(slot)
        table.updateFound(slot, change)
        let after = table.endpoint(slot)
        guard before != after, let after else { return [] }
        return [.publish(after)]
    }

    /// False when this worker's failure would be one too many in its region.
    ///
    /// Who failed the last time counts, not only who is found failing: when the first one has failed
    /// often enough, the others are on their way.
    private func mayFail(_ slot: Int, _ service: ServiceName) -> Bool {
        let region = massExpiry.cohorts[Int(table.leases[slot].cohort)].region
        let isInRegion = massExpiry.cohorts.map { $0.region == region }
        var failing = 0
        var answering = 0
        for other in table.leases.indices {
            let cohort = Int(table.leases[other].cohort)
            guard cohort >= 0, isInRegion[cohort] else { continue }
            if table.found[other].probe.hasFailed { failing += 1 }
            if table.found[other].probe.hasAnswered { answering += 1 }
        }
        return !rule(of: service).isExceeded(by: failing, of: failing + answering)
    }
}

extension MembershipMachine {
    /// A worker that the control plane asks for its health.
    package struct ProbeTarget: Hashable, Sendable {
        package let worker: WorkerID
        package let epoch: Epoch
        package let address: EndpointAddress
        package let policy: ProbePolicy
    }

    /// The listed workers of services that are probed, in no particular order; none when no service is.
    package var probeTargets: [ProbeTarget] {
        rules.directory.probes.flatMap { service, policy in
            table.slots(of: service).compactMap { slot in
                guard table.leases[slot].reportedHealth != nil else { return nil }
                let registration = table.registration(slot)
                return ProbeTarget(
                    worker: registration.workerID,
                    epoch: table.leases[slot].epoch,
                    address: registration.address,
                    policy: policy
                )
            }
        }
    }
}
