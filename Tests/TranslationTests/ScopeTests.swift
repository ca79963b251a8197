import EnvoyAPI
import Mesh
import Primitives
import SwiftProtobuf
import Testing
import Translation

@Suite struct ScopeTests {
    @Test func `a node's locality and metadata make its scope`() throws {
        let scope = try Scope(
            node: Self.node(metadata: ["role": "sidecar", "listen": "127.0.0.2:16001"]),
            mesh: Self.mesh
        )
        let listen = EndpointAddress(host: "127.0.0.2", port: 16001)
        #expect(scope == Scope(region: "eu", zone: "eu-a", listen: listen))
    }

    @Test func `a node that says nothing more gets the mesh's defaults`() throws {
        let scope = try Scope(node: Self.node(metadata: nil), mesh: Self.mesh)
        #expect(scope.role == .sidecar)
        #expect(scope.listen == Self.mesh.sidecarListenAddress)
    }

    @Test func `a node that does not over-provision is a gRPC client unless it says otherwise`()
        throws
    {
        var node = Self.node(metadata: nil)
        node.clientFeatures = ["envoy.lb.does_not_support_overprovisioning"]
        let grpc = try Scope(node: node, mesh: Self.mesh)
        #expect(grpc == Scope(region: "eu", zone: "eu-a", role: .proxyless))
        var named = Self.node(metadata: ["role": "sidecar"])
        named.clientFeatures = node.clientFeatures
        #expect(try Scope(node: named, mesh: Self.mesh).role == .sidecar)
    }

    @Test func `a gRPC client's listen address makes no scope`() throws {
        let scope = try Scope(
            node: Self.node(metadata: ["role": "proxyless", "listen": "127.0.0.9:1"]),
            mesh: Self.mesh
        )
        #expect(scope == Scope(region: "eu", zone: "eu-a", role: .proxyless))
    }

    @Test func `an unknown zone makes no scope of its own`() throws {
        let scope = try Scope(node: Self.node(zone: "eu-x", metadata: nil), mesh: Self.mesh)
        #expect(scope.zone == "")
    }

    @Test func `everything that is wrong with a node is said by field`() {
        let long = String(repeating: "m", count: 1_000)
        let error = #expect(throws: InvalidNode.self) {
            try Scope(
                node: Self.node(region: long, metadata: ["role": "king", "listen": "here:1"]),
                mesh: Self.mesh
            )
        }
        #expect(
            error?.violations.map(\.description) == [
                "node.locality.region: unknown region \"\(long.prefix(64))…\", expected one of eu",
                "node.metadata.meridian.role: unknown role \"king\", "
                    + "expected one of sidecar, proxyless",
                "node.metadata.meridian.listen: \"here:1\" is no listen address, "
                    + "expected an IP address and a port, such as 127.0.0.1:15001",
            ]
        )
    }

    private static let mesh = Mesh(
        name: "test",
        regions: [Region(name: "eu", zones: ["eu-a"])],
        roundTripTimes: RoundTripTimes([:]),
        services: [Service(name: "reports", routes: ["/r/"])]
    )

    private static func node(
        region: String = "eu",
        zone: String = "eu-a",
        metadata: [String: String]?
    ) -> Envoy_Config_Core_V3_Node {
        .with {
            $0.id = "sidecar"
            $0.locality = .with {
                $0.region = region
                $0.zone = zone
            }
            if let metadata {
                let fields = metadata.mapValues { Google_Protobuf_Value(stringValue: $0) }
                $0.metadata.fields["meridian"] = .init(structValue: .init(fields: fields))
            }
        }
    }
}
