import NIOCore
import Synchronization
import XDSCore

/// The open discovery streams, and which of them are one node's.
final class StreamDirectory: Sendable {
    typealias BoundStream = NIOLoopBound<DiscoveryStream>

    fileprivate struct State {
        var streams: [ObjectIdentifier: BoundStream] = [:]
        /// Only the nodes that have said who they are.
        var byNode: [String: Set<ObjectIdentifier>] = [:]
        /// The views that streams have, and how many.
        var views: [ViewID: (view: PublishedView, streams: Int)] = [:]
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
    /// The views that streams have.
    var views: [PublishedView] { state.withLock { $0.views.values.map(\.view) } }

    /// The streams of these nodes; all for nil.
    func streams(of nodeIDs: Set<String>?) -> [BoundStream] {
        guard let nodeIDs else { return all }
        return state.withLock { state in
            nodeIDs.flatMap { state.byNode[$0, default: []] }.compactMap { state.streams[$0] }
        }
    }

    func insert(_ stream: DiscoveryStream, on eventLoop: any EventLoop) {
        let bound = NIOLoopBound(stream, eventLoop: eventLoop)
        state.withLock { $0.streams[ObjectIdentifier(stream)] = bound }
    }

    /// The stream's node is known; false if the node has as many streams as it may have.
    func identify(_ stream: DiscoveryStream, as nodeID: String) -> Bool {
        state.withLock { state in
            guard state.byNode[nodeID, default: []].count < maximumStreamsPerNode else {
                return false
            }
            state.byNode[nodeID, default: []].insert(ObjectIdentifier(stream))
            return true
        }
    }

    /// A stream got its first view.
    func entered(_ view: PublishedView) {
        state.withLock { $0.hold(view) }
    }

    /// A stream went from one view to another.
    func moved(from old: PublishedView, to new: PublishedView) {
        state.withLock { state in
            state.hold(new)
            state.release(old)
        }
    }

    /// - Parameter view: what the stream has; nil when its node isn't known.
    func remove(_ stream: DiscoveryStream, of nodeID: String?, _ view: PublishedView?) {
        let id = ObjectIdentifier(stream)
        state.withLock { state in
            state.streams[id] = nil
            if let view { state.release(view) }
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

extension StreamDirectory.State {
    fileprivate mutating func hold(_ view: PublishedView) {
        views[view.id, default: (view, 0)].streams += 1
    }

    /// A view without streams is let go, so that whoever made it for them can forget it.
    fileprivate mutating func release(_ view: PublishedView) {
        guard let streams = views[view.id]?.streams else { return }
        views[view.id] = streams > 1 ? (view, streams - 1) : nil
    }
}

extension [StreamDirectory.BoundStream] {
    /// Streams that are asked in one turn of an event loop: what else waits there is served in between.
    private static var streamsPerTurn: Int { 64 }

    private var byLoop: some Collection<Self> {
        Dictionary(grouping: self) { ObjectIdentifier($0.eventLoop) }.values
    }

    /// Calls `body` with the streams of each event loop, on that loop: one hop for each loop.
    func forEachLoop(_ body: @escaping @Sendable ([DiscoveryStream]) -> Void) {
        for group in byLoop {
            group.first?.eventLoop.execute { body(group.map(\.value)) }
        }
    }

    /// What `body` says of each stream, asked on its event loop; nothing for nil.
    func answers<Answer: Sendable>(
        _ body: @escaping @Sendable (DiscoveryStream) -> Answer?
    ) async -> [Answer] {
        var answers: [Answer] = []
        for group in byLoop {
            for start in stride(from: 0, to: group.count, by: Self.streamsPerTurn) {
                let turn = group[start..<Swift.min(start + Self.streamsPerTurn, group.count)]
                let asked = group[start].eventLoop.submit { turn.compactMap { body($0.value) } }
                // A loop that shuts down answers nothing more; its streams are gone then.
                answers += (try? await asked.get()) ?? []
            }
        }
        return answers
    }
}
