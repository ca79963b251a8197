/// Changes that happen together or not at all, at one revision, depending on what the store holds.
package struct Transaction: Hashable, Sendable {
    /// All of them must hold for `success` to be done; otherwise `failure` is.
    package var compares: [Compare]
    package var success: [Operation]
    package var failure: [Operation]

    package init(compares: [Compare] = [], success: [Operation], failure: [Operation] = []) {
        self.compares = compares
        self.success = success
        self.failure = failure
    }

    /// A condition on one key.
    ///
    /// A key that doesn't exist has revisions and version 0, no lease and no value: every
    /// comparison with its value is false.
    package enum Compare: Hashable, Sendable {
        case createRevision(StoreKey, Relation, Revision)
        case modRevision(StoreKey, Relation, Revision)
        case version(StoreKey, Relation, Int64)
        case value(StoreKey, Relation, [UInt8])
        /// No lease is less than any.
        case lease(StoreKey, Relation, LeaseID?)

        /// The key is not there.
        package static func isAbsent(_ key: StoreKey) -> Self {
            .version(key, .equal, 0)
        }

        package var key: StoreKey {
            switch self {
            case .createRevision(let key, _, _), .modRevision(let key, _, _),
                .version(let key, _, _), .value(let key, _, _), .lease(let key, _, _):
                key
            }
        }
    }

    /// How what the store holds relates to what the condition names.
    package enum Relation: Hashable, Sendable {
        case equal
        case notEqual
        case less
        case greater
    }

    /// What a branch does, one after the other.
    ///
    /// A branch puts no key twice and none that it deletes.
    package enum Operation: Hashable, Sendable {
        /// A put without a lease takes the key off the one that it had.
        case put(StoreKey, [UInt8], lease: LeaseID? = nil)
        /// Nothing happens when the key is not there.
        case delete(StoreKey)
        case deleteRange(KeyRange)
        /// Reads what the operations before it have made of the range: the present only, and
        /// always with a limit.
        case range(RangeQuery)
    }
}

/// What a transaction did.
package struct TransactionResult: Hashable, Sendable {
    /// What one operation did.
    package enum OperationResult: Hashable, Sendable {
        case put
        case deleted(Int)
        case range(RangeResult)
    }

    /// The compares held, and `success` was done.
    package let succeeded: Bool
    /// The store's revision after it: a new one if something changed, else the one that was there.
    package let revision: Revision
    /// One for each operation of the branch that was done.
    package let results: [OperationResult]

    package init(succeeded: Bool, revision: Revision, results: [OperationResult]) {
        self.succeeded = succeeded
        self.revision = revision
        self.results = results
    }
}

extension Transaction.Compare {
    /// Whether the condition holds for the entry that is under its key.
    package func holds(for entry: StoreEntry?) -> Bool {
        switch self {
        case .createRevision(_, let relation, let revision):
            relation.holds(entry?.createRevision ?? .zero, revision)
        case .modRevision(_, let relation, let revision):
            relation.holds(entry?.modRevision ?? .zero, revision)
        case .version(_, let relation, let version):
            relation.holds(entry?.version ?? 0, version)
        case .value(_, let relation, let value):
            entry.map { relation.holds($0.value, value) } ?? false
        case .lease(_, let relation, let lease):
            relation.holds(entry?.lease?.rawValue ?? 0, lease?.rawValue ?? 0)
        }
    }
}

extension Transaction.Relation {
    func holds<Value: Comparable>(_ lhs: Value, _ rhs: Value) -> Bool {
        switch self {
        case .equal: lhs == rhs
        case .notEqual: lhs != rhs
        case .less: lhs < rhs
        case .greater: lhs > rhs
        }
    }

    /// Bytes are ordered as unsigned numbers, one after the other.
    func holds(_ lhs: [UInt8], _ rhs: [UInt8]) -> Bool {
        switch self {
        case .equal: lhs == rhs
        case .notEqual: lhs != rhs
        case .less: lhs.lexicographicallyPrecedes(rhs)
        case .greater: rhs.lexicographicallyPrecedes(lhs)
        }
    }
}
