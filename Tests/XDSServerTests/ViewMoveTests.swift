import GRPC
import Synchronization
import Testing
import XDSCore
import XDSServer

/// Nodes whose view becomes another one while they are connected.
@Suite struct ViewMoveTests {
    /// Which view each node gets.
    private final class Choice: Sendable {
        let views: [PublishedView]
        private let byNode = Mutex<[String: Int]>([:])

        init(_ contents: [[EncodedResource]]) {
            views = contents.enumerated().map { index, resources in
                let view = PublishedView(id: ViewID(UInt64(100 + index)))
                _ = view.replace(with: resources)
                return view
            }
        }

        func give(_ nodeID: String, _ index: Int) {
            byNode.withLock { $0[nodeID] = index }
        }

        func view(of node: Node) throws(RefusedNode) -> PublishedView {
            let index = byNode.withLock { $0[node.id] ?? 0 }
            guard views.indices.contains(index) else { throw .invalid("there is no view") }
            return views[index]
        }
    }

    private static func with(
        _ choice: Choice,
        _ body: (DiscoveryPair) async throws -> Void
    ) async throws {
        try await DiscoveryPair.with(
            [],
            viewOf: { node throws(RefusedNode) in try choice.view(of: node) },
            body
        )
    }

    private static func connect(
        _ pair: DiscoveryPair,
        _ nodeID: String
    ) async throws -> (
        DiscoveryCall<DeltaDiscoveryRequest, DeltaDiscoveryResponse>, DeltaDiscoveryResponse
    ) {
        let stream = try await pair.openDelta()
        try await stream.subscribe(.listener, "*", node: .with { $0.id = nodeID })
        let first = try await stream.next()
        try await stream.ack(first)
        return (stream, first)
    }

    @Test func `a node that gets another view is sent only what differs`() async throws {
        let choice = Choice([
            [resource(.listener, "a"), resource(.listener, "b"), resource(.listener, "c")],
            [resource(.listener, "a"), resource(.listener, "b", "2"), resource(.listener, "d")],
        ])
        try await Self.with(choice) { pair in
            let (stream, first) = try await Self.connect(pair, "moves")
            choice.give("moves", 1)
            pair.service.viewsMayHaveChanged(of: ["moves"])
            let second = try await stream.next()

            #expect(first.resources.map(\.name) == ["a", "b", "c"])
            #expect(second.resources.map(\.name) == ["b", "d"])
            #expect(second.removedResources == ["c"])
            #expect(pair.service.counters["xds_view_moves"] == 1)
        }
    }

    @Test func `a moved node follows its new view and no longer its old one`() async throws {
        let choice = Choice([[resource(.listener, "a")], [resource(.listener, "a")]])
        try await Self.with(choice) { pair in
            let (stream, _) = try await Self.connect(pair, "moves")
            let (staying, _) = try await Self.connect(pair, "stays")
            choice.give("moves", 1)
            pair.service.viewsMayHaveChanged()
            // The streams of one loop move in one go, so a confirmation comes after the move.
            _ = await pair.service.waitUntilConfirmed(cap: .seconds(30))
            _ = choice.views[0].replace(with: [resource(.listener, "a", "old")])
            choice.views[0].notifyStreams()
            let stayed = try await staying.next()
            _ = choice.views[1].replace(with: [resource(.listener, "a", "new")])
            choice.views[1].notifyStreams()
            let moved = try await stream.next()

            #expect(stayed.resources.map(\.version) == ["old"])
            #expect(moved.resources.map(\.version) == ["new"])
        }
    }

    @Test func `a node that gets no view keeps the one that it has`() async throws {
        let choice = Choice([[resource(.listener, "a")]])
        try await Self.with(choice) { pair in
            let (stream, _) = try await Self.connect(pair, "node")
            choice.give("node", 99)
            pair.service.viewsMayHaveChanged()
            _ = choice.views[0].replace(with: [resource(.listener, "a", "2")])
            choice.views[0].notifyStreams()
            let next = try await stream.next()

            #expect(next.resources.map(\.version) == ["2"])
            #expect(pair.service.counters["xds_view_moves"] == 0)
        }
    }

    @Test func `removals of a move wait for the routes that lead elsewhere`() async throws {
        let choice = Choice([
            [
                resource(.cluster, "old"), resource(.clusterLoadAssignment, "old"),
                resource(.routeConfiguration, "r", "to-old"),
            ],
            [
                resource(.cluster, "new"), resource(.clusterLoadAssignment, "new"),
                resource(.routeConfiguration, "r", "to-new"),
            ],
        ])
        try await Self.with(choice) { pair in
            let stream = try await pair.openDelta()
            try await stream.subscribe(.cluster, "*")
            try await stream.ack(stream.next())
            try await stream.subscribe(.routeConfiguration, "r", node: nil)
            try await stream.ack(stream.next())
            choice.give(Node.test.id, 1)
            pair.service.viewsMayHaveChanged()
            let added = try await stream.next()
            try await stream.ack(added)
            let routes = try await stream.next()
            try await stream.ack(routes)
            let removal = try await stream.next()

            #expect(added.resources.map(\.name) == ["new"])
            #expect(added.removedResources.isEmpty)
            #expect(routes.resources.map(\.version) == ["to-new"])
            #expect(removal.removedResources == ["old"])
        }
    }
}
