import Foundation
import Primitives
import XDSCore

/// An Envoy resource as tests write it: JSON, as Envoy's documentation has it.
struct ResourceText {
    let typeURL: TypeURL
    let name: ResourceName
    let json: String
    var companions: [ResourceReference] = []
    var timeToLive: Duration?

    init(
        _ typeURL: TypeURL,
        _ name: String,
        companions: [ResourceReference] = [],
        timeToLive: Duration? = nil,
        _ fields: String
    ) {
        self.typeURL = typeURL
        self.name = ResourceName(name)
        self.companions = companions
        self.timeToLive = timeToLive
        json = "{\"@type\": \"\(typeURL)\", \(fields)}"
    }

    /// The same, dropped by the client when it hears nothing for so long.
    func living(for span: Duration) -> Self {
        var copy = self
        copy.timeToLive = span
        return copy
    }
}

// MARK: - What a sidecar's configuration is made of

extension ResourceText {
    private static let v3 = "type.googleapis.com/envoy.extensions"
    static let ads = #"{"ads": {}, "resource_api_version": "V3"}"#
    static let router =
        #"{"name": "router", "typed_config": {"@type": "\#(v3).filters.http.router.v3.Router"}}"#

    /// A cluster for gRPC whose endpoints come over ADS.
    ///
    /// - Parameters:
    ///   - service: the name of its endpoints, if that is another one.
    ///   - requests: a limit that nothing here reaches; another one makes another cluster.
    static func cluster(_ name: String, service: String? = nil, requests: Int = 1_000) -> Self {
        let options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
        return Self(
            .cluster,
            name,
            companions: [
                ResourceReference(.clusterLoadAssignment, ResourceName(service ?? name))
            ],
            """
            "name": "\(name)", "type": "EDS", "connect_timeout": "2s",
            "eds_cluster_config": {"eds_config": \(ads), "service_name": "\(service ?? name)"},
            "circuit_breakers": {"thresholds": [{"max_requests": \(requests)}]},
            "typed_extension_protocol_options": {"\(options)": {
                "@type": "type.googleapis.com/\(options)",
                "explicit_http_config": {"http2_protocol_options": {}}}}
            """
        )
    }

    /// A cluster with one endpoint of its own, for HTTP/1.
    static func staticCluster(_ name: String, _ host: String, _ port: UInt16) -> Self {
        Self(
            .cluster,
            name,
            """
            "name": "\(name)", "type": "STATIC", "connect_timeout": "2s",
            "load_assignment": {"cluster_name": "\(name)", "endpoints": [
                {"lb_endpoints": [\(endpoint(host, port))]}]}
            """
        )
    }

    static func endpoints(_ name: String, _ addresses: [EndpointAddress], weight: Int = 1) -> Self {
        let endpoints = addresses.map { endpoint($0.host, $0.port) }.joined(separator: ", ")
        return Self(
            .clusterLoadAssignment,
            name,
            """
            "cluster_name": "\(name)", "endpoints": [{
                "locality": {"region": "eu"}, "load_balancing_weight": \(weight),
                "lb_endpoints": [\(endpoints)]}]
            """
        )
    }

    /// A listener for HTTP whose routes have `routes` for a name and come over ADS.
    ///
    /// - Parameters:
    ///   - routing: where the routes come from instead.
    ///   - filters: what stands before the router.
    static func listener(
        _ name: String,
        at address: EndpointAddress,
        routes: String = "routes",
        routing: String? = nil,
        filters: [String] = []
    ) -> Self {
        let source =
            routing ?? #""rds": {"route_config_name": "\#(routes)", "config_source": \#(ads)}"#
        let manager = "filters.network.http_connection_manager.v3.HttpConnectionManager"
        return Self(
            .listener,
            name,
            companions: routing == nil
                ? [ResourceReference(.routeConfiguration, ResourceName(routes))] : [],
            """
            "name": "\(name)", "address": \(socket(address.host, address.port)),
            "filter_chains": [{"filters": [{"name": "hcm", "typed_config": {
                "@type": "\(v3).\(manager)", "stat_prefix": "\(name)", \(source),
                "http_filters": [\((filters + [router]).joined(separator: ", "))]}}]}]
            """
        )
    }

    /// Routes to one cluster.
    ///
    /// - Parameter idle: a limit that nothing here reaches; another one makes another resource.
    static func routes(_ name: String = "routes", to cluster: String, idle: Int = 60) -> Self {
        routes(
            name,
            hosts: [
                """
                {"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"},
                    "route": {"cluster": "\(cluster)", "timeout": "0s",
                        "idle_timeout": "\(idle)s"}}]}
                """
            ]
        )
    }

    static func routes(_ name: String, hosts: [String], more: String = "") -> Self {
        Self(
            .routeConfiguration,
            name,
            """
            "name": "\(name)", \(more) "virtual_hosts": [\(hosts.joined(separator: ", "))]
            """
        )
    }

    /// A virtual host that answers by itself.
    static func host(_ name: String, _ domain: String, says body: String) -> String {
        """
        {"name": "\(name)", "domains": ["\(domain)"], "routes": [{"match": {"prefix": "/"},
            "direct_response": {"status": 200, "body": {"inline_string": "\(body)"}}}]}
        """
    }

    private static func endpoint(_ host: String, _ port: UInt16) -> String {
        #"{"endpoint": {"address": \#(socket(host, port))}}"#
    }

    private static func socket(_ host: String, _ port: UInt16) -> String {
        #"{"socket_address": {"address": "\#(host)", "port_value": \#(port)}}"#
    }
}

// MARK: - Encoding

extension Fleet {
    struct NotEncoded: Error, CustomStringConvertible {
        let description: String
    }

    /// Encodes resources with the official descriptors; all of a test's in one go.
    func encode(_ texts: [ResourceText]) async throws -> [EncodedResource] {
        let source = try write(
            "[\(texts.map(\.json).joined(separator: ",\n"))]",
            to: "resources.json"
        )
        let target = "\(directory)/resources.out"
        let script = "\(Programs.root)/Tests/IntegrationTests/Fixtures/encode_resources.py"
        let process = try start("encode", try Programs.python(), [script, source, target])
        let end = try await process.waitForEnd(within: .seconds(60))
        guard end == .status(0) else { throw NotEncoded(description: process.errors) }
        let data = try Data(contentsOf: URL(filePath: target))
        let encoded = try JSONDecoder().decode([Data].self, from: data)
        return zip(texts, encoded).map { text, bytes in
            EncodedResource(
                typeURL: text.typeURL,
                name: text.name,
                bytes: [UInt8](bytes),
                companions: text.companions,
                timeToLive: text.timeToLive
            )
        }
    }
}
