package import Membership
package import Primitives

/// What operators, probes and sidecars tell the registry, and what it tells operators.
extension WorkerRegistry {
    /// An operator says that the held workers of a region are dead; returns whom that ended, nil when
    /// nothing is held there.
    ///
    /// Returns when it is stored and published. Throws what the store throws.
    package func confirmExpiry(
        in region: RegionName,
        of service: ServiceName?
    ) async throws -> [WorkerID]? {
        switch machine.expiryConfirmed(in: region, of: service, now: now) {
        case .ignoreNothingHeld:
            return nil
        case .ended(let workers, let instructions):
            counters.confirmed(workers.count)
            logger.notice(
                "an operator confirmed that held workers are dead",
                metadata: ["region": "\(region)", "workers": "\(workers.count)"]
            )
            enqueue(.instructions(instructions))
            try await performed()
            return workers
        }
    }

    /// So many of the sidecars that see these endpoints have ejected them; see `SidecarViews`.
    package func sidecarsReported(_ counts: [EndpointAddress: SidecarViews.Count]) {
        let instructions = counts.sorted { $0.key.description < $1.key.description }
            .flatMap { machine.sidecarVerdict($0.key, $0.value) }
        if !instructions.isEmpty { enqueue(.instructions(instructions)) }
    }

    func probed(_ worker: WorkerID, epoch: Epoch, isServing: Bool) {
        counters.probed(isServing: isServing)
        let instructions = machine.probed(worker, epoch: epoch, isServing: isServing)
        guard !instructions.isEmpty else { return }
        logger.notice(
            "a worker's probes changed its health",
            metadata: ["worker": "\(worker)", "serving": "\(isServing)"]
        )
        enqueue(.instructions(instructions))
    }

    /// Whom to ask for their health.
    func probeTargets() -> [MembershipMachine.ProbeTarget] { machine.probeTargets }

    func tell(_ events: [MembershipEvent]) {
        for event in events {
            switch event {
            case .wasStopped(let gap):
                counters.stopped()
                logger.warning(
                    "this process was stopped; all leases begin again",
                    metadata: ["for": "\(gap)"]
                )
            case .holding(let region, let service, let lost, let total):
                counters.held()
                logger.error(
                    """
                    too many leases ran out together to be believed: the endpoints stay until their \
                    workers are heard again or an operator confirms with `meridian confirm-expiry`
                    """,
                    metadata: [
                        "region": "\(region)", "service": "\(service)", "lost": "\(lost)",
                        "of": "\(total)",
                    ]
                )
            case .released(let region, let service, let release):
                logger.notice(
                    "leases are held no more",
                    metadata: [
                        "region": "\(region)", "service": "\(service)", "because": "\(release)",
                    ]
                )
            }
        }
    }
}
