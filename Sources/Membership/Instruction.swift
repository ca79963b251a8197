package import Primitives

/// What the shell has to do after an event, in the order given.
///
/// `save` and `forget` come first: nothing is published or granted that a restart would not know. The ones of one
/// event belong into one transaction.
package enum Instruction: Hashable, Sendable {
    /// Write the registration to the store, over an older one of the same worker.
    case save(StoredRegistration)
    /// Delete the worker's registration from the store, unless its epoch there is a newer one.
    case forget(WorkerID, Epoch)
    /// Take the endpoint out of the configuration.
    case withdraw(MemberEndpoint)
    /// Put the endpoint into the configuration, or replace what is known of it.
    case publish(MemberEndpoint)
    /// End the stream with the reason. Its worker no longer holds a registration there.
    case fence(StreamID, Fence)
}

/// What a stream that lost its registration is told.
package struct Fence: Hashable, Sendable {
    /// The rule by which a registration ended.
    package enum Reason: Hashable, Sendable {
        /// The same worker registered again. Only the newer process may go on.
        case superseded(by: Epoch)
        /// Another worker registered at the same address.
        case addressTaken(by: WorkerID)
        /// Nothing was heard for longer than the lease. The worker may register again.
        case leaseExpired
    }

    package let workerID: WorkerID
    package let epoch: Epoch
    package let reason: Reason

    package init(workerID: WorkerID, epoch: Epoch, reason: Reason) {
        self.workerID = workerID
        self.epoch = epoch
        self.reason = reason
    }
}
