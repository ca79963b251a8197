extension SQLiteStore {
    package func grantLease(for timeToLive: Duration) async throws(StoreError) -> Lease {
        _ = try opened()
        let seconds = try configuration.limits.leaseSeconds(timeToLive)
        guard leases.count < configuration.maximumLeases else {
            throw .limitExceeded("there are \(configuration.maximumLeases) leases already")
        }
        let lease = Lease(id: newLeaseID(), timeToLive: .seconds(seconds))
        // Taken at once, so that the many that wait for the disk together stay within the limit.
        leases.granted(lease, now: clock.now)
        _ = try await write(.grant(lease))
        return lease
    }

    package func keepAlive(_ id: LeaseID) throws(StoreError) -> Lease {
        _ = try opened()
        guard let lease = leases.renewed(id, now: clock.now) else { throw .leaseNotFound(id) }
        return lease
    }

    @discardableResult
    package func revoke(_ id: LeaseID) async throws(StoreError) -> Revision {
        try await write(.revoke(id)).revision
    }

    package func status(of id: LeaseID) throws(StoreError) -> LeaseStatus {
        let file = try opened()
        guard let (lease, remaining) = leases.remaining(of: id, now: clock.now) else {
            throw .leaseNotFound(id)
        }
        return LeaseStatus(lease: lease, remaining: remaining, keys: try file.keys(of: id))
    }

    /// Random, as in etcd: a lease of an earlier life must not be taken for a new one.
    private func newLeaseID() -> LeaseID {
        while true {
            let id = LeaseID(Int64.random(in: 1...Int64.max))
            if !leases.contains(id) { return id }
        }
    }

    // MARK: Their end

    /// Gives every lease its whole time again, as etcd does for a new leader.
    func restoreLeases(_ stored: [Lease]) {
        let now = clock.now
        for lease in stored { leases.granted(lease, now: now) }
        startLeaseSweep()
    }

    /// What a write did to the leases, or failed to do.
    func leaseWritten(
        _ write: StoreFile.Write,
        _ outcome: Result<TransactionResult, StoreError>
    ) {
        switch (write, outcome) {
        case (.transaction, _): break
        case (.grant(let lease), .success):
            // Its time counts from the answer, not from when it began to wait for the disk.
            leases.granted(lease, now: clock.now)
            startLeaseSweep()
        case (.grant(let lease), .failure): leases.revoked(lease.id)
        case (.revoke(let id), .success):
            leases.revoked(id)
            endingLeases.remove(id)
        case (.revoke(let id), .failure):
            // On a full disk, say: the lease stays as it is, and the sweep comes back to it.
            endingLeases.remove(id)
        }
    }

    /// One task while there are leases.
    private func startLeaseSweep() {
        guard leaseSweep == nil, !leases.isEmpty else { return }
        // Owned by the store: it ends with the last lease, and `close` cancels it.
        leaseSweep = Task { await sweepLeases() }
    }

    private func sweepLeases() async {
        let interval = configuration.leaseCheckInterval
        while !leases.isEmpty, !Task.isCancelled {
            let begin = clock.now
            do {
                try await clock.sleep(for: interval)
            } catch {
                return
            }
            let lateness = clock.now - begin - interval
            // Nobody can renew a lease while the process is stopped: that must not end them.
            if lateness > Self.toleratedLateness { leases.stoodStill(for: lateness) }
            for id in leases.expired(now: clock.now) where endingLeases.insert(id).inserted {
                writeUnwatched(.revoke(id))
            }
        }
        leaseSweep = nil
    }

    /// A busy machine wakes us late by less; what is more, is an outage of our own.
    private static var toleratedLateness: Duration { .milliseconds(500) }
}
