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
    /// Changes that one batch of a watch carries, beside the rest of the revision that passes it.
    package var maximumChangesPerBatch = 1_000

    package init() {}

    /// Throws when a transaction is not one that the store can do.
    func check(_ transaction: Transaction) throws(StoreError) {
        let branches = [transaction.success, transaction.failure]
        guard
            transaction.compares.count <= maximumOperationsPerTransaction,
            branches.allSatisfy({ $0.count <= maximumOperationsPerTransaction })
        else {
            throw .limitExceeded(
                "a transaction has at most \(maximumOperationsPerTransaction) compares and operations of a branch"
            )
        }
        var bytes = 0
        for compare in transaction.compares {
            try check(compare.key)
            bytes += compare.key.bytes.count
            if case .value(_, _, let value) = compare { bytes += value.count }
        }
        for branch in branches {
            var keys = Set<StoreKey>()
            for operation in branch {
                try check(operation.key)
                bytes += operation.key.bytes.count
                if case .put(_, let value) = operation { bytes += value.count }
                // Two operations on one key have no order in etcd, which refuses them.
                guard keys.insert(operation.key).inserted else {
                    throw .invalid("a transaction changes the key \(operation.key) twice")
                }
            }
        }
        guard bytes <= maximumTransactionBytes else {
            throw .limitExceeded(
                "a transaction of \(bytes) bytes, expected at most \(maximumTransactionBytes)"
            )
        }
    }

    private func check(_ key: StoreKey) throws(StoreError) {
        guard !key.bytes.isEmpty else { throw .invalid("a key is empty") }
        guard key.bytes.count <= maximumKeyBytes else {
            throw .limitExceeded(
                "a key of \(key.bytes.count) bytes, expected at most \(maximumKeyBytes)"
            )
        }
    }
}
