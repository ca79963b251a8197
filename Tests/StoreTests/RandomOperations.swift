import Primitives
import Store
import Testing

/// Does random operations on a store and on a model of it, and expects the same of both.
struct RandomOperations {
    let seed: UInt64
    let count: Int

    /// - Parameter store: empty, and nobody else's meanwhile.
    func check(_ store: some Store) async throws {
        var run = Run(store: store, seed: seed, model: StoreModel(at: try await store.revision()))
        for step in 0..<count {
            do {
                try await run.step()
            } catch {
                Issue.record("seed \(seed), step \(step): \(error)")
                return
            }
        }
        try await run.compareAll()
        try await run.compareWatch()
    }
}

private struct Run<Storage: Store> {
    let store: Storage
    let seed: UInt64
    var random: SeededRandom
    var model: StoreModel

    init(store: Storage, seed: UInt64, model: StoreModel) {
        self.store = store
        self.seed = seed
        self.random = SeededRandom(seed: seed)
        self.model = model
    }

    struct Difference: Error, CustomStringConvertible {
        let description: String
    }

    private func same<Value: Equatable>(_ what: String, _ ours: Value, _ model: Value) throws {
        guard ours == model else {
            throw Difference(description: "\(what): the store \(ours), the model \(model)")
        }
    }

    mutating func step() async throws {
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<55:
            let transaction = randomTransaction()
            let expected = model.commit(transaction)
            let ours = try await outcome { try await store.commit(transaction) }
            try same("\(transaction)", ours, expected)
        case 55..<80:
            let query = randomQuery()
            let ours = try await outcome { try await store.range(query) }
            try same("\(query)", ours, model.range(query))
        case 80..<86:
            let lease = try await store.grantLease(for: .seconds(600))
            model.granted(lease.id)
        case 86..<90:
            guard let lease = randomLease() else { return }
            let ours = try await outcome { try await store.revoke(lease) }
            try same("revoke", ours, model.revoke(lease))
        case 90..<94:
            guard let lease = randomLease() else { return }
            let ours = try await outcome { try await store.status(of: lease).keys }
            try same("keys of a lease", ours, model.keys(of: lease))
        case 94..<97:
            let key = randomKey()
            let ours = try await outcome { try await store.history(of: key) }
            try same("history of \(key)", ours, .success(model.history(of: key)))
        default:
            let before = randomRevision()
            let ours = try await outcome {
                try await store.compact(before: before)
                return true
            }
            let expected = model.compact(before: before)
            try same("compact before \(before)", ours, expected)
        }
    }

    func compareAll() async throws {
        try same(
            "everything",
            try await store.range(prefix: ""),
            try model.range(.init(.all)).get()
        )
    }

    /// What a watch from the oldest revision tells is what the model remembers.
    func compareWatch() async throws {
        let expected = model.changesKept
        guard !expected.isEmpty else { return }
        var told: [StoreChange] = []
        var watch = store.watch(.all, from: model.oldestChange).makeAsyncIterator()
        while told.count < expected.count, let batch = try await watch.next(isolation: nil) {
            told += batch.changes
        }
        try same("the watch", told, expected)
    }

    // MARK: What is done

    private func outcome<Value>(
        _ body: () async throws -> Value
    ) async throws -> Result<Value, StoreModel.Refusal> {
        do {
            return .success(try await body())
        } catch let error as StoreError {
            return .failure(StoreModel.Refusal(error.code))
        }
    }

    // MARK: What is random

    private mutating func randomKey() -> StoreKey {
        "k\(Int.random(in: 0..<8, using: &random))"
    }

    private mutating func randomRange() -> KeyRange {
        switch Int.random(in: 0..<4, using: &random) {
        case 0: return .all
        case 1: return .key(randomKey())
        case 2: return KeyRange(from: randomKey(), to: nil)
        default:
            let (first, second) = (randomKey(), randomKey())
            return first == second
                ? .prefix(first) : KeyRange(from: min(first, second), to: max(first, second))
        }
    }

    private mutating func randomRevision() -> Revision {
        let from = max(model.base.rawValue, model.revision.rawValue - 30)
        return Revision(Int64.random(in: from...(model.revision.rawValue + 2), using: &random))
    }

    private mutating func randomQuery() -> RangeQuery {
        RangeQuery(
            randomRange(),
            at: Bool.random(using: &random) ? randomRevision() : nil,
            limit: Bool.random(using: &random) ? Int.random(in: 1...5, using: &random) : nil
        )
    }

    /// One of the leases that there are, or at times one that there is not.
    private mutating func randomLease() -> LeaseID? {
        if Int.random(in: 0..<10, using: &random) == 0 { return LeaseID(4_711) }
        return model.leases.sorted().randomElement(using: &random)
    }

    private mutating func randomTransaction() -> Transaction {
        Transaction(
            compares: (0..<Int.random(in: 0...2, using: &random)).map { _ in randomCompare() },
            success: randomBranch(),
            failure: randomBranch()
        )
    }

    private mutating func randomBranch() -> [Transaction.Operation] {
        (0..<Int.random(in: 0...3, using: &random)).map { _ in
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<6:
                let lease = Int.random(in: 0..<3, using: &random) == 0 ? randomLease() : nil
                return .put(randomKey(), [UInt8.random(in: 0...9, using: &random)], lease: lease)
            case 6..<8: return .delete(randomKey())
            case 8: return .deleteRange(.prefix(randomKey()))
            default:
                let limit = Int.random(in: 1...5, using: &random)
                return .range(RangeQuery(randomRange(), limit: limit))
            }
        }
    }

    private mutating func randomCompare() -> Transaction.Compare {
        let relations: [Transaction.Relation] = [.equal, .notEqual, .less, .greater]
        let relation = relations[Int.random(in: 0..<4, using: &random)]
        let key = randomKey()
        switch Int.random(in: 0..<5, using: &random) {
        case 0: return .createRevision(key, relation, randomRevision())
        case 1: return .modRevision(key, relation, randomRevision())
        case 2: return .version(key, relation, Int64.random(in: 0...4, using: &random))
        case 3: return .value(key, relation, [UInt8.random(in: 0...9, using: &random)])
        default: return .lease(key, relation, Bool.random(using: &random) ? randomLease() : nil)
        }
    }
}
