import GRPC
import Synchronization
import Testing
import XDSCore
import XDSServer

/// A node that refuses an aggregate, and whoever decides on its view then.
@Suite struct AggregateMoveTests {
    private static func routes(_ revision: UInt64) -> EncodedResource {
        let part = ObjectPart(object: "service a", revision: revision, bytes: [UInt8(revision)])
        return EncodedResource(
            typeURL: .routeConfiguration,
            name: "egress",
            version: XDSCore.Version("\(revision)"),
            bytes: [],
            origin: ResourceOrigin(
                objects: [part.object],
                revision: revision,
                composition: Composition([part])
            )
        )
    }

    @Test func `a node that refuses is moved to the view that it gets then`() async throws {
        let views = [2, 1].map { (revision: UInt64) in
            let view = PublishedView(id: ViewID(100 + revision))
            _ = view.replace(with: [Self.routes(revision)])
            return view
        }
        let refused = Mutex<Set<String>>([])
        let said = Mutex<[String]>([])
        try await DiscoveryPair.with(
            [],
            answered: { answers, nodeID in
                var hasMoved = false
                for answer in answers {
                    switch answer.verdict {
                    case .accepted:
                        said.withLock { $0.append("\(nodeID) +\(answer.origin.revision)") }
                    case .refused:
                        said.withLock { $0.append("\(nodeID) -\(answer.origin.revision)") }
                        hasMoved = refused.withLock { $0.insert(nodeID).inserted }
                    }
                }
                return hasMoved
            },
            viewOf: { node throws(RefusedNode) in
                views[refused.withLock { $0.contains(node.id) } ? 1 : 0]
            }
        ) { pair in
            let stream = try await pair.openDelta()
            try await stream.subscribe(.routeConfiguration, "egress")
            let bad = try await stream.next()
            try await stream.send {
                $0.typeURL = bad.typeURL
                $0.responseNonce = bad.nonce
                $0.errorDetail.message = "no"
            }
            let good = try await stream.next()
            try await stream.ack(good)
            // Answered, so the acknowledgement has been taken in.
            try await stream.subscribe(.routeConfiguration, "x")
            _ = try await stream.next()
            let other = try await pair.openDelta()
            try await other.subscribe(.routeConfiguration, "egress", node: .with { $0.id = "two" })
            let untouched = try await other.next()
            #expect(bad.resources.map(\.version) == ["2"])
            #expect(good.resources.map(\.version) == ["1"])
            #expect(untouched.resources.map(\.version) == ["2"])
            #expect(said.withLock { $0 } == ["node-1 -2", "node-1 +1"])
        }
    }
}
