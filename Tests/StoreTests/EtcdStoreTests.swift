import EtcdStore
import Store
import Testing

/// The rules of every store, on a real cluster.
@Suite(.etcdCluster, .serialized) struct EtcdStoreTests {
    private let cluster: EtcdCluster

    init() throws {
        cluster = try #require(EtcdCluster.shared)
    }

    /// The tests share the cluster, so each begins by taking everything out of it.
    private func emptyStore(
        _ change: (inout EtcdConfiguration) -> Void = { _ in }
    ) async throws -> EtcdStore {
        let store = cluster.store { configuration in
            configuration.requestTimeout = .seconds(60)
            configuration.attemptTimeout = .seconds(30)
            change(&configuration)
        }
        _ = try await store.commit(Transaction(success: [.deleteRange(.all)]))
        return store
    }

    @Test(arguments: StoreConformance.allCases)
    func `the store conforms`(rule: StoreConformance) async throws {
        let store = try await emptyStore()
        try await rule.check(store)
        await store.close()
    }

    @Test(arguments: 1...4)
    func `random operations do what the model does`(seed: UInt64) async throws {
        let store = try await emptyStore()
        try await RandomOperations(seed: seed, count: 300).check(store)
        await store.close()
    }

    // MARK: Limits

    @Test func `a range of many pages is read at one revision`() async throws {
        let store = try await emptyStore { $0.maximumPageEntries = 3 }
        for index in 0..<10 { try await store.put("k\(index)", "\(index)") }
        let all = try await store.range(prefix: "k")
        let seven = try await store.range(prefix: "k", limit: 7)
        let exact = try await store.range(prefix: "k", limit: 10)
        let older = try await store.range(prefix: "k", at: Revision(all.revision.rawValue - 5))
        #expect(all.entries.map(\.key) == (0..<10).map { "k\($0)" })
        #expect(!all.hasMore)
        #expect(seven.entries == Array(all.entries.prefix(7)))
        #expect(seven.hasMore)
        #expect(exact.entries == all.entries)
        #expect(!exact.hasMore)
        #expect(older.entries == Array(all.entries.prefix(5)))
        await store.close()
    }

    @Test func `a page that is larger than a message is asked for in parts`() async throws {
        let store = try await emptyStore { $0.connection.maximumMessageBytes = 50_000 }
        let value = String(repeating: "x", count: 9_000)
        for index in 0..<20 { try await store.put("k\(10 + index)", value) }
        let all = try await store.range(prefix: "k")
        #expect(all.entries.map(\.key) == (0..<20).map { "k\(10 + $0)" })
        try await store.put("large", String(repeating: "x", count: 60_000))
        let error = await #expect(throws: StoreError.self) { try await store.get("large") }
        #expect(error?.code == .limitExceeded)
        await store.close()
    }

    @Test func `a range without a limit holds as many entries as the store's`() async throws {
        let store = try await emptyStore { $0.limits.maximumRangeEntries = 3 }
        for key in ["a/1", "a/2", "a/3", "b"] { try await store.put(StoreKey(key), "x") }
        let atLimit = try await store.range(prefix: "a/")
        let error = await #expect(throws: StoreError.self) { try await store.range(prefix: "") }
        #expect(atLimit.entries.count == 3)
        #expect(error?.code == .limitExceeded)
        await store.close()
    }

    @Test func `a watch past the limit is refused, and one that has ended makes room`()
        async throws
    {
        let store = try await emptyStore { $0.maximumWatches = 1 }
        let revision = try await store.put("a", "1").revision
        func firstChange() async throws(StoreError) -> Int? {
            var watch = store.watch(prefix: "", from: revision).makeAsyncIterator()
            return try await watch.next(isolation: nil)?.changes.count
        }
        var watch = store.watch(prefix: "", from: revision).makeAsyncIterator()
        let first = try await watch.next(isolation: nil)
        let error = await #expect(throws: StoreError.self) { try await firstChange() }
        #expect(first?.changes.count == 1)
        #expect(error?.code == .limitExceeded)
        watch = store.watch(prefix: "", from: revision).makeAsyncIterator()
        #expect(try await firstChange() == 1)
        await store.close()
    }

    @Test func `a request past the limit of those in flight is refused`() async throws {
        let store = try await emptyStore()
        let narrow = cluster.store { $0.maximumCallsInFlight = 0 }
        let error = await #expect(throws: StoreError.self) { try await narrow.get("a") }
        #expect(error?.code == .limitExceeded)
        await narrow.close()
        await store.close()
    }

    @Test func `a batch ends at its limit but never inside a revision`() async throws {
        let store = try await emptyStore { $0.limits.maximumChangesPerBatch = 5 }
        let start = try await store.revision().next
        for round in 0..<4 {
            let operations = (0..<3).map { Transaction.Operation.put("k\(round)/\($0)", []) }
            _ = try await store.commit(Transaction(success: operations))
        }
        var told: [Revision: Int] = [:]
        var largest = 0
        var watch = store.watch(prefix: "", from: start).makeAsyncIterator()
        while told.count < 4, let batch = try await watch.next(isolation: nil) {
            largest = max(largest, batch.changes.count)
            for revision in Set(batch.changes.map(\.revision)) {
                #expect(told[revision] == nil)
                told[revision] = batch.changes.count { $0.revision == revision }
            }
        }
        #expect(told.values.allSatisfy { $0 == 3 })
        #expect(largest <= 6)
        await store.close()
    }

    /// More than etcd and the connection keep for a reader that stands still.
    @Test func `a watch that stands still is told of every change or that it was cut off`()
        async throws
    {
        let store = try await emptyStore()
        let start = try await store.revision().next
        var watch = store.watch(prefix: "k", from: start).makeAsyncIterator()
        try await store.put("k", "first")
        var told = try await watch.next(isolation: nil)?.changes.map(\.revision) ?? []
        let value = String(repeating: "x", count: 4_000)
        let count = 2_500
        try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in 0..<50 {
                group.addTask {
                    for _ in 0..<(count / 50) { try await store.put("k\(writer)", value) }
                }
            }
            try await group.waitForAll()
        }
        try await store.compact(before: try await store.revision())
        var cutOff: StoreError?
        do throws(StoreError) {
            while told.count <= count, let batch = try await watch.next(isolation: nil) {
                told += batch.changes.map(\.revision)
            }
        } catch {
            cutOff = error
        }
        let first = try #require(told.first)
        #expect(told == told.indices.map { Revision(first.rawValue + Int64($0)) })
        #expect(cutOff?.code == .compacted, "\(told.count) told of \(count + 1)")
        await store.close()
    }

    // MARK: Members

    @Test func `each member says how it is`() async throws {
        let store = try await emptyStore()
        let statuses = await store.memberStatuses()
        #expect(statuses.map(\.endpoint) == cluster.endpoints)
        #expect(statuses.count { $0.isLeader } == 1)
        #expect(statuses.allSatisfy { $0.version.hasPrefix("3.") && $0.databaseBytes > 0 })
        await store.close()
    }
}
