import EnvoyAPI
import Foundation
import MeridianAPI
import SwiftProtobuf
import Testing

@testable import ResourceJSON

/// JSON with resources inside never loses what an operator wrote.
@Suite struct ResourceJSONTests {
    private static func decode(_ text: String) throws -> Meridian_V1_PutRawRequest {
        try ResourceJSON.decode(from: Array(text.utf8))
    }

    private static func reason(_ text: String) -> String {
        do {
            _ = try decode(text)
            return "none"
        } catch {
            return "\(error)"
        }
    }

    @Test func `a resource of a known type is read from its fields`() throws {
        let request = try Self.decode(
            """
            {"nodes": {"nodeId": "n1"}, "resources": [{"version": "v1", "resource": {
              "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
              "name": "web", "connect_timeout": "1.5s", "type": "EDS"}}]}
            """
        )
        let cluster = try Envoy_Config_Cluster_V3_Cluster(
            serializedBytes: request.resources.first?.resource.value ?? Data()
        )
        #expect(request.nodes.nodeID == "n1")
        #expect(cluster.name == "web")
        #expect(cluster.type == .eds)
        #expect(cluster.connectTimeout.nanos == 500_000_000)
    }

    @Test func `a field that we have none for is refused by name`() {
        let reason = Self.reason(
            """
            {"resources": [{"resource": {
              "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "dnsRefreshRate": "1s"}}]}
            """
        )
        #expect(reason == "resources[0].resource: unknown field \"dnsRefreshRate\"")
    }

    @Test func `it is refused also inside of another resource`() {
        let reason = Self.reason(
            """
            {"resources": [{"resource": {"@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
              "filterChains": [{"filters": [{"name": "tcp", "typedConfig": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                "statPrefix": "t", "accessLog": []}}]}]}}]}
            """
        )
        #expect(
            reason
                == "resources[0].resource.filterChains[0].filters[0].typedConfig: "
                + "unknown field \"accessLog\""
        )
    }

    @Test func `a type that we don't know has to come as bytes`() throws {
        let reason = Self.reason(#"{"resources": [{"resource": {"@type": "example.com/a.B"}}]}"#)
        let request = try Self.decode(
            #"{"resources": [{"encoded": {"typeUrl": "example.com/a.B", "value": "AQI="}}]}"#
        )
        #expect(reason.hasPrefix("resources[0].resource: the fields of example.com/a.B are not"))
        #expect(request.resources.first?.encoded.value == Data([1, 2]))
    }

    @Test(
        arguments: [
            ("[]", "expected a JSON object"), ("{", "this is no JSON"),
            (#"{"nodez": {}}"#, #"unknown field "nodez""#),
        ]
    )
    func `what is no request is refused`(text: String, expected: String) {
        #expect(Self.reason(text) == expected)
    }

    @Test func `a deep nest of lists is refused and crashes nothing`() {
        let text = String(repeating: "[", count: 200_000)
        #expect(Self.reason(text) == "this is no JSON")
    }

    @Test func `a large whole number keeps all its digits`() throws {
        let request = try Self.decode(#"{"expectedRevision": 9007199254740993}"#)
        #expect(request.expectedRevision == 9_007_199_254_740_993)
    }

    @Test func `nothing is an empty request`() throws {
        let request: Meridian_V1_PutRawRequest = try ResourceJSON.decode(from: [])
        #expect(request == Meridian_V1_PutRawRequest())
    }

    // MARK: - Writing

    private static func shown(_ bytes: [UInt8], _ type: String) throws -> String {
        let response = Meridian_V1_ListRawResponse.with {
            $0.sets = [
                .with {
                    $0.resources = [
                        .with {
                            $0.resource.typeURL = type
                            $0.resource.value = Data(bytes)
                        }
                    ]
                }
            ]
        }
        return try ResourceJSON.encode(response.readyForJSON)
    }

    @Test func `what JSON shows in full is shown as fields`() throws {
        let cluster = Envoy_Config_Cluster_V3_Cluster.with { $0.name = "web" }
        let text = try Self.shown(
            cluster.serializedBytes(),
            "type.googleapis.com/envoy.config.cluster.v3.Cluster"
        )
        #expect(text.contains(#""name":"web""#))
    }

    @Test func `what has a field that we don't know is shown as bytes`() throws {
        let cluster = Envoy_Config_Cluster_V3_Cluster.with { $0.name = "web" }
        // Field 9999, a number.
        let bytes: [UInt8] = try cluster.serializedBytes() + [0xF8, 0xF0, 0x04, 0x01]
        let text = try Self.shown(bytes, "type.googleapis.com/envoy.config.cluster.v3.Cluster")
        #expect(text.contains("\"encoded\""))
        #expect(
            text.contains(Data(bytes).base64EncodedString().replacing("/", with: "\\/"))
                || text.contains(Data(bytes).base64EncodedString())
        )
    }

    @Test func `what is unknown inside of another resource is shown as bytes`() throws {
        let listener = Envoy_Config_Listener_V3_Listener.with {
            $0.name = "l"
            $0.filterChains = [
                .with {
                    $0.filters = [
                        .with {
                            $0.typedConfig.typeURL =
                                "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
                            $0.typedConfig.value = Data([0xF8, 0xF0, 0x04, 0x01])
                        }
                    ]
                }
            ]
        }
        let text = try Self.shown(
            listener.serializedBytes(),
            "type.googleapis.com/envoy.config.listener.v3.Listener"
        )
        #expect(text.contains("\"encoded\""))
    }
}
