import Foundation
import Primitives
import SidecarBootstrap
import Testing

@Suite struct GRPCBootstrapTests {
    @Test func `the bootstrap is JSON with the node and one server for its control plane`() throws {
        let text = try GRPCBootstrap(
            nodeID: #"client-"1\"#,
            locality: Locality(region: "eu", zone: "eu-a"),
            controlPlanes: [EndpointAddress(host: "10.0.0.1", port: 18000)]
        ).json
        let bootstrap = try JSONDecoder().decode(Bootstrap.self, from: Data(text.utf8))
        #expect(bootstrap.node.id == #"client-"1\"#)
        #expect(bootstrap.node.cluster == "report-consumer")
        #expect(bootstrap.node.locality == ["region": "eu", "zone": "eu-a", "sub_zone": ""])
        #expect(bootstrap.node.metadata == ["meridian": ["role": "proxyless"]])
        let server = try #require(bootstrap.xds_servers.first)
        #expect(bootstrap.xds_servers.count == 1)
        #expect(server.server_uri == "10.0.0.1:18000")
        #expect(server.channel_creds == [["type": "insecure"]])
        #expect(server.server_features == ["xds_v3", "ignore_resource_deletion"])
    }

    @Test func `replicas of a region are one server for each address family, its own first`()
        throws
    {
        let text = try GRPCBootstrap(
            nodeID: "client",
            locality: Locality(region: "eu"),
            controlPlanes: [
                EndpointAddress(host: "10.0.0.1", port: 1), EndpointAddress(host: "::1", port: 2),
                EndpointAddress(host: "10.0.0.2", port: 3),
            ],
            remoteControlPlanes: [
                EndpointAddress(host: "::2", port: 4), EndpointAddress(host: "::3", port: 5),
            ]
        ).json
        let bootstrap = try JSONDecoder().decode(Bootstrap.self, from: Data(text.utf8))
        #expect(
            bootstrap.xds_servers.map(\.server_uri) == [
                "ipv4:10.0.0.1:1,10.0.0.2:3", "[::1]:2", "ipv6:[::2]:4,[::3]:5",
            ]
        )
    }

    @Test func `wrong values are all reported by field`() {
        let error = #expect(throws: BootstrapError.self) {
            try GRPCBootstrap(nodeID: "", locality: Locality(region: "EU"), controlPlanes: [])
        }
        #expect(error?.violations.map(\.field) == ["node", "region", "control-plane"])
    }
}

/// What gRPC reads of it (gRFC A27).
private struct Bootstrap: Decodable {
    struct Server: Decodable {
        let server_uri: String
        let channel_creds: [[String: String]]
        let server_features: [String]
    }

    struct Node: Decodable {
        let id: String
        let cluster: String
        let locality: [String: String]
        let metadata: [String: [String: String]]
    }

    let xds_servers: [Server]
    let node: Node
}
