import Store
import Testing

// Leases. Where one has to run out, the test waits for the store to say so, however long it takes.
extension StoreConformance {
    func revocation(_ store: some Store) async throws {
        let lease = try await store.grantLease(for: .seconds(600))
        let granted = try await store.revision()
        try await store.put("other", "x")
        let puts = try await store.commit(
            Transaction(success: [
                .put("a", [1], lease: lease.id), .put("b", [1], lease: lease.id),
            ])
        )
        let entry = try await store.get("a").entries.first
        let revoked = try await store.revoke(lease.id)
        let told = try await changes(
            of: store.watch(prefix: "", from: puts.revision.next),
            count: 2
        )
        let again = await #expect(throws: StoreError.self) { try await store.revoke(lease.id) }
        let kept = await #expect(throws: StoreError.self) { try await store.keepAlive(lease.id) }
        #expect(puts.revision.rawValue == granted.rawValue + 2)
        #expect(entry?.lease == lease.id)
        #expect(revoked == puts.revision.next)
        #expect(told == [.delete("a", revoked), .delete("b", revoked)])
        #expect(try await store.range(prefix: "").entries.map(\.key) == ["other"])
        #expect(again?.code == .leaseNotFound)
        #expect(kept?.code == .leaseNotFound)
    }

    func expiry(_ store: some Store) async throws {
        let lease = try await store.grantLease(for: .milliseconds(300))
        let last = try await store.commit(
            Transaction(success: [
                .put("a", [1], lease: lease.id), .put("b", [1], lease: lease.id),
            ])
        ).revision
        let told = try await changes(of: store.watch(prefix: "", from: last.next), count: 2)
        let status = await #expect(throws: StoreError.self) {
            try await store.status(of: lease.id)
        }
        #expect(told == [.delete("a", last.next), .delete("b", last.next)])
        #expect(status?.code == .leaseNotFound)
    }

    /// Two leases of one length: the one that is kept alive outlives the other.
    func keptAlive(_ store: some Store) async throws {
        let kept = try await store.grantLease(for: .seconds(3))
        let other = try await store.grantLease(for: .seconds(3))
        let last = try await store.commit(
            Transaction(success: [
                .put("kept", [1], lease: kept.id), .put("other", [1], lease: other.id),
            ])
        ).revision
        let told = try await withThrowingTaskGroup(of: [StoreChange].self) { group in
            group.addTask {
                try await changes(of: store.watch(prefix: "", from: last.next), count: 1)
            }
            group.addTask {
                while !Task.isCancelled {
                    let renewed = try await store.keepAlive(kept.id)
                    #expect(renewed == kept)
                    try? await Task.sleep(for: .milliseconds(100))
                }
                return []
            }
            defer { group.cancelAll() }
            return try await group.next() ?? []
        }
        let status = try await store.status(of: kept.id)
        #expect(told == [.delete("other", last.next)])
        #expect(status.keys == ["kept"])
        #expect(status.remaining > .zero)
    }

    func otherLease(_ store: some Store) async throws {
        let first = try await store.grantLease(for: .seconds(600))
        let second = try await store.grantLease(for: .seconds(600))
        let keys: [StoreKey] = ["free", "moved", "stays"]
        for key in keys {
            _ = try await store.commit(Transaction(success: [.put(key, [1], lease: first.id)]))
        }
        let moved = try await store.commit(
            Transaction(
                compares: [
                    .lease("free", .equal, first.id), .lease("free", .notEqual, second.id),
                    .lease("free", .greater, nil),
                ],
                success: [.put("free", [2]), .put("moved", [2], lease: second.id)]
            )
        )
        let firstKeys = try await store.status(of: first.id).keys
        let secondKeys = try await store.status(of: second.id).keys
        try await store.revoke(first.id)
        #expect(moved.succeeded)
        #expect(firstKeys == ["stays"])
        #expect(secondKeys == ["moved"])
        #expect(try await store.range(prefix: "").entries.map(\.key) == ["free", "moved"])
        #expect(try await store.get("free").entries.first?.lease == nil)
        try await store.revoke(second.id)
    }

    func unknownLease(_ store: some Store) async throws {
        let before = try await store.revision()
        let unknown = LeaseID(4_711)
        let put = await #expect(throws: StoreError.self) {
            try await store.commit(
                Transaction(success: [.put("a", [1]), .put("b", [1], lease: unknown)])
            )
        }
        // The branch that is not done is not looked at.
        let other = try await store.commit(
            Transaction(
                compares: [.isAbsent("a")],
                success: [],
                failure: [.put("b", [1], lease: unknown)]
            )
        )
        let kept = await #expect(throws: StoreError.self) { try await store.keepAlive(unknown) }
        let status = await #expect(throws: StoreError.self) { try await store.status(of: unknown) }
        #expect(put?.code == .leaseNotFound)
        #expect(other.succeeded)
        #expect(kept?.code == .leaseNotFound)
        #expect(status?.code == .leaseNotFound)
        #expect(try await store.range(prefix: "").entries.isEmpty)
        #expect(try await store.revision() == before)
    }

    func leaseStatus(_ store: some Store) async throws {
        let lease = try await store.grantLease(for: .seconds(600))
        _ = try await store.commit(
            Transaction(success: [
                .put("b", [1], lease: lease.id), .put("a", [1], lease: lease.id), .put("c", [1]),
            ])
        )
        try await store.delete("b")
        let status = try await store.status(of: lease.id)
        #expect(status.lease == lease)
        #expect(status.keys == ["a"])
        #expect(status.remaining <= lease.timeToLive)
        #expect(status.remaining > .zero)
        try await store.revoke(lease.id)
    }

    func leaseTimes(_ store: some Store) async throws {
        let longest = StoreLimits().maximumLease
        for time: Duration in [.milliseconds(1), .milliseconds(3_001), .seconds(60), longest] {
            let lease = try await store.grantLease(for: time)
            #expect(lease.timeToLive >= time)
            #expect(lease.timeToLive.components.attoseconds == 0)
            try await store.revoke(lease.id)
        }
        for time: Duration in [.zero, .seconds(-1), longest + .seconds(1)] {
            let error = await #expect(throws: StoreError.self) {
                try await store.grantLease(for: time)
            }
            #expect(error?.code == .limitExceeded)
        }
    }
}
