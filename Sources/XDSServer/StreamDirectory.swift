import NIOCore
import Synchronization
import XDSCore

/// The open discovery streams, and which of them are one node's.
final class StreamDirectory: Sendable {
    typealias BoundStream = NIOLoopBound<DiscoveryStream>

    private struct State {
        var streams: [ObjectIdentifier: BoundStream] = [:]
        /// Only the nodes that have said who they are.
        var byNode: [String: Set<ObjectIdentifier>] = [:]
        var views: [ViewID: PublishedView] = [:]
    }

    /// Streams of one node.
    ///
    /// An Envoy that has endpoints on streams of their own opens one for each cluster.
    private let maximumStreamsPerNode: Int
    private let state = Mutex(State())

    init(maximumStreamsPerNode: Int) {
        self.maximumStreamsPerNode = maximumStreamsPerNode
    }

    var count: Int { state.withLock { $0.streams.count } }
    var all: [BoundStream] { state.withLock { Array($0.streams.values) } }
    /// The views that streams have asked for so far.
    var views: [PublishedView] { state.withLock { Array($0.views.values) } }

    func insert(_ stream: DiscoveryStream, on eventLoop: any EventLoop) {
        let bound = NIOLoopBound(stream, eventLoop: eventLoop)
        state.withLock { $0.streams[ObjectIdentifier(stream)] = bound }
    }

    /// The stream's node is known; false if the node has as many streams as it may have.
    func identify(_ stream: DiscoveryStream, as nodeID: String, _ view: PublishedView) -> Bool {
        state.withLock { state in
            guard state.byNode[nodeID, default: []].count < maximumStreamsPerNode else {
                return false
            }
            state.byNode[nodeID, default: []].insert(ObjectIdentifier(stream))
            state.views[view.id] = view
            return true
        }
    }

    func remove(_ stream: DiscoveryStream, of nodeID: String?) {
        let id = ObjectIdentifier(stream)
        state.withLock { state in
            state.streams[id] = nil
            guard let nodeID, var streams = state.byNode[nodeID] else { return }
            streams.remove(id)
            state.byNode[nodeID] = streams.isEmpty ? nil : streams
        }
    }

    /// The other streams of the stream's node; nearly always none.
    func siblings(of stream: DiscoveryStream, _ nodeID: String) -> [BoundStream] {
        let id = ObjectIdentifier(stream)
        return state.withLock { state in
            guard let streams = state.byNode[nodeID], streams.count > 1 else { return [] }
            return streams.compactMap { $0 == id ? nil : state.streams[$0] }
        }
    }
}

extension [StreamDirectory.BoundStream] {
    /// Calls `body` with the streams of each event loop, on that loop: one hop for each loop.
    func forEachLoop(_ body: @escaping @Sendable ([DiscoveryStream]) -> Void) {
        let groups = Dictionary(grouping: self) { ObjectIdentifier($0.eventLoop) }
        for group in groups.values {
            group.first?.eventLoop.execute { body(group.map(\.value)) }
        }
    }
}
