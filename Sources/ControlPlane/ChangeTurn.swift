import DequeModule
import GRPC

/// Lets changes happen one after the other, across their waits for the store.
///
/// An actor alone lets another call in at each `await`; a change that was found consistent would
/// then be stored beside one that it was not checked with.
actor ChangeTurn {
    private let maximumWaiting: Int
    private var isTaken = false
    private var waiting = Deque<CheckedContinuation<Void, Never>>()

    init(maximumWaiting: Int = 1_000) {
        self.maximumWaiting = maximumWaiting
    }

    /// Waits for the turn; every call that returns has to be followed by `end`.
    ///
    /// A cancelled task waits as any other: turns are short.
    func begin() async throws(GRPCError) {
        guard isTaken else {
            isTaken = true
            return
        }
        guard waiting.count < maximumWaiting else {
            throw GRPCError(.resourceExhausted, "\(maximumWaiting) changes wait already")
        }
        await withCheckedContinuation { waiting.append($0) }
    }

    func end() {
        if let next = waiting.popFirst() {
            next.resume()
        } else {
            isTaken = false
        }
    }
}
