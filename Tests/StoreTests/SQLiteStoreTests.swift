import SQLite
import Testing

@testable import Store

@Suite struct SQLiteStoreTests {
    private let directory: TemporaryDirectory
    private let configuration: SQLiteStore.Configuration

    init() throws {
        directory = try TemporaryDirectory()
        var configuration = SQLiteStore.Configuration(path: directory.path("store.db"))
        configuration.lockTimeout = .zero
        self.configuration = configuration
    }

    @Test(arguments: StoreConformance.allCases)
    func `the store conforms`(rule: StoreConformance) async throws {
        let store = try await SQLiteStore.open(configuration)
        try await rule.check(store)
        await store.close()
    }

    @Test(arguments: 1...8)
    func `random operations do what the model does`(seed: UInt64) async throws {
        let store = try await SQLiteStore.open(configuration)
        try await RandomOperations(seed: seed, count: 600).check(store)
        await store.close()
    }

    @Test func `a store that is opened again is as it was`() async throws {
        let first = try await SQLiteStore.open(configuration)
        try await first.put("a", "1")
        try await first.put("b", "2")
        try await first.delete("a")
        let before = try await first.range(prefix: "")
        await first.close()
        let second = try await SQLiteStore.open(configuration)
        let after = try await second.range(prefix: "")
        let next = try await second.put("a", "3")
        #expect(after == before)
        #expect(next.revision == before.revision.next)
        await second.close()
    }

    @Test func `a second opener is told that the file is in use`() async throws {
        let first = try await SQLiteStore.open(configuration)
        let error = await #expect(throws: StoreError.self) {
            try await SQLiteStore.open(configuration)
        }
        #expect(error?.code == .inUse)
        try await first.put("a", "1")
        await first.close()
        let second = try await SQLiteStore.open(configuration)
        await second.close()
    }

    // MARK: Limits

    @Test func `the last revisions are kept and older ones are told as compacted`() async throws {
        var configuration = configuration
        configuration.retainedRevisions = 100
        let store = try await SQLiteStore.open(configuration)
        for index in 0..<500 { try await store.put("k", "\(index)") }
        let error = await #expect(throws: StoreError.self) {
            for try await _ in store.watch(prefix: "", from: Revision(1)) { break }
        }
        let oldest = try #require(error?.oldestRevision)
        var told = 0
        for try await batch in store.watch(prefix: "", from: oldest) {
            told += batch.changes.count
            if batch.revision == Revision(500) { break }
        }
        #expect(error?.code == .compacted)
        #expect((100...110).contains(told))
        await store.close()
    }

    @Test func `a batch ends at its limit but never inside a revision`() async throws {
        var configuration = configuration
        configuration.limits.maximumChangesPerBatch = 5
        let store = try await SQLiteStore.open(configuration)
        for round in 0..<4 {
            let operations = (0..<3).map { Transaction.Operation.put("k\(round)/\($0)", []) }
            _ = try await store.commit(Transaction(success: operations))
        }
        var sizes: [Int] = []
        var reached: [Revision] = []
        for try await batch in store.watch(prefix: "", from: Revision(1)) {
            sizes.append(batch.changes.count)
            reached.append(batch.revision)
            if batch.revision == Revision(4) { break }
        }
        #expect(sizes == [6, 6])
        #expect(reached == [Revision(2), Revision(4)])
        await store.close()
    }

    @Test func `a range holds as many entries as its limit and no more`() async throws {
        var configuration = configuration
        configuration.limits.maximumRangeEntries = 3
        let store = try await SQLiteStore.open(configuration)
        for key in ["a/1", "a/2", "a/3", "b"] { try await store.put(StoreKey(key), "x") }
        let atLimit = try await store.range(prefix: "a/")
        let error = await #expect(throws: StoreError.self) { try await store.range(prefix: "") }
        #expect(atLimit.entries.count == 3)
        #expect(error?.code == .limitExceeded)
        await store.close()
    }

    @Test func `a transaction that finds the queue full is refused`() async throws {
        var configuration = configuration
        configuration.maximumWaitingTransactions = 0
        let store = try await SQLiteStore.open(configuration)
        let error = await #expect(throws: StoreError.self) { try await store.put("a", "1") }
        #expect(error?.code == .limitExceeded)
        await store.close()
    }

    @Test func `a watch that would wait past the limit is refused`() async throws {
        var configuration = configuration
        configuration.maximumWatches = 0
        let store = try await SQLiteStore.open(configuration)
        let revision = try await store.put("a", "1").revision
        var watch = store.watch(prefix: "", from: revision).makeAsyncIterator()
        let past = try await watch.next(isolation: #isolation)
        #expect(past?.changes.count == 1)
        do {
            _ = try await watch.next(isolation: #isolation)
            Issue.record("the watch waited")
        } catch {
            #expect(error.code == .limitExceeded)
        }
        await store.close()
    }

    @Test func `groups are cut at their limit and every transaction is answered`() async throws {
        var configuration = configuration
        configuration.maximumGroupTransactions = 3
        let store = try await SQLiteStore.open(configuration)
        let revisions = try await withThrowingTaskGroup(of: Revision.self) { group in
            for index in 0..<40 {
                group.addTask { try await store.put("k\(index)", "x").revision }
            }
            return try await group.reduce(into: Set<Revision>()) { $0.insert($1) }
        }
        #expect(revisions == Set((1...40).map { Revision($0) }))
        await store.close()
    }

    // MARK: Schema

    @Test func `an older file is migrated forward and keeps its entries`() async throws {
        let first = try await SQLiteStore.open(configuration)
        try await first.put("a", "1")
        await first.close()
        let newer = StoreSchema(
            steps: StoreSchema.current.steps + ["CREATE TABLE extra (id INTEGER)"]
        )
        let second = try await SQLiteStore.open(configuration, schema: newer)
        let entries = try await second.range(prefix: "").entries
        await second.close()
        let error = await #expect(throws: StoreError.self) {
            try await SQLiteStore.open(configuration)
        }
        #expect(entries.map(\.key) == ["a"])
        #expect(error?.code == .newerSchema)
        #expect(error?.message.contains("schema version 3, expected at most 2") == true)
    }

    /// Written as the released version 1 did, tables and all.
    private func writeVersion1(compactedTo oldest: Int64) throws {
        let database = try Database(path: configuration.path)
        try database.execute(StoreSchema.current.steps[0])
        try database.execute(
            "PRAGMA application_id = \(0x4D45_5249); PRAGMA user_version = 1; PRAGMA journal_mode = WAL"
        )
        let puts: [(revision: Int64, key: String, create: Int64, version: Int64)] = [
            (1, "old", 1, 1), (2, "a", 2, 1), (3, "a", 2, 2), (5, "a", 2, 3),
        ]
        for put in puts {
            let row = "CAST('\(put.key)' AS BLOB), CAST('\(put.revision)' AS BLOB)"
            try database.execute(
                """
                INSERT INTO change VALUES (\(put.revision), \(row), \(put.create), \(put.version));
                INSERT OR REPLACE INTO entry
                VALUES (\(row), \(put.create), \(put.revision), \(put.version));
                """
            )
        }
        try database.execute(
            """
            INSERT INTO change VALUES (4, CAST('gone' AS BLOB), NULL, 0, 0);
            DELETE FROM change WHERE revision < \(oldest);
            UPDATE state SET revision = 5, oldest_change = \(oldest);
            """
        )
    }

    @Test func `a file of version 1 keeps its entries, its revisions and its history`()
        async throws
    {
        try writeVersion1(compactedTo: 1)
        let store = try await SQLiteStore.open(configuration)
        let now = try await store.range(prefix: "")
        let older = try await store.range(prefix: "", at: Revision(2))
        let history = try await store.history(of: "a")
        let told = try await changes(of: store.watch(prefix: "", from: Revision(1)), count: 5)
        let lease = try await store.grantLease(for: .seconds(60))
        let put = try await store.commit(
            Transaction(success: [.put("new", [1], lease: lease.id)])
        )
        #expect(now.revision == Revision(5))
        #expect(now.entries.map(\.key) == ["a", "old"])
        #expect(now.entries.map(\.version) == [3, 1])
        #expect(now.entries.map(\.value) == [[0x35], [0x31]])
        #expect(now.entries.allSatisfy { $0.lease == nil })
        #expect(older.entries.map(\.value) == [[0x32], [0x31]])
        #expect(history.versions.map(\.version) == [3, 2, 1])
        #expect(told.map(\.revision) == (1...5).map { Revision($0) })
        #expect(put.revision == Revision(6))
        await store.close()
    }

    @Test func `a file of version 1 that has lost history does not pretend to know it`()
        async throws
    {
        try writeVersion1(compactedTo: 4)
        let store = try await SQLiteStore.open(configuration)
        let older = await #expect(throws: StoreError.self) {
            try await store.range(prefix: "", at: Revision(4))
        }
        let told = try await changes(of: store.watch(prefix: "", from: Revision(4)), count: 2)
        try await store.put("a", "new")
        let before = try await store.range(prefix: "", at: Revision(5))
        #expect(older?.code == .compacted)
        #expect(told.map(\.revision) == [Revision(4), Revision(5)])
        #expect(before.entries.map(\.value) == [[0x35], [0x31]])
        await store.close()
    }

    @Test func `a migration that fails leaves the file as it was`() async throws {
        let first = try await SQLiteStore.open(configuration)
        try await first.put("a", "1")
        await first.close()
        let steps =
            StoreSchema.current.steps + ["DELETE FROM entry; CREATE TABLE entry (id INTEGER)"]
        let error = await #expect(throws: StoreError.self) {
            try await SQLiteStore.open(configuration, schema: StoreSchema(steps: steps))
        }
        let again = try await SQLiteStore.open(configuration)
        let entries = try await again.range(prefix: "").entries
        #expect(error?.code == .failed)
        #expect(entries.map(\.key) == ["a"])
        await again.close()
    }

    @Test func `another program's database is refused and left alone`() async throws {
        try Database(path: configuration.path).execute("CREATE TABLE t (id INTEGER)")
        let error = await #expect(throws: StoreError.self) {
            try await SQLiteStore.open(configuration)
        }
        let version = try Database(path: configuration.path).integer("PRAGMA user_version")
        #expect(error?.code == .notAStore)
        #expect(version == 0)
    }
}
