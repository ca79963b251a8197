/// What the control plane must not lose, with etcd's semantics.
///
/// All reads and writes are linearizable: what a finished transaction wrote is what every later read sees.
package protocol Store: Sendable {
    /// Batches of changes until the task is cancelled or the store fails.
    ///
    /// A watch has no buffer of its own. It holds a cursor and reads the history from there when it is asked, so a
    /// slow reader costs nothing; one that falls behind what is kept gets `compacted`, and is never silently
    /// skipped forward.
    associatedtype Watch: AsyncSequence<ChangeBatch, StoreError> & Sendable

    /// The entry under a key, as the only one of the result, or none.
    func get(_ key: StoreKey) async throws(StoreError) -> RangeResult

    /// All entries whose keys begin with the prefix, at one revision; the empty prefix means all there are.
    func range(prefix: StoreKey) async throws(StoreError) -> RangeResult

    /// Does a transaction. When this returns, it is on the disk.
    ///
    /// A cancelled task does not take it back: the caller that needs to know reads afterwards.
    func commit(_ transaction: Transaction) async throws(StoreError) -> TransactionResult

    /// Changes of keys that begin with the prefix, from the revision on, which may lie in the future.
    ///
    /// To follow a read without a gap, start at the `next` of its revision.
    func watch(prefix: StoreKey, from revision: Revision) -> Watch

    /// Forgets the history before a revision; what is stored now stays. Forgotten history is no error.
    func compact(before revision: Revision) async throws(StoreError)

    /// Finishes what was asked for, then refuses everything else with `closed`. Watches end with it too.
    func close() async
}
