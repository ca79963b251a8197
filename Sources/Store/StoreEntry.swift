/// A key with its value and where it stands in the store's history.
package struct StoreEntry: Hashable, Sendable {
    package let key: StoreKey
    package let value: [UInt8]
    /// The revision at which the key came into being; a new one after a delete.
    package let createRevision: Revision
    /// The revision of the last put.
    package let modRevision: Revision
    /// Puts since the key came into being: 1 for the first.
    package let version: Int64
    /// The lease that the key goes with.
    package let lease: LeaseID?

    package init(
        key: StoreKey,
        value: [UInt8],
        createRevision: Revision,
        modRevision: Revision,
        version: Int64,
        lease: LeaseID? = nil
    ) {
        self.key = key
        self.value = value
        self.createRevision = createRevision
        self.modRevision = modRevision
        self.version = version
        self.lease = lease
    }
}

/// What a read found, and the revision that it is true for.
package struct RangeResult: Hashable, Sendable {
    /// The revision that was asked for, or the store's at the time of the read.
    ///
    /// Not the entries' newest: a watch goes on from its `next`.
    package let revision: Revision
    /// Ordered by key.
    package let entries: [StoreEntry]
    /// The limit left some out.
    package let hasMore: Bool

    package init(revision: Revision, entries: [StoreEntry], hasMore: Bool = false) {
        self.revision = revision
        self.entries = entries
        self.hasMore = hasMore
    }
}

/// One step in the history of a key.
package enum StoreChange: Hashable, Sendable {
    case put(StoreEntry)
    case delete(StoreKey, Revision)

    package var key: StoreKey {
        switch self {
        case .put(let entry): entry.key
        case .delete(let key, _): key
        }
    }

    package var revision: Revision {
        switch self {
        case .put(let entry): entry.modRevision
        case .delete(_, let revision): revision
        }
    }
}

/// Changes that a watch saw, in the order of their revisions, those of one revision by their keys.
///
/// All changes of one revision are in one batch.
package struct ChangeBatch: Hashable, Sendable {
    /// The watch has told everything up to here.
    package let revision: Revision
    package let changes: [StoreChange]

    package init(revision: Revision, changes: [StoreChange]) {
        self.revision = revision
        self.changes = changes
    }
}
