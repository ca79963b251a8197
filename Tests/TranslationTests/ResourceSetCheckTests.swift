import EnvoyAPI
import SwiftProtobuf
import Testing
import XDSCore

@testable import Translation

/// Sets of resources that hold together, and sets that don't.
@Suite struct ResourceSetCheckTests {
    private typealias Manager =
        Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpConnectionManager

    private static func facts(_ type: TypeURL, _ message: some Message) throws -> ResourceFacts {
        try ResourceFacts(type, name: nil, bytes: message.serializedBytes())
    }

    private static func cluster(_ name: String, eds: String? = nil) throws -> ResourceFacts {
        try facts(
            .cluster,
            Envoy_Config_Cluster_V3_Cluster.with {
                $0.name = name
                $0.type = eds == nil ? .static : .eds
                if let eds {
                    $0.edsClusterConfig.serviceName = eds
                    $0.edsClusterConfig.edsConfig.ads = .init()
                }
            }
        )
    }

    private static func assignment(_ name: String) throws -> ResourceFacts {
        try facts(
            .clusterLoadAssignment,
            Envoy_Config_Endpoint_V3_ClusterLoadAssignment.with { $0.clusterName = name }
        )
    }

    private static func routes(
        _ name: String,
        _ actions: Envoy_Config_Route_V3_RouteAction...
    ) -> Envoy_Config_Route_V3_RouteConfiguration {
        .with {
            $0.name = name
            $0.virtualHosts = [
                .with { host in
                    host.name = "all"
                    host.domains = ["*"]
                    host.routes = actions.map { action in .with { $0.route = action } }
                }
            ]
        }
    }

    private static func to(_ cluster: String) -> Envoy_Config_Route_V3_RouteAction {
        .with { $0.cluster = cluster }
    }

    private static func listener(
        _ name: String,
        port: UInt32 = 0,
        _ fill: (inout Manager) -> Void
    ) throws -> ResourceFacts {
        let config = try Google_Protobuf_Any(message: Manager.with(fill))
        return try facts(
            .listener,
            Envoy_Config_Listener_V3_Listener.with {
                $0.name = name
                if port != 0 {
                    $0.address.socketAddress.address = "127.0.0.1"
                    $0.address.socketAddress.portValue = port
                }
                $0.filterChains = [.with { $0.filters = [.with { $0.typedConfig = config }] }]
            }
        )
    }

    private static func problems(_ set: ResourceFacts...) -> [String] {
        ResourceSetCheck.problems(of: set).map(\.description)
    }

    @Test func `a whole set holds together`() throws {
        let problems = Self.problems(
            try Self.cluster("a", eds: "a-endpoints"),
            try Self.assignment("a-endpoints"),
            try Self.cluster("b"),
            try Self.facts(.routeConfiguration, Self.routes("r", Self.to("a"), Self.to("b"))),
            try Self.listener("l") {
                $0.rds.routeConfigName = "r"
                $0.rds.configSource.ads = .init()
            }
        )
        #expect(problems.isEmpty)
    }

    @Test func `a route to a cluster that is not there is named with its place`() throws {
        let problems = Self.problems(
            try Self.facts(.routeConfiguration, Self.routes("r", Self.to("a")))
        )
        #expect(
            problems == [
                "RouteConfiguration \"r\": virtual_hosts[all].routes[0].route.cluster refers to the "
                    + "Cluster \"a\", which is not there"
            ]
        )
    }

    @Test func `each weighted and each mirrored cluster has to be there`() throws {
        let action = Envoy_Config_Route_V3_RouteAction.with {
            $0.weightedClusters.clusters = [
                .with { $0.name = "a" }, .with { $0.name = "b" },
                // Named by the request.
                .with { $0.clusterHeader = "x-cluster" },
            ]
            $0.requestMirrorPolicies = [.with { $0.cluster = "c" }]
        }
        let problems = Self.problems(
            try Self.facts(.routeConfiguration, Self.routes("r", action)),
            try Self.cluster("a")
        )
        #expect(problems.count == 2)
        #expect(problems.contains { $0.contains("weighted_clusters.clusters[1]") })
        #expect(problems.contains { $0.contains("request_mirror_policies[0].cluster") })
    }

    @Test func `a cluster that the request names is not missed`() throws {
        let header = Envoy_Config_Route_V3_RouteAction.with { $0.clusterHeader = "x-cluster" }
        let problems = Self.problems(
            try Self.facts(.routeConfiguration, Self.routes("r", header, .init()))
        )
        #expect(problems.isEmpty)
    }

    @Test func `routes inside of a listener are followed`() throws {
        let problems = Self.problems(
            try Self.listener("l") { $0.routeConfig = Self.routes("inline", Self.to("a")) }
        )
        #expect(
            problems == [
                "Listener \"l\": filter_chains[0].filters[0].route_config.virtual_hosts[all]."
                    + "routes[0].route.cluster refers to the Cluster \"a\", which is not there"
            ]
        )
    }

    @Test func `routes that a listener gets from here have to be there`() throws {
        let ours = try Self.listener("l") {
            $0.rds.routeConfigName = "r"
            $0.rds.configSource.ads = .init()
        }
        // From another server, or from what we don't know.
        let others = try Self.listener("m") { $0.rds.routeConfigName = "r" }
        #expect(
            Self.problems(ours, others) == [
                "Listener \"l\": filter_chains[0].filters[0].rds.route_config_name refers to the "
                    + "RouteConfiguration \"r\", which is not there"
            ]
        )
    }

    @Test func `an api listener is followed too`() throws {
        let manager = Manager.with {
            $0.rds.routeConfigName = "r"
            $0.rds.configSource.self_p = .init()
        }
        let config = try Google_Protobuf_Any(message: manager)
        let listener = try Self.facts(
            .listener,
            Envoy_Config_Listener_V3_Listener.with {
                $0.name = "api"
                $0.apiListener.apiListener = config
            }
        )
        #expect(Self.problems(listener).count == 1)
        #expect(listener.companions == [ResourceReference(.routeConfiguration, "r")])
    }

    @Test func `clusters that are asked for on demand may be missing`() throws {
        let onDemand = Google_Protobuf_Any.with {
            $0.typeURL =
                "type.googleapis.com/envoy.extensions.filters.http.on_demand.v3.OnDemand"
        }
        let perRoute = Google_Protobuf_Any.with {
            $0.typeURL =
                "type.googleapis.com/envoy.extensions.filters.http.on_demand.v3.PerRouteConfig"
        }
        let byListener = Self.problems(
            try Self.facts(.routeConfiguration, Self.routes("r", Self.to("a"))),
            try Self.listener("l") {
                $0.rds.routeConfigName = "r"
                $0.rds.configSource.ads = .init()
                $0.httpFilters = [.with { $0.typedConfig = onDemand }]
            }
        )
        var routes = Self.routes("r", Self.to("a"))
        routes.typedPerFilterConfig = ["envoy.filters.http.on_demand": perRoute]
        let byRoutes = Self.problems(try Self.facts(.routeConfiguration, routes))
        #expect(byListener.isEmpty)
        #expect(byRoutes.isEmpty)
    }

    @Test func `endpoints and their clusters come together`() throws {
        let problems = Self.problems(
            try Self.cluster("a", eds: "a"),
            try Self.assignment("b"),
            try Self.cluster("static")
        )
        #expect(
            problems == [
                "Cluster \"a\": eds_cluster_config.service_name refers to the "
                    + "ClusterLoadAssignment \"a\", which is not there",
                "ClusterLoadAssignment \"b\": no Cluster that is there takes its endpoints from it",
            ]
        )
    }

    @Test func `endpoints that come from elsewhere are not missed`() throws {
        let fromElsewhere = Envoy_Config_Cluster_V3_Cluster.with {
            $0.name = "a"
            $0.type = .eds
            $0.edsClusterConfig.edsConfig = .init()
        }
        #expect(Self.problems(try Self.facts(.cluster, fromElsewhere)).isEmpty)
    }

    @Test func `two clusters can't share endpoints`() throws {
        let problems = Self.problems(
            try Self.cluster("a", eds: "shared"),
            try Self.cluster("b", eds: "shared"),
            try Self.assignment("shared")
        )
        #expect(problems.count == 1)
        #expect(problems.first?.contains("as the Cluster \"a\" does") == true)
    }

    @Test func `what is there twice is refused`() throws {
        var routes = Self.routes("r")
        routes.virtualHosts.append(
            .with {
                $0.name = "all"
                $0.domains = ["a.example", "A.Example"]
            }
        )
        let problems = Self.problems(
            try Self.cluster("a"),
            try Self.cluster("a"),
            try Self.facts(.routeConfiguration, routes),
            try Self.listener("l", port: 80) { _ in },
            try Self.listener("m", port: 80) { _ in }
        )
        #expect(
            problems == [
                "Cluster \"a\": it is there twice",
                "Listener \"m\": it is bound to 127.0.0.1:80/tcp as the Listener \"l\" is",
                "RouteConfiguration \"r\": virtual_hosts[all].domains: \"A.Example\" is there already",
                "RouteConfiguration \"r\": virtual_hosts[all]: another virtual host has this name",
            ]
        )
    }

    @Test func `an address that may be another protocol's is not judged`() throws {
        let listener = Envoy_Config_Listener_V3_Listener.with {
            $0.name = "m"
            $0.address.socketAddress.address = "127.0.0.1"
            $0.address.socketAddress.portValue = 80
        }
        // `bind_to_port: false`, which we have no field for.
        let bytes: [UInt8] = try listener.serializedBytes() + [0xD2, 0x01, 0x02, 0x08, 0x00]
        let problems = Self.problems(
            try Self.listener("l", port: 80) { _ in },
            try ResourceFacts(.listener, name: nil, bytes: bytes)
        )
        #expect(problems.isEmpty)
    }

    @Test func `scoped routes lead to routes that are there`() throws {
        let scoped = try Self.facts(
            .scopedRouteConfiguration,
            Envoy_Config_Route_V3_ScopedRouteConfiguration.with {
                $0.name = "s"
                $0.routeConfigurationName = "r"
            }
        )
        #expect(Self.problems(scoped).count == 1)
        #expect(
            Self.problems(scoped, try Self.facts(.routeConfiguration, Self.routes("r"))).isEmpty
        )
    }

    @Test func `a tcp proxy leads to clusters that are there`() throws {
        let proxy =
            Envoy_Extensions_Filters_Network_TcpProxy_V3_TcpProxy.with { $0.cluster = "a" }
        let config = try Google_Protobuf_Any(message: proxy)
        let listener = try Self.facts(
            .listener,
            Envoy_Config_Listener_V3_Listener.with {
                $0.name = "l"
                $0.defaultFilterChain.filters = [.with { $0.typedConfig = config }]
            }
        )
        #expect(
            Self.problems(listener) == [
                "Listener \"l\": default_filter_chain.filters[0].cluster refers to the Cluster "
                    + "\"a\", which is not there"
            ]
        )
    }

    @Test func `types that nobody knows are not judged`() throws {
        let unknown = try ResourceFacts("example.com/a.B", name: "x", bytes: [0xFF, 0xFF])
        #expect(Self.problems(unknown).isEmpty)
        #expect(unknown.ownName == nil)
    }

    @Test func `bytes that are no message of their type are refused`() {
        #expect(throws: UnreadableResource(typeURL: .cluster, name: "a")) {
            try ResourceFacts(.cluster, name: "a", bytes: [0xFF])
        }
    }

    @Test func `a changed cluster brings its endpoints`() throws {
        let facts = try Self.cluster("a", eds: "a-endpoints")
        #expect(facts.companions == [ResourceReference(.clusterLoadAssignment, "a-endpoints")])
    }
}
