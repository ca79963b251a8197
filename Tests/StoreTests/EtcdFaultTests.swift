import Store
import Testing

@testable import EtcdStore

/// What happens when members of a cluster die or stand still; each test has a cluster of its own.
@Suite(.serialized) struct EtcdFaultTests {
    private let patience: Duration = .seconds(120)

    /// What was asked for until it was done, as a caller has to do it when the outcome is unknown:
    /// the compare finds out whether it had been.
    private func put(_ store: EtcdStore, _ key: StoreKey) async throws -> Revision {
        try await waitFor("a put of \(key)", within: patience) {
            do {
                let result = try await store.commit(
                    Transaction(
                        compares: [.isAbsent(key)],
                        success: [.put(key, [1])],
                        failure: [.range(RangeQuery(.key(key), limit: 1))]
                    )
                )
                guard case .range(let read) = result.results.first else { return result.revision }
                return read.entries.first?.modRevision
            } catch let error as StoreError {
                #expect(error.code == .unavailable)
                return nil
            }
        }
    }

    @Test func `when the leader is killed, reads, changes, leases and watches go on`()
        async throws
    {
        let cluster = try await EtcdCluster.start()
        let leader = try await cluster.waitForLeader(known: 3)
        let store = cluster.store { $0.requestTimeout = .seconds(30) }
        let start = try await store.revision().next
        let lease = try await store.grantLease(for: .seconds(600))
        _ = try await store.commit(Transaction(success: [.put("leased", [1], lease: lease.id)]))
        async let told = changes(of: store.watch(prefix: "", from: start), count: 81)
        for index in 0..<40 { _ = try await put(store, "before/\(index)") }
        cluster.kill(leader)
        var revisions: [Revision] = []
        for index in 0..<40 { revisions.append(try await put(store, "after/\(index)")) }
        let read = try await store.range(prefix: "")
        let renewed = try await store.keepAlive(lease.id)
        let keys = try await store.status(of: lease.id).keys
        let seen = try await told
        #expect(revisions == revisions.sorted())
        #expect(read.entries.count == 81)
        #expect(renewed == lease)
        #expect(keys == ["leased"])
        // Each key was put once, so the watch has neither a gap nor anything twice.
        #expect(seen.map(\.revision) == seen.indices.map { Revision(start.rawValue + Int64($0)) })
        #expect(Set(seen.map(\.key)).count == 81)
        await store.close()
    }

    @Test func `every member killed in turn loses nothing and needs nobody's help`() async throws {
        let cluster = try await EtcdCluster.start()
        let store = cluster.store { $0.requestTimeout = .seconds(30) }
        let start = try await store.revision().next
        async let told = changes(of: store.watch(prefix: "", from: start), count: 60)
        for member in 0..<EtcdCluster.memberCount {
            for index in 0..<10 { _ = try await put(store, "up/\(member)/\(index)") }
            cluster.kill(member)
            for index in 0..<10 { _ = try await put(store, "down/\(member)/\(index)") }
            try cluster.run(member)
            try await cluster.waitForLeader(known: EtcdCluster.memberCount)
        }
        let seen = try await told
        #expect(seen.map(\.revision) == seen.indices.map { Revision(start.rawValue + Int64($0)) })
        #expect(try await store.range(prefix: "").entries.count == 60)
        await store.close()
    }

    @Test
    func `without a quorum everything is unavailable within its deadline, until there is one`()
        async throws
    {
        let cluster = try await EtcdCluster.start()
        let leader = try await cluster.waitForLeader(known: 3)
        let deadline: Duration = .seconds(3)
        let store = cluster.store { configuration in
            configuration.requestTimeout = deadline
            configuration.attemptTimeout = .seconds(1)
        }
        let start = try await store.put("before", "1").revision
        async let told = changes(of: store.watch(prefix: "", from: start), count: 2)
        // The leader and one more stand still: they keep their connections and answer nothing.
        let paused = [leader, (leader + 1) % 3]
        for member in paused { cluster.pause(member) }
        let clock = ContinuousClock()
        var codes: [StoreError.Code?] = []
        var slowest = Duration.zero
        for _ in 0..<3 {
            let begin = clock.now
            let put = await #expect(throws: StoreError.self) { try await store.put("no", "1") }
            let middle = clock.now
            let read = await #expect(throws: StoreError.self) { try await store.get("before") }
            slowest = max(slowest, begin.duration(to: middle), middle.duration(to: clock.now))
            codes += [put?.code, read?.code]
        }
        for member in paused { cluster.resume(member) }
        let after = try await put(store, "after")
        let read = try await store.get("before")
        #expect(codes.allSatisfy { $0 == .unavailable })
        // Scheduling on a busy machine comes on top.
        #expect(slowest < deadline + .seconds(10))
        #expect(read.entries.first?.value == [0x31])
        let seen = try await told
        #expect(after > start)
        // The puts whose outcome was unknown may have been done when the quorum was back.
        #expect(seen.first?.key == "before")
        #expect(seen.dropFirst().allSatisfy { ["no", "after"].contains($0.key) })
        #expect(seen.map(\.revision) == seen.indices.map { Revision(start.rawValue + Int64($0)) })
        await store.close()
    }

    @Test func `a member that stands still is left for another`() async throws {
        let cluster = try await EtcdCluster.start()
        let store = cluster.store { configuration in
            configuration.requestTimeout = .seconds(60)
            configuration.attemptTimeout = .seconds(1)
        }
        let start = try await store.put("a", "1").revision
        async let told = changes(of: store.watch(prefix: "", from: start), count: 2)
        // It keeps its connections and answers nothing; it may be the leader too.
        let stopped = try store.caller.currentMember()
        cluster.pause(stopped)
        let read = try await store.get("a")
        let put = try await put(store, "b")
        let seen = try await told
        #expect(read.entries.first?.value == [0x31])
        #expect(put > start)
        // The watch is on the stopped member's connection until its probe fails.
        #expect(seen.map(\.key) == ["a", "b"])
        cluster.resume(stopped)
        await store.close()
    }

    @Test func `a cluster that is not there is told with its members`() async throws {
        let cluster = try await EtcdCluster.start()
        for member in 0..<EtcdCluster.memberCount { cluster.kill(member) }
        let store = cluster.store { $0.requestTimeout = .milliseconds(500) }
        let read = await #expect(throws: StoreError.self) { try await store.get("a") }
        let put = await #expect(throws: StoreError.self) { try await store.put("a", "1") }
        #expect(read?.code == .unavailable)
        #expect(put?.code == .unavailable)
        // Nobody can have seen it.
        #expect(put?.isOutcomeUnknown == false)
        #expect(cluster.endpoints.allSatisfy { put?.message.contains($0.description) == true })
        await store.close()
    }

    @Test func `a full database refuses changes and goes on reading`() async throws {
        let cluster = try await EtcdCluster.start(quotaBytes: 2_000_000)
        let store = cluster.store { $0.requestTimeout = .seconds(30) }
        let value = String(repeating: "x", count: 100_000)
        var written = 0
        var refusal: StoreError?
        while refusal == nil, written < 200 {
            do throws(StoreError) {
                try await store.put("k", value)
                written += 1
            } catch {
                refusal = error
            }
        }
        let read = try await store.get("k")
        #expect(refusal?.code == .diskFull)
        // etcd does the change that it refuses first, when that one takes it past its quota.
        #expect(refusal?.isOutcomeUnknown == true)
        let version = try #require(read.entries.first?.version)
        #expect([Int64(written), Int64(written) + 1].contains(version))
        await store.close()
    }
}
