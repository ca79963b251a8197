/// When leases run out; decides and does nothing.
///
/// Times are durations since any fixed moment.
struct LeaseTable {
    private struct Row {
        let timeToLive: Duration
        var deadline: Duration
    }

    private var rows: [LeaseID: Row] = [:]

    var count: Int { rows.count }
    var isEmpty: Bool { rows.isEmpty }

    func contains(_ id: LeaseID) -> Bool { rows[id] != nil }

    /// A new lease, or one that the file held when it was opened: those get their time in full, as
    /// nobody could renew them while there was no store.
    mutating func granted(_ lease: Lease, now: Duration) {
        rows[lease.id] = Row(timeToLive: lease.timeToLive, deadline: now + lease.timeToLive)
    }

    /// What the keep-alive gives; nil when there is no such lease or it has run out.
    ///
    /// One that has run out is not brought back even if its keys are still there: others may have
    /// decided by it.
    mutating func renewed(_ id: LeaseID, now: Duration) -> Lease? {
        guard let row = rows[id], row.deadline > now else { return nil }
        rows[id]?.deadline = now + row.timeToLive
        return Lease(id: id, timeToLive: row.timeToLive)
    }

    mutating func revoked(_ id: LeaseID) {
        rows[id] = nil
    }

    func remaining(of id: LeaseID, now: Duration) -> (lease: Lease, remaining: Duration)? {
        rows[id].map { row in
            (Lease(id: id, timeToLive: row.timeToLive), max(.zero, row.deadline - now))
        }
    }

    /// The leases that have run out, ordered.
    func expired(now: Duration) -> [LeaseID] {
        rows.filter { $0.value.deadline <= now }.keys.sorted()
    }

    /// Nobody could renew for so long, because this process itself stood still.
    mutating func stoodStill(for outage: Duration) {
        for id in rows.keys { rows[id]?.deadline += outage }
    }
}
