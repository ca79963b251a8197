import DequeModule
import Synchronization
import XDSCore

/// What has to be known of nodes beyond the end of their streams; nearly all nodes have nothing here.
final class NodeMemories: Sendable {
    private struct State {
        var memories: [String: [TypeURL: ClientMemory]] = [:]
        /// The nodes in the order in which they came; may name one that has nothing any more.
        var order = Deque<String>()
    }

    /// Nodes with something to remember; of more the oldest is forgotten, and is sent a little too much.
    private let maximumNodes: Int
    private let state = Mutex(State())

    init(maximumNodes: Int) {
        self.maximumNodes = maximumNodes
    }

    func memories(of nodeID: String) -> [TypeURL: ClientMemory] {
        state.withLock { $0.memories[nodeID] ?? [:] }
    }

    func remember(_ memory: ClientMemory, of nodeID: String, _ typeURL: TypeURL) {
        state.withLock { state in
            if state.memories[nodeID] == nil {
                guard !memory.isEmpty else { return }
                state.order.append(nodeID)
            }
            state.memories[nodeID, default: [:]][typeURL] = memory.isEmpty ? nil : memory
            if state.memories[nodeID]?.isEmpty == true { state.memories[nodeID] = nil }
            while state.order.count > maximumNodes, let oldest = state.order.popFirst() {
                state.memories[oldest] = nil
            }
        }
    }
}
