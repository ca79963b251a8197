import EnvoyAPI
import Foundation
import FoundationNetworking
import GRPC
import Primitives
import Testing

extension IntegrationTests {
    /// Resources that operators set as they are, for some of the nodes.
    @Suite struct RawResourceTests {
        /// A listener with its routes and its cluster, which leads to Envoy's own admin interface.
        private static func resources(
            version: String,
            listen: EndpointAddress,
            to admin: EndpointAddress,
            route cluster: String = "web"
        ) -> String {
            let types = "type.googleapis.com/envoy"
            let manager =
                "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
            return """
                {"resources": [
                  {"version": "\(version)", "resource": {
                    "@type": "\(types).config.cluster.v3.Cluster", "name": "web", "type": "STATIC",
                    "connectTimeout": "5s", "loadAssignment": {"clusterName": "web", "endpoints": [
                      {"lbEndpoints": [{"endpoint": {"address": {"socketAddress":
                        {"address": "\(admin.host)", "portValue": \(admin.port)}}}}]}]}}},
                  {"version": "\(version)", "resource": {
                    "@type": "\(types).config.route.v3.RouteConfiguration", "name": "web-routes",
                    "virtualHosts": [{"name": "all", "domains": ["*"], "routes": [
                      {"match": {"prefix": "/"}, "route": {"cluster": "\(cluster)"}}]}]}},
                  {"version": "\(version)", "resource": {
                    "@type": "\(types).config.listener.v3.Listener", "name": "web",
                    "address": {"socketAddress":
                      {"address": "\(listen.host)", "portValue": \(listen.port)}},
                    "filterChains": [{"filters": [{"name": "http", "typedConfig": {
                      "@type": "\(types).\(manager)", "statPrefix": "web",
                      "rds": {"routeConfigName": "web-routes", "configSource": {"ads": {}}},
                      "httpFilters": [{"name": "router", "typedConfig":
                        {"@type": "\(types).extensions.filters.http.router.v3.Router"}}]}}]}]}}
                ]}
                """
        }

        @Test(arguments: [Fleet.Discovery.delta, .stateOfTheWorld])
        func `what is put for one node is served by its envoy alone, until it is removed`(
            discovery: Fleet.Discovery
        ) async throws {
            try await Fleet.with { fleet in
                let operators = OperatorHTTP(try Ports.next())
                let control = try await fleet.startControlPlane(adminHTTP: operators.address)
                let own = try await fleet.startSidecar(in: "eu", control, discovery: discovery)
                let other = try await fleet.startSidecar(in: "us", control, discovery: discovery)
                let listen = try Ports.next()
                let resources = Self.resources(
                    version: "blue/1",
                    listen: listen,
                    to: own.admin.address
                )
                let inconsistent = try await operators.send(
                    "PUT",
                    "/v1/raw?node_id=sidecar-eu",
                    resources.replacing("\"cluster\": \"web\"", with: "\"cluster\": \"wep\"")
                )
                let put = try await operators.send("PUT", "/v1/raw?node_id=sidecar-eu", resources)
                try await waitUntil("Envoy to serve what was put", within: .seconds(30)) {
                    try await status(of: listen) == 200
                }
                let ofOther = try await other.admin.listeners()
                let versions = try await own.admin.versions(ofRoutes: "web-routes")

                // A restart keeps it.
                control.process.kill()
                let next = try await fleet.startControlPlane(
                    on: control.address,
                    adminHTTP: operators.address
                )
                let listed = try await operators.send("GET", "/v1/raw?node_id=sidecar-eu")
                try await waitUntil("both sidecars to be back", within: .seconds(60)) {
                    let proxies = try await next.admin.proxies()
                    return proxies.count == 2
                        && proxies.allSatisfy { proxy in
                            proxy.types.count == 4
                                && proxy.types.allSatisfy { $0.state == "SYNCED" }
                        }
                }
                let afterRestart = try await status(of: listen)

                let removed = try await operators.send(
                    "PUT",
                    "/v1/raw/snapshot?node_id=sidecar-eu",
                    "{}"
                )
                try await waitUntil("Envoy to stop serving it", within: .seconds(30)) {
                    let listeners = try await own.admin.listeners()
                    return listeners == ["egress"]
                }
                let rejected = try await own.admin.stats("update_rejected$")

                #expect(inconsistent.status == 400)
                #expect(inconsistent.body.contains("the Cluster \\\"wep\\\", which is not there"))
                #expect(put.status == 200, "\(put.body)")
                #expect(ofOther == ["egress"])
                #expect(versions == ["blue/1"])
                #expect(listed.body.contains("\"version\":\"blue/1\""), "\(listed.body)")
                #expect(afterRestart == 200)
                #expect(removed.status == 200, "\(removed.body)")
                #expect(rejected.values.allSatisfy { $0 == 0 }, "\(rejected)")
            }
        }

        @Test func `a type that nobody knows is served to who asks for it`() async throws {
            typealias Request = Envoy_Service_Discovery_V3_DeltaDiscoveryRequest
            typealias Response = Envoy_Service_Discovery_V3_DeltaDiscoveryResponse
            try await Fleet.with { fleet in
                let control = try await fleet.startControlPlane()
                let file = try fleet.write(
                    """
                    {"nodes": {"role": "sidecar", "zone": "eu-a"}, "resources": [{"name": "x",
                      "version": "7", "ttl": "30s",
                      "encoded": {"typeUrl": "example.com/acme.Thing", "value": "3q2+7w=="}}]}
                    """,
                    to: "raw.json"
                )
                let put = try await fleet.meridian(control, ["raw", "put", "-f", file])
                let stream = try await control.admin.client.open(
                    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources",
                    timeout: .seconds(60)
                )
                let first = Request.with {
                    $0.node.id = "scripted"
                    $0.node.locality.region = "eu"
                    $0.node.locality.zone = "eu-a"
                    $0.typeURL = "example.com/acme.Thing"
                    $0.resourceNamesSubscribe = ["x"]
                }
                try await stream.write(GRPCFrame(first))
                let sent = try await stream.next().map { try Response(grpcMessage: $0) }
                let removal = try await fleet.meridian(
                    control,
                    ["raw", "remove", "--role", "sidecar", "--zone", "eu-a"],
                    ["--type-url", "example.com/acme.Thing", "x"]
                )
                try await stream.write(
                    GRPCFrame(
                        Request.with {
                            $0.typeURL = "example.com/acme.Thing"
                            $0.responseNonce = sent?.nonce ?? ""
                        }
                    )
                )
                let removed = try await stream.next().map { try Response(grpcMessage: $0) }
                let get = try await fleet.meridian(control, ["raw", "get"])
                stream.cancel()

                #expect(put.hasPrefix("put 1 (revision "))
                #expect(sent?.resources.map(\.name) == ["x"])
                #expect(sent?.resources.map(\.version) == ["7"])
                #expect(sent?.resources.map(\.ttl.seconds) == [30])
                #expect(sent?.resources.first?.resource.typeURL == "example.com/acme.Thing")
                #expect(sent?.resources.first?.resource.value == Data([0xDE, 0xAD, 0xBE, 0xEF]))
                #expect(removal.hasPrefix("removed 1 (revision "))
                #expect(removed?.removedResources == ["x"])
                #expect(!get.contains("acme"))
            }
        }
    }
}

/// The status that a listener answers `/ready` with; nil when nothing answers.
private func status(of listener: EndpointAddress) async throws -> Int? {
    guard let url = URL(string: "http://\(listener)/ready") else { throw URLError(.badURL) }
    let request = URLRequest(url: url, timeoutInterval: 5)
    let answer = try? await URLSession.shared.data(for: request)
    return (answer?.1 as? HTTPURLResponse)?.statusCode
}

/// A control plane's admin API as JSON over HTTP.
private struct OperatorHTTP {
    let address: EndpointAddress

    init(_ address: EndpointAddress) {
        self.address = address
    }

    func send(
        _ method: String,
        _ path: String,
        _ body: String = ""
    ) async throws -> (status: Int, body: String) {
        guard let url = URL(string: "http://\(address)\(path)") else { throw URLError(.badURL) }
        var request = URLRequest(url: url, timeoutInterval: 30)
        request.httpMethod = method
        if !body.isEmpty { request.httpBody = Data(body.utf8) }
        let (data, response) = try await URLSession.shared.data(for: request)
        let status = (response as? HTTPURLResponse)?.statusCode ?? 0
        return (status, String(decoding: data, as: UTF8.self))
    }
}

extension Fleet {
    /// Runs the operators' tool, and returns what it says when it worked.
    fileprivate func meridian(
        _ control: ControlPlane,
        _ arguments: [String],
        _ more: [String] = []
    ) async throws -> String {
        let process = try start(
            "meridian-\(arguments.joined(separator: "-").count)-\(more.count)",
            try Programs.meridian("meridian"),
            arguments + ["--control", "\(control.address)"] + more
        )
        let end = try await process.waitForEnd()
        guard end == .status(0) else {
            throw ChildProcess.NotStarted(description: "\(end): \(process.errors)")
        }
        return process.output
    }
}

extension EnvoyAdmin {
    /// The names of the listeners that are active, but for those of the bootstrap.
    fileprivate func listeners() async throws -> [String] {
        try await dump("dynamic_listeners").compactMap { item in
            item["active_state"] == nil ? nil : item["name"] as? String
        }
        .sorted()
    }

    /// What Envoy says that the version of a route configuration is.
    fileprivate func versions(ofRoutes name: String) async throws -> [String] {
        try await dump("dynamic_route_configs")
            .filter { ($0["route_config"] as? [String: Any])?["name"] as? String == name }
            .compactMap { $0["version_info"] as? String }
    }

    private func dump(_ resource: String) async throws -> [[String: Any]] {
        let data = try await get("/config_dump?resource=\(resource)")
        let object = try JSONSerialization.jsonObject(with: data) as? [String: Any]
        return object?["configs"] as? [[String: Any]] ?? []
    }
}
