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
    /// A key that doesn't exist has modification revision 0 and version 0, and no value: every
    /// comparison with its value is false.
    package enum Compare: Hashable, Sendable {
        case modRevision(StoreKey, Relation, Revision)
        case version(StoreKey, Relation, Int64)
        case value(StoreKey, Relation, [UInt8])

        /// The key is not there.
        package static func isAbsent(_ key: StoreKey) -> Self {
            .version(key, .equal, 0)
        }

        package var key: StoreKey {
            switch self {
            case .modRevision(let key, _, _), .version(let key, _, _), .value(let key, _, _): key
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

    package enum Operation: Hashable, Sendable {
        case put(StoreKey, [UInt8])
        /// Nothing happens when the key is not there.
        case delete(StoreKey)

        package var key: StoreKey {
            switch self {
            case .put(let key, _), .delete(let key): key
            }
        }
    }
}

/// What a transaction did.
package struct TransactionResult: Hashable, Sendable {
    /// The compares held, and `success` was done.
    package let succeeded: Bool
    /// The store's revision after it: a new one if something changed, else the one that was there.
    package let revision: Revision

    package init(succeeded: Bool, revision: Revision) {
        self.succeeded = succeeded
        self.revision = revision
    }
}

extension Transaction.Compare {
    /// Whether the condition holds for the entry that is under its key.
    func holds(for entry: StoreEntry?) -> Bool {
        switch self {
        case .modRevision(_, let relation, let revision):
            relation.holds(entry?.modRevision ?? .zero, revision)
        case .version(_, let relation, let version):
            relation.holds(entry?.version ?? 0, version)
        case .value(_, let relation, let value):
            entry.map { relation.holds($0.value, value) } ?? false
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
