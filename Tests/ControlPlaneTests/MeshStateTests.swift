import EnvoyAPI
import Membership
import Mesh
import Primitives
import SwiftProtobuf
import Testing
import XDSCore
import XDSServer

@testable import ControlPlane

/// Which view a node gets, and what is in it.
@Suite struct MeshStateTests {
    static let yaml = """
        apiVersion: meridian/v1
        kind: Mesh
        name: test
        regions:
          - name: east
          - name: west
        roundTripTimes:
          - between: [east, west]
            time: 50ms
        services:
          - name: reports
            routes: [/reports/]
          - name: billing
            routes: [/billing/]
        """

    static func state(views: ViewTable = ViewTable()) throws -> MeshState {
        let mesh = try Mesh.parse(yaml, file: "mesh.yaml")
        return MeshState(mesh: mesh, shares: Shares(), revision: 1, views: views)
    }

    static func node(_ id: String, region: String = "east") -> Envoy_Config_Core_V3_Node {
        .with {
            $0.id = id
            $0.locality.region = region
        }
    }

    static func raw(
        _ type: TypeURL,
        _ name: ResourceName,
        _ version: XDSCore.Version = "v1"
    ) -> RawResources.Resources {
        let resource = EncodedResource(typeURL: type, name: name, version: version, bytes: [1])
        return [resource.reference: resource]
    }

    static func endpoint(_ port: UInt16) -> MemberEndpoint {
        MemberEndpoint(
            Registration(
                workerID: WorkerID("w\(port)"),
                service: "reports",
                version: "",
                locality: Locality(region: "east"),
                address: EndpointAddress(host: "127.0.0.1", port: port),
                capacity: 1,
                lease: .seconds(5)
            ),
            health: .serving
        )
    }

    private func version(
        _ view: PublishedView,
        _ type: TypeURL,
        _ name: ResourceName
    ) -> XDSCore.Version? {
        view.current.journal(of: type).resource(named: name)?.version
    }

    @Test func `nodes of one scope share its view`() throws {
        let state = try Self.state()
        let first = try state.view(of: Self.node("n1"))
        #expect(try state.view(of: Self.node("n2")) === first)
        #expect(try state.view(of: Self.node("n3", region: "west")) !== first)
    }

    @Test func `a raw resource is for its nodes only and replaces the translated one`() throws {
        let state = try Self.state()
        let before = try state.view(of: Self.node("n1"))
        let affected = state.rawChanged(
            of: NodeSelector(nodeID: "n1"),
            to: Self.raw(.cluster, "reports")
        )
        let own = try state.view(of: Self.node("n1"))
        let others = try state.view(of: Self.node("n2"))
        #expect(affected == .these(["n1"]))
        #expect(own !== before && others === before)
        #expect(version(own, .cluster, "reports") == "v1")
        #expect(version(own, .cluster, "billing") == version(others, .cluster, "billing"))
        #expect(version(others, .cluster, "reports") != "v1")
    }

    @Test func `another resource for the same nodes changes their view in place`() throws {
        let state = try Self.state()
        let selector = NodeSelector(region: "east")
        #expect(state.rawChanged(of: selector, to: Self.raw(.cluster, "a")) == .all)
        let view = try state.view(of: Self.node("n1"))
        let affected = state.rawChanged(of: selector, to: Self.raw(.cluster, "a", "v2"))
        #expect(affected == .none)
        #expect(try state.view(of: Self.node("n2")) === view)
        #expect(version(view, .cluster, "a") == "v2")
    }

    @Test func `without its last raw resource a node is back at its scope's view`() throws {
        let state = try Self.state()
        let shared = try state.view(of: Self.node("n1"))
        let selector = NodeSelector(nodeID: "n1")
        _ = state.rawChanged(of: selector, to: Self.raw(.cluster, "a"))
        let own = try state.view(of: Self.node("n1"))
        let affected = state.rawChanged(of: selector, to: [:])
        #expect(affected == .these(["n1"]))
        #expect(version(own, .cluster, "a") == nil)
        #expect(try state.view(of: Self.node("n1")) === shared)
    }

    @Test func `endpoints reach every view but one that has raw ones`() throws {
        let state = try Self.state()
        _ = state.rawChanged(
            of: NodeSelector(nodeID: "n1"),
            to: Self.raw(.clusterLoadAssignment, "reports")
        )
        _ = state.rawChanged(of: NodeSelector(nodeID: "n2"), to: Self.raw(.cluster, "a"))
        let views = try ["n1", "n2", "n3"].map { try state.view(of: Self.node($0)) }
        let before = views.map { version($0, .clusterLoadAssignment, "reports") }
        state.endpointsChanged(["reports": [Self.endpoint(9_000)]])
        let after = views.map { version($0, .clusterLoadAssignment, "reports") }
        #expect(after[0] == "v1")
        #expect(after[1] == after[2])
        #expect(before[1] != after[1])
    }

    @Test func `a node beyond the bound on views is refused`() throws {
        let state = try Self.state(views: ViewTable(maximumViews: 1))
        _ = try state.view(of: Self.node("n1"))
        #expect(throws: RefusedNode.self) {
            try state.view(of: Self.node("n2", region: "west"))
        }
    }
}
