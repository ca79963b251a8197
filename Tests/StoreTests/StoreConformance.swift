import Primitives
import Store
import Testing

/// What every implementation of `Store` does, one case for each rule.
///
/// Each is given an empty store.
enum StoreConformance: CaseIterable, Sendable {
    case `a put is read back with its revisions`
    case `the version counts puts and starts again after a delete`
    case `a range holds the keys of its prefix in the order of their bytes`
    case `compares see what is there and what is absent`
    case `a compare that fails does the other branch`
    case `a transaction is one revision`
    case `what changes nothing makes no revision`
    case `a transaction that makes no sense is refused whole`
    case `limits hold at their edges`
    case `of many writers with the same compare one wins`
    case `a watch tells the past and then what happens`
    case `a watch tells nothing of other prefixes`
    case `a watch may start in the future`
    case `a watch from a range onwards misses nothing`
    case `compacted history is told and not skipped`
    case `a cancelled watch ends`
    case `a random history told by a watch ends where the range is`
    case `a closed store says so`
    // StoreConformance+Ranges.swift
    case `a range has a start, an end and a limit`
    case `a read at an older revision finds what was there`
    case `a read at a revision to come is refused`
    case `compaction takes older revisions and leaves the ones after`
    case `operations of a transaction see what those before them did`
    case `a range that makes no sense is refused`
    case `the history of a key is its versions, the newest first`
    case `the history of a key ends where compaction came`
    case `a watch of a range tells its keys only, a revision's in their order`
    case `records of a newer program are refused`
    // StoreConformance+Leases.swift
    case `a lease that is revoked takes its keys along at one revision`
    case `a lease that nobody keeps alive runs out and takes its keys along`
    case `a lease that is kept alive stays`
    case `a put takes the key off its lease, a put with another onto that one`
    case `an unknown lease is refused and nothing is done`
    case `a lease says how it stands`
    case `a lease is at least as long as was asked for`

    func check(_ store: some Store) async throws {
        switch self {
        case .`a put is read back with its revisions`: try await putAndGet(store)
        case .`the version counts puts and starts again after a delete`: try await versions(store)
        case .`a range holds the keys of its prefix in the order of their bytes`:
            try await ranges(store)
        case .`compares see what is there and what is absent`: try await compares(store)
        case .`a compare that fails does the other branch`: try await branches(store)
        case .`a transaction is one revision`: try await oneRevision(store)
        case .`what changes nothing makes no revision`: try await noChange(store)
        case .`a transaction that makes no sense is refused whole`: try await refused(store)
        case .`limits hold at their edges`: try await limits(store)
        case .`of many writers with the same compare one wins`: try await oneWinner(store)
        case .`a watch tells the past and then what happens`: try await pastAndPresent(store)
        case .`a watch tells nothing of other prefixes`: try await otherPrefixes(store)
        case .`a watch may start in the future`: try await future(store)
        case .`a watch from a range onwards misses nothing`: try await noGap(store)
        case .`compacted history is told and not skipped`: try await compaction(store)
        case .`a cancelled watch ends`: try await cancellation(store)
        case .`a random history told by a watch ends where the range is`:
            try await randomHistory(store)
        case .`a closed store says so`: try await closed(store)
        default: try await checkMore(store)
        }
    }

    // Apart from the others because together they are more than a screen.
    private func checkMore(_ store: some Store) async throws {
        switch self {
        case .`a range has a start, an end and a limit`: try await startEndLimit(store)
        case .`a read at an older revision finds what was there`: try await olderRevision(store)
        case .`a read at a revision to come is refused`: try await futureRevision(store)
        case .`compaction takes older revisions and leaves the ones after`:
            try await compactedReads(store)
        case .`operations of a transaction see what those before them did`:
            try await operationResults(store)
        case .`a range that makes no sense is refused`: try await refusedRanges(store)
        case .`the history of a key is its versions, the newest first`: try await history(store)
        case .`the history of a key ends where compaction came`:
            try await compactedHistory(store)
        case .`a watch of a range tells its keys only, a revision's in their order`:
            try await watchedRange(store)
        case .`records of a newer program are refused`: try await newerRecords(store)
        case .`a lease that is revoked takes its keys along at one revision`:
            try await revocation(store)
        case .`a lease that nobody keeps alive runs out and takes its keys along`:
            try await expiry(store)
        case .`a lease that is kept alive stays`: try await keptAlive(store)
        case .`a put takes the key off its lease, a put with another onto that one`:
            try await otherLease(store)
        case .`an unknown lease is refused and nothing is done`: try await unknownLease(store)
        case .`a lease says how it stands`: try await leaseStatus(store)
        case .`a lease is at least as long as was asked for`: try await leaseTimes(store)
        default: Issue.record("the rule “\(self)” has no check")
        }
    }

    // MARK: Keys and transactions

    private func putAndGet(_ store: some Store) async throws {
        let put = try await store.put("a", "1")
        let read = try await store.get("a")
        let entry = StoreEntry(
            key: "a",
            value: [0x31],
            createRevision: put.revision,
            modRevision: put.revision,
            version: 1
        )
        #expect(put.succeeded)
        #expect(read == RangeResult(revision: put.revision, entries: [entry]))
        #expect(try await store.get("b").entries.isEmpty)
    }

    private func versions(_ store: some Store) async throws {
        let first = try await store.put("a", "1")
        let second = try await store.put("a", "2")
        let before = try await store.get("a").entries.first
        try await store.delete("a")
        let third = try await store.put("a", "3")
        let after = try await store.get("a").entries.first
        #expect(before?.version == 2)
        #expect(before?.createRevision == first.revision)
        #expect(before?.modRevision == second.revision)
        #expect(after?.version == 1)
        #expect(after?.createRevision == third.revision)
    }

    private func ranges(_ store: some Store) async throws {
        let keys: [StoreKey] = [
            "b", "a/2", "a/1", "a", "a0", StoreKey(bytes: [0xFF]),
            StoreKey(bytes: [0xFF, 0xFF, 1]), "a/é",
            StoreKey(bytes: Array("a/".utf8) + [0xFF]),
        ]
        for key in keys { try await store.put(key, "x") }
        let children = try await store.range(prefix: "a/").entries.map(\.key)
        let all = try await store.range(prefix: "").entries.map(\.key)
        let high = try await store.range(prefix: StoreKey(bytes: [0xFF])).entries.map(\.key)
        #expect(children == ["a/1", "a/2", "a/é", StoreKey(bytes: Array("a/".utf8) + [0xFF])])
        #expect(all == keys.sorted())
        #expect(high == [StoreKey(bytes: [0xFF]), StoreKey(bytes: [0xFF, 0xFF, 1])])
    }

    private func compares(_ store: some Store) async throws {
        try await store.put("a", "m")
        let mod = try await store.put("a", "m").revision
        let before = Revision(mod.rawValue - 1)
        let holds: [Transaction.Compare] = [
            .isAbsent("b"), .modRevision("b", .equal, .zero), .modRevision("b", .less, mod),
            .version("b", .notEqual, 1), .modRevision("a", .equal, mod),
            .modRevision("a", .less, mod.next),
            .modRevision("a", .greater, before), .modRevision("a", .notEqual, before),
            .version("a", .equal, 2), .version("a", .less, 3), .version("a", .greater, 1),
            .value("a", .equal, [0x6D]), .value("a", .less, [0x6E]),
            .value("a", .greater, [0x6C, 0xFF]),
            .value("a", .notEqual, []), .value("a", .less, [0x6D, 0]),
            .createRevision("a", .equal, before), .createRevision("a", .less, mod),
            .createRevision("b", .equal, .zero), .createRevision("a", .greater, .zero),
            .lease("a", .equal, nil), .lease("b", .equal, nil),
            .lease("a", .less, LeaseID(1)),
        ]
        let fails: [Transaction.Compare] = [
            .isAbsent("a"), .modRevision("a", .equal, before), .modRevision("a", .less, mod),
            .modRevision("a", .greater, mod), .modRevision("a", .notEqual, mod),
            .version("a", .greater, 2),
            .version("a", .equal, 1), .value("a", .equal, [0x6E]), .value("a", .notEqual, [0x6D]),
            .value("b", .equal, []), .value("b", .notEqual, [1]), .value("b", .less, [1]),
            .createRevision("a", .equal, mod), .createRevision("b", .greater, .zero),
            .lease("a", .equal, LeaseID(1)), .lease("a", .notEqual, nil),
        ]
        for compare in holds {
            let result = try await store.commit(Transaction(compares: [compare], success: []))
            #expect(result.succeeded, "\(compare)")
        }
        for compare in fails {
            let result = try await store.commit(Transaction(compares: [compare], success: []))
            #expect(!result.succeeded, "\(compare)")
        }
        let mixed = try await store.commit(
            Transaction(compares: [holds[0], fails[0], holds[1]], success: [])
        )
        #expect(!mixed.succeeded)
    }

    private func branches(_ store: some Store) async throws {
        let transaction = Transaction(
            compares: [.isAbsent("lock")],
            success: [.put("lock", [1]), .put("won", [1])],
            failure: [.put("lost", [1])]
        )
        let first = try await store.commit(transaction)
        let second = try await store.commit(transaction)
        let keys = try await store.range(prefix: "").entries.map(\.key)
        #expect(first.succeeded)
        #expect(!second.succeeded)
        #expect(second.revision > first.revision)
        #expect(keys == ["lock", "lost", "won"])
    }

    private func oneRevision(_ store: some Store) async throws {
        try await store.put("old", "x")
        let result = try await store.commit(
            Transaction(success: [.put("a", [1]), .delete("old"), .put("b", [2])])
        )
        let range = try await store.range(prefix: "")
        #expect(range.revision == result.revision)
        #expect(range.entries.map(\.key) == ["a", "b"])
        #expect(range.entries.allSatisfy { $0.modRevision == result.revision })
    }

    private func noChange(_ store: some Store) async throws {
        let put = try await store.put("a", "1")
        let absent = try await store.commit(Transaction(success: [.delete("b")]))
        let failed = try await store.commit(
            Transaction(compares: [.isAbsent("a")], success: [.put("a", [2])])
        )
        let same = try await store.put("a", "1")
        #expect(
            absent
                == TransactionResult(
                    succeeded: true,
                    revision: put.revision,
                    results: [.deleted(0)]
                )
        )
        #expect(
            failed == TransactionResult(succeeded: false, revision: put.revision, results: [])
        )
        #expect(same.revision > put.revision)
    }

    private func refused(_ store: some Store) async throws {
        let bad = [
            Transaction(success: [.put("a", [1]), .put("a", [2])]),
            Transaction(success: [.put("a", [1]), .delete("a")]),
            Transaction(success: [], failure: [.put("a", [1]), .put("a", [2])]),
            Transaction(success: [.put("a", [1]), .put("", [2])]),
            Transaction(compares: [.isAbsent("")], success: [.put("a", [1])]),
            Transaction(success: [.put("a/1", [1]), .deleteRange(.prefix("a/"))]),
            Transaction(success: [.put("a", [1]), .range(RangeQuery(.all))]),
            Transaction(success: [.put("a", [1]), .range(RangeQuery(.all, limit: 1_001))]),
            Transaction(
                success: [.put("a", [1]), .range(RangeQuery(.all, at: Revision(1), limit: 1))]
            ),
            Transaction(success: [.put("a", [1]), .deleteRange(KeyRange(from: "c", to: "b"))]),
        ]
        for transaction in bad {
            await #expect(throws: StoreError.self, "\(transaction)") {
                try await store.commit(transaction)
            }
        }
        let entries = try await store.range(prefix: "").entries
        #expect(entries.isEmpty)
    }

    private func limits(_ store: some Store) async throws {
        let limits = StoreLimits()
        func operations(_ count: Int) -> [Transaction.Operation] {
            (0..<count).map { .put("k\($0)", []) }
        }
        func compares(_ count: Int) -> [Transaction.Compare] {
            (0..<count).map { .isAbsent("n\($0)") }
        }
        func key(_ count: Int) -> StoreKey { StoreKey(bytes: Array(repeating: 7, count: count)) }
        func value(_ count: Int) -> [UInt8] { Array(repeating: 7, count: count) }
        let most = limits.maximumOperationsPerTransaction
        let bytes = limits.maximumTransactionBytes
        let good = [
            Transaction(
                compares: compares(most),
                success: operations(most),
                failure: operations(most)
            ),
            Transaction(success: [.put(key(limits.maximumKeyBytes), [])]),
            Transaction(success: [.put("v", value(bytes - 1))]),
        ]
        let bad = [
            Transaction(success: operations(most + 1)),
            Transaction(success: [], failure: operations(most + 1)),
            Transaction(compares: compares(most + 1), success: []),
            Transaction(success: [.put(key(limits.maximumKeyBytes + 1), [])]),
            Transaction(success: [.put("v", value(bytes))]),
        ]
        for transaction in good {
            let result = try await store.commit(transaction)
            #expect(result.succeeded)
        }
        for transaction in bad {
            let error = await #expect(throws: StoreError.self) {
                try await store.commit(transaction)
            }
            #expect(error?.code == .limitExceeded)
        }
    }

    private func oneWinner(_ store: some Store) async throws {
        let winners = try await withThrowingTaskGroup(of: Bool.self) { group in
            for writer in 0..<UInt8(50) {
                group.addTask {
                    try await store.commit(
                        Transaction(
                            compares: [.isAbsent("leader")],
                            success: [.put("leader", [writer])]
                        )
                    ).succeeded
                }
            }
            return try await group.reduce(0) { $1 ? $0 + 1 : $0 }
        }
        let entry = try await store.get("leader").entries.first
        #expect(winners == 1)
        #expect(entry?.version == 1)
    }

    // MARK: Watches

    private func pastAndPresent(_ store: some Store) async throws {
        let first = try await store.put("a", "1").revision
        let second = try await store.delete("a").revision
        var watch = store.watch(prefix: "", from: first).makeAsyncIterator()
        let past = try await changes(&watch, count: 2)
        let third = try await store.put("a", "2").revision
        let present = try await changes(&watch, count: 1)
        #expect(past.map(\.revision) == [first, second])
        #expect(past.last == .delete("a", second))
        #expect(present.map(\.revision) == [third])
    }

    private func otherPrefixes(_ store: some Store) async throws {
        let start = try await store.put("a/1", "x").revision
        var watch = store.watch(prefix: "a/", from: start).makeAsyncIterator()
        let first = try await changes(&watch, count: 1)
        async let waiting = changes(of: store.watch(prefix: "a/", from: start.next), count: 1)
        try await store.put("b/1", "x")
        try await store.put("a", "x")
        let last = try await store.put("a/2", "x").revision
        let second = try await changes(&watch, count: 1)
        #expect(first.map(\.key) == ["a/1"])
        #expect(second.map(\.key) == ["a/2"])
        #expect(try await waiting.map(\.revision) == [last])
    }

    private func future(_ store: some Store) async throws {
        let now = try await store.put("a", "1").revision
        async let later = changes(
            of: store.watch(prefix: "", from: Revision(now.rawValue + 3)),
            count: 1
        )
        for value in ["2", "3", "4"] { try await store.put("a", value) }
        #expect(try await later.map(\.revision) == [Revision(now.rawValue + 3)])
    }

    private func noGap(_ store: some Store) async throws {
        let writers = 8
        let each = 25
        async let writing: Void = withThrowingTaskGroup(of: Void.self) { group in
            for writer in 0..<writers {
                group.addTask {
                    for item in 0..<each { try await store.put("k/\(writer)/\(item)", "x") }
                }
            }
            try await group.waitForAll()
        }
        let start = try await store.range(prefix: "k/")
        var seen = Set(start.entries.map(\.key))
        let seenAtStart = seen.count
        var revisions: [Revision] = []
        var watch = store.watch(prefix: "k/", from: start.revision.next).makeAsyncIterator()
        while seen.count < writers * each, let batch = try await watch.next(isolation: #isolation) {
            revisions += batch.changes.map(\.revision)
            seen.formUnion(batch.changes.map(\.key))
        }
        try await writing
        #expect(seenAtStart + revisions.count == writers * each)
        #expect(revisions == revisions.sorted())
    }

    private func compaction(_ store: some Store) async throws {
        let first = try await store.put("a", "1").revision
        try await store.put("a", "2")
        let third = try await store.put("a", "3").revision
        try await store.compact(before: third)
        let error = await #expect(throws: StoreError.self) {
            try await changes(of: store.watch(prefix: "", from: first), count: 1)
        }
        let kept = try await changes(of: store.watch(prefix: "", from: third), count: 1)
        let read = try await store.get("a").entries.first
        #expect(error?.code == .compacted)
        #expect(error?.oldestRevision == third)
        #expect(kept.map(\.revision) == [third])
        #expect(read?.version == 3)
    }

    private func cancellation(_ store: some Store) async throws {
        let start = try await store.put("a", "1").revision.next
        let ended = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<20 {
                group.addTask {
                    try await changes(of: store.watch(prefix: "", from: start), count: 1).count
                }
            }
            group.cancelAll()
            return try await group.reduce(0, +)
        }
        #expect(ended == 0)
    }

    private func randomHistory(_ store: some Store) async throws {
        var random = SeededRandom(seed: 2)
        let start = try await store.range(prefix: "").revision.next
        for _ in 0..<200 {
            let keys = Set((0..<3).map { _ in Int.random(in: 0..<12, using: &random) }).sorted()
            let operations: [Transaction.Operation] = keys.map { key in
                let value = UInt8.random(in: 0...255, using: &random)
                return value < 90 ? .delete("k\(key)") : .put("k\(key)", [value])
            }
            _ = try await store.commit(Transaction(success: operations))
        }
        let range = try await store.range(prefix: "")
        var told: [StoreKey: StoreEntry] = [:]
        var watch = store.watch(prefix: "", from: start).makeAsyncIterator()
        var reached = Revision.zero
        while reached < range.revision, let batch = try await watch.next(isolation: #isolation) {
            for change in batch.changes {
                switch change {
                case .put(let entry): told[entry.key] = entry
                case .delete(let key, _): told[key] = nil
                }
            }
            reached = batch.revision
        }
        #expect(told.values.sorted { $0.key < $1.key } == range.entries)
    }

    private func closed(_ store: some Store) async throws {
        let start = try await store.put("a", "1").revision.next
        async let waiting = changes(of: store.watch(prefix: "", from: start), count: 1)
        await store.close()
        let put = await #expect(throws: StoreError.self) { try await store.put("a", "2") }
        let read = await #expect(throws: StoreError.self) { try await store.get("a") }
        #expect(put?.code == .closed)
        #expect(read?.code == .closed)
        do {
            let told = try await waiting
            Issue.record("the watch ended with \(told)")
        } catch let error as StoreError {
            #expect(error.code == .closed)
        }
    }
}

/// Reads batches until there are so many changes, or the watch ends.
func changes(
    of watch: some AsyncSequence<ChangeBatch, StoreError>,
    count: Int
) async throws -> [StoreChange] {
    var iterator = watch.makeAsyncIterator()
    return try await changes(&iterator, count: count)
}

func changes<Iterator: AsyncIteratorProtocol>(
    _ watch: inout Iterator,
    count: Int
) async throws -> [StoreChange] where Iterator.Element == ChangeBatch {
    var changes: [StoreChange] = []
    while changes.count < count, let batch = try await watch.next(isolation: #isolation) {
        changes += batch.changes
    }
    return changes
}

extension Store {
    @discardableResult
    func put(_ key: StoreKey, _ value: String) async throws(StoreError) -> TransactionResult {
        try await commit(Transaction(success: [.put(key, Array(value.utf8))]))
    }

    @discardableResult
    func delete(_ key: StoreKey) async throws(StoreError) -> TransactionResult {
        try await commit(Transaction(success: [.delete(key)]))
    }
}
