import NIOCore
import Synchronization

/// One wait for a number of streams to accept what was published before.
///
/// The streams report on their event loops; whichever comes last, or the deadline, ends the wait.
final class Confirmation: Sendable {
    private struct State {
        var isOver = false
        var confirmed = 0
        var waiter: CheckedContinuation<Int, Never>?
    }

    private let expected: Int
    private let state = Mutex(State())

    init(expected: Int) {
        self.expected = expected
    }

    var isOver: Bool { state.withLock { $0.isOver } }

    func streamConfirmed() {
        end { state in
            state.confirmed += 1
            return state.confirmed == expected
        }
    }

    func deadlinePassed() {
        end { _ in true }
    }

    /// How many streams have confirmed when the wait is over.
    ///
    /// Call it once.
    func wait() async -> Int {
        await withCheckedContinuation { waiter in
            let confirmed: Int? = state.withLock { state in
                if state.isOver || expected == 0 { return state.confirmed }
                state.waiter = waiter
                return nil
            }
            if let confirmed { waiter.resume(returning: confirmed) }
        }
    }

    private func end(_ isLast: (inout State) -> Bool) {
        let (waiter, confirmed) = state.withLock {
            state -> (CheckedContinuation<Int, Never>?, Int) in
            guard !state.isOver, isLast(&state) else { return (nil, 0) }
            state.isOver = true
            defer { state.waiter = nil }
            return (state.waiter, state.confirmed)
        }
        waiter?.resume(returning: confirmed)
    }
}
