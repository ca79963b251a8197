/// What the control plane must not lose, with etcd's semantics.
///
/// All reads of the present and all writes are linearizable: what a finished transaction wrote is
/// what every later read sees.
package protocol Store: Sendable {
    /// Batches of changes until the task is cancelled or the store fails.
    ///
    /// A watch has no queue of its own. It holds a cursor and reads the history from there when it
    /// is asked, so a slow reader costs nothing; one that falls behind what is kept gets
    /// `compacted`, and is never silently skipped forward.
    associatedtype Watch: AsyncSequence<ChangeBatch, StoreError> & Sendable

    /// The entries of a range, at one revision.
    ///
    /// Throws `compacted` when the revision's entries are no longer known, `futureRevision` when it
    /// is yet to come, and `limitExceeded` when there are too many and the query has no limit.
    func range(_ query: RangeQuery) async throws(StoreError) -> RangeResult

    /// Does a transaction. When this returns, it is on the disk.
    ///
    /// A cancelled task does not take it back, and an error whose outcome is unknown may belong to
    /// one that was done: the caller that needs to know reads afterwards.
    func commit(_ transaction: Transaction) async throws(StoreError) -> TransactionResult

    /// Changes of the range's keys, from the revision on, which may lie in the future.
    ///
    /// To follow a read without a gap, start at the `next` of its revision.
    func watch(_ range: KeyRange, from revision: Revision) -> Watch

    /// Forgets the history before a revision; what is stored now stays. Forgotten history is no
    /// error.
    ///
    /// The entries as they were just before that revision can still be read, nothing older.
    func compact(before revision: Revision) async throws(StoreError)

    /// A lease for keys that are to go when nobody keeps it alive.
    ///
    /// At least for the time asked for; the store may have a minimum, and takes whole seconds.
    func grantLease(for timeToLive: Duration) async throws(StoreError) -> Lease

    /// Begins the lease's time anew. Throws `leaseNotFound` when it has run out or never was.
    func keepAlive(_ id: LeaseID) async throws(StoreError) -> Lease

    /// Ends the lease and deletes its keys, in one revision. Throws `leaseNotFound`.
    ///
    /// The result is the store's revision afterwards. A lease that runs out ends the same way.
    @discardableResult
    func revoke(_ id: LeaseID) async throws(StoreError) -> Revision

    /// The time that is left, and the attached keys. Throws `leaseNotFound`.
    func status(of id: LeaseID) async throws(StoreError) -> LeaseStatus

    /// Finishes what was asked for, then refuses everything else with `closed`. Watches end with it
    /// too.
    func close() async
}

extension Store {
    /// The entry under a key, as the only one of the result, or none.
    package func get(
        _ key: StoreKey,
        at revision: Revision? = nil
    ) async throws(StoreError) -> RangeResult {
        try await range(RangeQuery(.key(key), at: revision))
    }

    /// All entries whose keys begin with the prefix; the empty prefix means all there are.
    package func range(
        prefix: StoreKey,
        at revision: Revision? = nil,
        limit: Int? = nil
    ) async throws(StoreError) -> RangeResult {
        try await range(RangeQuery(.prefix(prefix), at: revision, limit: limit))
    }

    /// Changes of keys that begin with the prefix.
    package func watch(prefix: StoreKey, from revision: Revision) -> Watch {
        watch(.prefix(prefix), from: revision)
    }
}
