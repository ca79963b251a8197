import EnvoyAPI
import Foundation
import Mesh
import Primitives
import Routing
import SwiftProtobuf
import Testing
import Translation
import XDSCore

/// `Golden/in/NAME.yaml` (mesh, shares, workers, scope) → `Golden/out/NAME.json` (everything the
/// scope gets).
///
/// With `MERIDIAN_UPDATE_GOLDEN=1` the outputs are written anew; review them as a diff.
@Suite struct GoldenTests {
    @Test(
        arguments: [
            "nearest-first", "shares", "share-region-down", "degraded", "no-workers",
            "two-services", "proxyless-nearest-first", "proxyless-shares", "proxyless-degraded",
        ]
    )
    func `a mesh is translated as its golden file says`(_ name: String) throws {
        let golden = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "Golden")
        let input = try GoldenInput(contentsOf: golden.appending(path: "in/\(name).yaml"))
        let output = golden.appending(path: "out/\(name).json")
        let text = try Self.rendered(input)
        if ProcessInfo.processInfo.environment["MERIDIAN_UPDATE_GOLDEN"] == "1" {
            try text.write(to: output, atomically: true, encoding: .utf8)
            return
        }
        let expected = try String(contentsOf: output, encoding: .utf8)
        #expect(text == expected)
    }

    @Test func `every input has a test`() throws {
        let directory = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "Golden/in")
        let inputs = try FileManager.default.contentsOfDirectory(atPath: directory.path)
        #expect(inputs.count == 9)
    }

    /// Pretty JSON with sorted keys: the resources by type and name, and the reasons for each
    /// service's plan.
    private static func rendered(_ input: GoldenInput) throws -> String {
        var translator = Translator(
            mesh: input.mesh,
            shares: input.shares,
            endpoints: input.endpoints
        )
        var resources: [String: Any] = [:]
        for resource in translator.resources(for: input.scope) {
            let json = try Self.json(of: resource)
            resources[resource.reference.description] = try JSONSerialization.jsonObject(
                with: Data(json.utf8)
            )
        }
        var reasons: [String: Any] = [:]
        for service in input.mesh.services {
            reasons[service.name.rawValue] =
                translator.routePlan(of: service.name, for: input.scope).reasons
                .map(\.description)
        }
        let data = try JSONSerialization.data(
            withJSONObject: ["resources": resources, "reasons": reasons],
            options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        )
        return String(decoding: data, as: UTF8.self) + "\n"
    }

    private static func json(of resource: EncodedResource) throws -> String {
        for type in anyTypes { Google_Protobuf_Any.register(messageType: type) }
        var options = JSONEncodingOptions()
        options.preserveProtoFieldNames = true
        let type = try #require(messageTypes[resource.typeURL], "\(resource.typeURL)")
        return try type.init(serializedBytes: resource.bytes).jsonString(options: options)
    }

    private static let messageTypes: [TypeURL: any Message.Type] = [
        .cluster: Envoy_Config_Cluster_V3_Cluster.self,
        .clusterLoadAssignment: Envoy_Config_Endpoint_V3_ClusterLoadAssignment.self,
        .listener: Envoy_Config_Listener_V3_Listener.self,
        .routeConfiguration: Envoy_Config_Route_V3_RouteConfiguration.self,
    ]

    /// The messages that stand in an `Any`, which JSON shows by their fields.
    private static let anyTypes: [any Message.Type] = [
        Envoy_Extensions_Filters_Http_GrpcStats_V3_FilterConfig.self,
        Envoy_Extensions_Filters_Http_Router_V3_Router.self,
        Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpConnectionManager.self,
        Envoy_Extensions_LoadBalancingPolicies_ClientSideWeightedRoundRobin_V3_ClientSideWeightedRoundRobin
            .self,
        Envoy_Extensions_LoadBalancingPolicies_RoundRobin_V3_RoundRobin.self,
        Envoy_Extensions_LoadBalancingPolicies_WrrLocality_V3_WrrLocality.self,
        Envoy_Extensions_Retry_Host_PreviousHosts_V3_PreviousHostsPredicate.self,
        Envoy_Extensions_Retry_Priority_PreviousPriorities_V3_PreviousPrioritiesConfig.self,
        Envoy_Extensions_Upstreams_Http_V3_HttpProtocolOptions.self,
    ]
}
