import Store
import Testing

// Ranges, older revisions and history.
extension StoreConformance {
    func startEndLimit(_ store: some Store) async throws {
        for key in ["a", "b", "b/1", "b/2", "c"] { try await store.put(StoreKey(key), "x") }
        func keys(_ range: KeyRange, limit: Int? = nil) async throws -> ([StoreKey], Bool) {
            let result = try await store.range(RangeQuery(range, limit: limit))
            return (result.entries.map(\.key), result.hasMore)
        }
        let middle = try await keys(KeyRange(from: "b", to: "c"))
        let rest = try await keys(KeyRange(from: "b/2", to: nil))
        let one = try await keys(.key("b"))
        let two = try await keys(.all, limit: 2)
        let exact = try await keys(KeyRange(from: "", to: "b/1"), limit: 2)
        let none = try await keys(.prefix("d"), limit: 1)
        #expect(middle == (["b", "b/1", "b/2"], false))
        #expect(rest == (["b/2", "c"], false))
        #expect(one == (["b"], false))
        #expect(two == (["a", "b"], true))
        #expect(exact == (["a", "b"], false))
        #expect(none == ([], false))
    }

    func olderRevision(_ store: some Store) async throws {
        let first = try await store.put("a", "1").revision
        try await store.put("b", "1")
        let second = try await store.put("a", "2").revision
        let third = try await store.delete("a").revision
        let last = try await store.put("a", "3").revision
        func value(at revision: Revision) async throws -> [UInt8]? {
            try await store.get("a", at: revision).entries.first?.value
        }
        let before = try await store.range(prefix: "", at: second)
        #expect(try await value(at: first) == [0x31])
        #expect(try await value(at: first.next) == [0x31])
        #expect(try await value(at: second) == [0x32])
        #expect(try await value(at: third) == nil)
        #expect(try await value(at: last) == [0x33])
        #expect(before.revision == second)
        #expect(before.entries.map(\.key) == ["a", "b"])
        #expect(before.entries.map(\.version) == [2, 1])
        #expect(before.entries.first?.createRevision == first)
        #expect(try await store.range(prefix: "", at: first, limit: 1).hasMore == false)
        #expect(try await store.range(prefix: "", at: second, limit: 1).hasMore == true)
    }

    func futureRevision(_ store: some Store) async throws {
        let now = try await store.put("a", "1").revision
        let error = await #expect(throws: StoreError.self) {
            try await store.get("a", at: now.next)
        }
        let compaction = await #expect(throws: StoreError.self) {
            try await store.compact(before: now.next.next)
        }
        #expect(error?.code == .futureRevision)
        #expect(compaction?.code == .futureRevision)
    }

    func compactedReads(_ store: some Store) async throws {
        try await store.put("kept", "1")
        let first = try await store.put("a", "1").revision
        try await store.put("gone", "1")
        try await store.delete("gone")
        let second = try await store.put("a", "2").revision
        let third = try await store.put("a", "3").revision
        try await store.compact(before: third)
        try await store.compact(before: first)
        let error = await #expect(throws: StoreError.self) {
            try await store.range(prefix: "", at: first)
        }
        let before = try await store.range(prefix: "", at: second)
        let after = try await store.range(prefix: "")
        #expect(error?.code == .compacted)
        #expect(before.entries.map(\.key) == ["a", "kept"])
        #expect(before.entries.first?.value == [0x32])
        #expect(after.entries.first?.value == [0x33])
        #expect(after.entries.first?.createRevision == first)
        // All of it may go; what is stored now stays.
        try await store.compact(before: third.next)
        #expect(try await store.range(prefix: "") == after)
        #expect(try await store.range(prefix: "", at: third).entries == after.entries)
    }

    func operationResults(_ store: some Store) async throws {
        try await store.put("old/1", "x")
        try await store.put("old/2", "x")
        let result = try await store.commit(
            Transaction(success: [
                .put("new", [1]), .deleteRange(.prefix("old/")), .delete("absent"),
                .range(RangeQuery(.all, limit: 10)), .delete("absent"),
            ])
        )
        let entry = StoreEntry(
            key: "new",
            value: [1],
            createRevision: result.revision,
            modRevision: result.revision,
            version: 1
        )
        let read = RangeResult(revision: result.revision, entries: [entry])
        let changes = try await changes(
            of: store.watch(prefix: "", from: result.revision),
            count: 3
        )
        #expect(result.results == [.put, .deleted(2), .deleted(0), .range(read), .deleted(0)])
        #expect(changes.map(\.key) == ["new", "old/1", "old/2"])
        #expect(Set(changes.map(\.revision)) == [result.revision])
    }

    func refusedRanges(_ store: some Store) async throws {
        let now = try await store.put("a", "1").revision
        let bad = [
            RangeQuery(KeyRange(from: "b", to: "b")), RangeQuery(KeyRange(from: "b", to: "a")),
            RangeQuery(.all, limit: 0), RangeQuery(.all, limit: -1),
            RangeQuery(.all, limit: StoreLimits().maximumRangeEntries + 1),
            RangeQuery(.all, at: Revision(-1)),
            RangeQuery(.key(StoreKey(bytes: Array(repeating: 7, count: 1_025)))),
        ]
        for query in bad {
            let error = await #expect(throws: StoreError.self, "\(query)") {
                try await store.range(query)
            }
            #expect(error.map { [.invalid, .limitExceeded].contains($0.code) } == true)
        }
        let watch = await #expect(throws: StoreError.self) {
            try await changes(of: store.watch(KeyRange(from: "b", to: "a"), from: now), count: 1)
        }
        #expect(watch?.code == .invalid)
    }

    func history(_ store: some Store) async throws {
        try await store.put("a", "0")
        let before = try await store.put("a", "1").revision
        try await store.delete("a")
        for value in ["2", "3", "4"] {
            try await store.put("a", value)
            try await store.put("b", value)
        }
        let all = try await store.history(of: "a")
        let deleted = try await store.history(of: "a", at: before)
        let two = try await store.history(of: "a", limit: 2)
        let three = try await store.history(of: "a", limit: 3)
        let none = try await store.history(of: "c")
        #expect(all.versions.map(\.value) == [[0x34], [0x33], [0x32]])
        #expect(all.versions.map(\.version) == [3, 2, 1])
        #expect(all.isComplete)
        #expect(deleted.versions.map(\.value) == [[0x31], [0x30]])
        #expect(two.versions == Array(all.versions.prefix(2)))
        #expect(!two.isComplete)
        #expect(three == all)
        #expect(none == KeyHistory(versions: [], isComplete: true))
    }

    func compactedHistory(_ store: some Store) async throws {
        for value in ["1", "2", "3"] { try await store.put("a", value) }
        let last = try await store.put("a", "4").revision
        try await store.compact(before: last)
        let history = try await store.history(of: "a")
        #expect(history.versions.map(\.version) == [4, 3])
        #expect(!history.isComplete)
    }

    func watchedRange(_ store: some Store) async throws {
        try await store.put("b/9", "x")
        let start = try await store.revision().next
        let range = KeyRange(from: "b", to: "c")
        async let waiting = changes(of: store.watch(range, from: start), count: 4)
        try await store.put("a", "x")
        try await store.put("c", "x")
        let both = try await store.commit(
            Transaction(success: [
                .put("d", [1]), .put("b/2", [1]), .delete("b/9"), .put("b/1", [1]),
            ])
        ).revision
        let last = try await store.put("b", "x").revision
        let told = try await waiting
        #expect(told.map(\.key) == ["b/1", "b/2", "b/9", "b"])
        #expect(told.map(\.revision) == [both, both, both, last])
    }

    func newerRecords(_ store: some Store) async throws {
        try await StoreFormat.prepare(store, version: 1)
        let marked = try await store.revision()
        try await StoreFormat.prepare(store, version: 1)
        try await StoreFormat.prepare(store, version: 2)
        #expect(try await store.revision() == marked)
        try await store.put(StoreFormat.key, "3")
        let newer = await #expect(throws: StoreError.self) {
            try await StoreFormat.prepare(store, version: 2)
        }
        try await store.put(StoreFormat.key, "tables")
        let other = await #expect(throws: StoreError.self) {
            try await StoreFormat.prepare(store, version: 2)
        }
        #expect(newer?.code == .newerSchema)
        #expect(newer?.message.contains("version 3, expected at most 2") == true)
        #expect(other?.code == .notAStore)
    }
}
