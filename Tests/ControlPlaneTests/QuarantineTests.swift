import EnvoyAPI
import Mesh
import Primitives
import Quarantine
import Testing
import XDSCore
import XDSServer

@testable import ControlPlane

/// What the views of nodes are that refuse something.
@Suite struct QuarantineTests {
    private static let routes = ResourceReference(.routeConfiguration, "egress")

    private static func yaml(reports: String = "3s", billing: String = "3s") -> String {
        MeshStateTests.yaml
            .replacing("[/reports/]", with: "[/reports/]\n    timeout: \(reports)")
            .replacing("[/billing/]", with: "[/billing/]\n    timeout: \(billing)")
    }

    private static func mesh(_ yaml: String) throws -> Mesh {
        try Mesh.parse(yaml, file: "mesh.yaml")
    }

    private static func state() throws -> MeshState {
        MeshState(mesh: try mesh(yaml()), shares: Shares(), revision: 1)
    }

    /// Changes the reports in revision 2; what the routes were made of before is returned.
    private static func change(_ state: MeshState) throws -> ResourceOrigin? {
        let before = try routes(state, "n1").origin
        state.meshChanged(to: try mesh(yaml(reports: "9s")), shares: Shares(), revision: 2)
        return before
    }

    private static func routes(_ state: MeshState, _ node: String) throws -> EncodedResource {
        let view = try state.view(of: MeshStateTests.node(node))
        return try #require(
            view.current.journal(of: .routeConfiguration).resource(named: "egress")
        )
    }

    /// The routes' prefixes with their timeouts in seconds.
    private static func table(_ state: MeshState, _ node: String) throws -> [String: Int64] {
        let configuration = try Envoy_Config_Route_V3_RouteConfiguration(
            serializedBytes: routes(state, node).bytes
        )
        let routes = configuration.virtualHosts.flatMap(\.routes)
        return Dictionary(
            uniqueKeysWithValues: routes.map {
                ($0.match.prefix, $0.route.maxStreamDuration.maxStreamDuration.seconds)
            }
        )
    }

    private static func refuse(
        _ state: MeshState,
        _ node: String,
        acceptedBefore: ResourceOrigin?,
        text: String = "bad"
    ) throws -> MeshState.Consequences {
        let origin = try #require(try routes(state, node).origin)
        let detail = ErrorDetail(code: 13, message: text)
        return state.answered(
            [
                AggregateAnswer(
                    reference: routes,
                    origin: origin,
                    verdict: .refused(acceptedBefore: acceptedBefore, detail)
                )
            ],
            by: node
        )
    }

    @Test func `a culprit is served as it was, for the node that refuses it`() throws {
        let state = try Self.state()
        let before = try Self.change(state)
        let consequences = try Self.refuse(state, "n1", acceptedBefore: before)
        #expect(consequences.hasMoved)
        #expect(consequences.verdicts.map(\.culprit.part.object) == ["service reports"])
        #expect(consequences.verdicts.map(\.culprit.part.revision) == [2])
        #expect(try Self.table(state, "n1") == ["/reports/": 3, "/billing/": 3])
        #expect(try Self.table(state, "n2") == ["/reports/": 9, "/billing/": 3])
    }

    @Test func `nodes with the same quarantine share a view`() throws {
        let state = try Self.state()
        let before = try Self.change(state)
        for node in ["n1", "n2"] {
            _ = try Self.refuse(state, node, acceptedBefore: before)
        }
        let first = try state.view(of: MeshStateTests.node("n1"))
        let second = try state.view(of: MeshStateTests.node("n2"))
        let other = try state.view(of: MeshStateTests.node("n3"))
        #expect(first === second)
        #expect(first !== other)
    }

    @Test func `changes of others reach a node with a quarantine`() throws {
        let state = try Self.state()
        let before = try Self.change(state)
        _ = try Self.refuse(state, "n1", acceptedBefore: before)
        let view = try state.view(of: MeshStateTests.node("n1"))
        state.meshChanged(
            to: try Self.mesh(Self.yaml(reports: "9s", billing: "5s")),
            shares: Shares(),
            revision: 3
        )
        #expect(try state.view(of: MeshStateTests.node("n1")) === view)
        #expect(try Self.table(state, "n1") == ["/reports/": 3, "/billing/": 5])
        #expect(state.refusals.map(\.revision) == [2])
    }

    @Test func `a corrected object moves its nodes back, before their old views are told`() throws {
        let state = try Self.state()
        let shared = try state.view(of: MeshStateTests.node("n1"))
        let before = try Self.change(state)
        _ = try Self.refuse(state, "n1", acceptedBefore: before)
        var moved: Set<String> = []
        state.meshChanged(
            to: try Self.mesh(Self.yaml(reports: "8s")),
            shares: Shares(),
            revision: 3
        ) {
            moved = $0
        }
        #expect(moved == ["n1"])
        #expect(try state.view(of: MeshStateTests.node("n1")) === shared)
        #expect(state.refusals.isEmpty)
        #expect(state.quarantineCounters["xds_quarantined_objects"] == 0)
        #expect(state.quarantineCounters["xds_quarantine_nodes"] == 0)
    }

    @Test func `what is excluded entirely leaves an aggregate that answers can be for`() throws {
        let state = try Self.state()
        // Nothing is known of the node, and it refuses everything.
        for _ in 0..<10 { _ = try Self.refuse(state, "n1", acceptedBefore: nil) }
        let origin = try #require(try Self.routes(state, "n1").origin)
        #expect(origin.isAggregate)
        #expect(try Self.table(state, "n1").isEmpty || !state.refusals.isEmpty)
    }

    @Test func `services' revisions are read as they were written`() {
        let revisions: [ServiceName: UInt64] = ["reports": 7, "a": .max]
        let bytes = MeshRecords.encode(unchanged: revisions)
        #expect(MeshRecords.decodeServiceRevisions(bytes) == revisions)
        #expect(String(decoding: bytes, as: UTF8.self) == "a \(UInt64.max)\nreports 7\n")
        #expect(MeshRecords.decodeServiceRevisions(Array("x\ny z\n\n".utf8)).isEmpty)
        #expect(MeshRecords.decodeServiceRevisions([]).isEmpty)
    }

    @Test func `an operator's own routes stand, whatever was refused before`() throws {
        let state = try Self.state()
        let before = try Self.change(state)
        _ = try Self.refuse(state, "n1", acceptedBefore: before)
        _ = state.rawChanged(
            of: NodeSelector(nodeID: "n1"),
            to: MeshStateTests.raw(.routeConfiguration, "egress")
        )
        #expect(try Self.routes(state, "n1").version == "v1")
    }
}
