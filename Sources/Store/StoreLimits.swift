/// What a store accepts at most.
///
/// The defaults are within etcd's own, so that every implementation takes the same.
package struct StoreLimits: Hashable, Sendable {
    package var maximumKeyBytes = 1_024
    /// Keys and values of one transaction together; etcd refuses requests of more than 1.5 MiB.
    package var maximumTransactionBytes = 1_048_576
    /// In each list of a transaction: compares, success, failure.
    ///
    /// etcd's `--max-txn-ops`.
    package var maximumOperationsPerTransaction = 128
    /// Entries that one range may return.
    package var maximumRangeEntries = 200_000
    /// Entries that a range in a transaction may ask for.
    package var maximumRangeEntriesInTransaction = 1_000
    /// Changes that one batch of a watch carries, beside the rest of the revision that passes it.
    package var maximumChangesPerBatch = 1_000
    /// The longest lease.
    package var maximumLease: Duration = .seconds(30 * 86_400)

    package init() {}

    // MARK: Transactions

    /// Throws when a transaction is not one that the store can do.
    package func check(_ transaction: Transaction) throws(StoreError) {
        guard
            transaction.compares.count <= maximumOperationsPerTransaction,
            transaction.success.count <= maximumOperationsPerTransaction,
            transaction.failure.count <= maximumOperationsPerTransaction
        else {
            throw .limitExceeded(
                """
                a transaction has at most \(maximumOperationsPerTransaction) compares and \
                operations of a branch
                """
            )
        }
        var bytes = 0
        for compare in transaction.compares {
            try check(compare.key)
            bytes += compare.key.bytes.count
            if case .value(_, _, let value) = compare { bytes += value.count }
        }
        bytes += try check(branch: transaction.success)
        bytes += try check(branch: transaction.failure)
        guard bytes <= maximumTransactionBytes else {
            throw .limitExceeded(
                "a transaction of \(bytes) bytes, expected at most \(maximumTransactionBytes)"
            )
        }
    }

    /// The branch's size.
    private func check(branch: [Transaction.Operation]) throws(StoreError) -> Int {
        var bytes = 0
        var put = Set<StoreKey>()
        var deleted: [KeyRange] = []
        for operation in branch {
            switch operation {
            case .put(let key, let value, _):
                try check(key)
                bytes += key.bytes.count + value.count
                guard put.insert(key).inserted else {
                    throw .invalid("a transaction puts the key \(key) twice")
                }
            case .delete(let key):
                try check(key)
                bytes += key.bytes.count
                deleted.append(.key(key))
            case .deleteRange(let range):
                bytes += try check(range)
                deleted.append(range)
            case .range(let query):
                bytes += try check(query.range)
                try checkInTransaction(query)
            }
        }
        // What is put and deleted at one revision would have no order; etcd refuses it.
        for key in put where deleted.contains(where: { $0.contains(key) }) {
            throw .invalid("a transaction puts and deletes the key \(key)")
        }
        return bytes
    }

    private func checkInTransaction(_ query: RangeQuery) throws(StoreError) {
        guard query.revision == nil else {
            throw .invalid("a range in a transaction reads the present, not an older revision")
        }
        guard let limit = query.limit, (1...maximumRangeEntriesInTransaction).contains(limit)
        else {
            throw .limitExceeded(
                """
                a range in a transaction has a limit of 1 to \(maximumRangeEntriesInTransaction) \
                entries
                """
            )
        }
    }

    // MARK: Reads

    /// Throws when a range is not one that the store can read.
    package func check(_ query: RangeQuery) throws(StoreError) {
        _ = try check(query.range)
        if let limit = query.limit, !(1...maximumRangeEntries).contains(limit) {
            throw .limitExceeded(
                "a limit of \(limit) entries, expected 1 to \(maximumRangeEntries)"
            )
        }
        if let revision = query.revision, revision < .zero {
            throw .invalid("the revision \(revision), expected one that the store has been at")
        }
    }

    /// The range's size.
    @discardableResult
    package func check(_ range: KeyRange) throws(StoreError) -> Int {
        guard !range.isEmpty else { throw .invalid("the range \(range) ends before it starts") }
        // The end of a single key's range is one byte longer than the key.
        for key in [range.start, range.end ?? range.start]
        where key.bytes.count > maximumKeyBytes + 1 {
            throw tooLong(key)
        }
        return range.start.bytes.count + (range.end?.bytes.count ?? 0)
    }

    private func check(_ key: StoreKey) throws(StoreError) {
        guard !key.bytes.isEmpty else { throw .invalid("a key is empty") }
        guard key.bytes.count <= maximumKeyBytes else { throw tooLong(key) }
    }

    private func tooLong(_ key: StoreKey) -> StoreError {
        .limitExceeded("a key of \(key.bytes.count) bytes, expected at most \(maximumKeyBytes)")
    }

    // MARK: Leases

    /// A lease's time in whole seconds, rounded up.
    package func leaseSeconds(_ timeToLive: Duration) throws(StoreError) -> Int64 {
        guard timeToLive > .zero, timeToLive <= maximumLease else {
            throw .limitExceeded("a lease of \(timeToLive), expected one up to \(maximumLease)")
        }
        let (seconds, attoseconds) = timeToLive.components
        return attoseconds > 0 ? seconds + 1 : seconds
    }
}
