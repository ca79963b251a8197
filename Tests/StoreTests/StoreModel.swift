import Store

/// What a store is, in the simplest words: everything that was ever there, by revision.
struct StoreModel {
    /// Why something is refused, as far as stores must agree on it.
    struct Refusal: Error, Hashable {
        let code: StoreError.Code

        init(_ code: StoreError.Code) {
            self.code = code
        }
    }

    typealias Outcome<Value> = Result<Value, Refusal>

    /// The store's revision when the model began.
    let base: Revision
    private(set) var revision: Revision
    /// The oldest revision whose changes are known.
    private(set) var oldestChange: Revision
    private(set) var leases: Set<LeaseID> = []
    private var states: [Revision: [StoreKey: StoreEntry]]
    private var changes: [StoreChange] = []

    init(at revision: Revision) {
        base = revision
        self.revision = revision
        oldestChange = revision.next
        states = [revision: [:]]
    }

    private var now: [StoreKey: StoreEntry] { states[revision] ?? [:] }

    var changesKept: [StoreChange] {
        changes.filter { $0.revision >= oldestChange }
            .sorted { ($0.revision, $0.key) < ($1.revision, $1.key) }
    }

    // MARK: Reads

    func range(_ query: RangeQuery) -> Outcome<RangeResult> {
        let asked = query.revision ?? revision
        guard asked <= revision else { return .failure(Refusal(.futureRevision)) }
        guard asked == revision || asked >= oldestChange.previous else {
            return .failure(Refusal(.compacted))
        }
        return .success(Self.range(query, in: states[asked] ?? [:], at: asked))
    }

    private static func range(
        _ query: RangeQuery,
        in state: [StoreKey: StoreEntry],
        at revision: Revision
    ) -> RangeResult {
        let found = state.values.filter { query.range.contains($0.key) }.sorted { $0.key < $1.key }
        let limit = query.limit ?? found.count
        return RangeResult(
            revision: revision,
            entries: Array(found.prefix(limit)),
            hasMore: found.count > limit
        )
    }

    func history(of key: StoreKey) -> KeyHistory {
        var versions: [StoreEntry] = []
        var next = revision
        while let entry = states[next]?[key], next == revision || next >= oldestChange.previous {
            versions.append(entry)
            if entry.version == 1 { break }
            next = entry.modRevision.previous
        }
        return KeyHistory(
            versions: versions,
            isComplete: versions.last.map { $0.version == 1 } ?? true
        )
    }

    // MARK: Changes

    mutating func commit(_ transaction: Transaction) -> Outcome<TransactionResult> {
        for branch in [transaction.success, transaction.failure] where !Self.isOrderly(branch) {
            return .failure(Refusal(.invalid))
        }
        let succeeded = transaction.compares.allSatisfy { $0.holds(for: now[$0.key]) }
        let operations = succeeded ? transaction.success : transaction.failure
        for case .put(_, _, let lease?) in operations where !leases.contains(lease) {
            return .failure(Refusal(.leaseNotFound))
        }
        var state = now
        var results: [TransactionResult.OperationResult] = []
        for operation in operations { results.append(apply(operation, to: &state)) }
        advance(to: state)
        let told = results.map { result in
            guard case .range(let read) = result else { return result }
            return .range(
                RangeResult(revision: revision, entries: read.entries, hasMore: read.hasMore)
            )
        }
        return .success(TransactionResult(succeeded: succeeded, revision: revision, results: told))
    }

    /// No key is put twice, or put and deleted.
    private static func isOrderly(_ branch: [Transaction.Operation]) -> Bool {
        var put: [StoreKey] = []
        var deleted: [KeyRange] = []
        for operation in branch {
            switch operation {
            case .put(let key, _, _): put.append(key)
            case .delete(let key): deleted.append(.key(key))
            case .deleteRange(let range): deleted.append(range)
            case .range: break
            }
        }
        return Set(put).count == put.count
            && !put.contains { key in deleted.contains { $0.contains(key) } }
    }

    private func apply(
        _ operation: Transaction.Operation,
        to state: inout [StoreKey: StoreEntry]
    ) -> TransactionResult.OperationResult {
        switch operation {
        case .put(let key, let value, let lease):
            let old = state[key]
            state[key] = StoreEntry(
                key: key,
                value: value,
                createRevision: old?.createRevision ?? revision.next,
                modRevision: revision.next,
                version: (old?.version ?? 0) + 1,
                lease: lease
            )
            return .put
        case .delete(let key): return .deleted(state.removeValue(forKey: key) == nil ? 0 : 1)
        case .deleteRange(let range):
            let gone = state.keys.filter { range.contains($0) }
            for key in gone { state[key] = nil }
            return .deleted(gone.count)
        case .range(let query): return .range(Self.range(query, in: state, at: revision))
        }
    }

    /// Makes a revision if the state is another.
    private mutating func advance(to state: [StoreKey: StoreEntry]) {
        let old = now
        let next = revision.next
        let put = state.values.filter { $0.modRevision == next }.map { StoreChange.put($0) }
        let gone = old.keys.filter { state[$0] == nil }.map { StoreChange.delete($0, next) }
        guard !put.isEmpty || !gone.isEmpty else { return }
        changes += put + gone
        revision = next
        states[next] = state
    }

    mutating func compact(before revision: Revision) -> Outcome<Bool> {
        guard revision <= self.revision.next else { return .failure(Refusal(.futureRevision)) }
        oldestChange = max(oldestChange, revision)
        return .success(true)
    }

    // MARK: Leases

    mutating func granted(_ lease: LeaseID) {
        leases.insert(lease)
    }

    mutating func revoke(_ lease: LeaseID) -> Outcome<Revision> {
        guard leases.remove(lease) != nil else { return .failure(Refusal(.leaseNotFound)) }
        advance(to: now.filter { $0.value.lease != lease })
        return .success(revision)
    }

    func keys(of lease: LeaseID) -> Outcome<[StoreKey]> {
        guard leases.contains(lease) else { return .failure(Refusal(.leaseNotFound)) }
        return .success(now.values.filter { $0.lease == lease }.map(\.key).sorted())
    }
}
