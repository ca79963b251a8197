import Foundation
import Primitives
import Testing
import XDSCore

extension IntegrationTests {
    /// What a sidecar asks for only when a request needs it.
    @Suite struct OnDemandTests {
        private static let filters = "type.googleapis.com/envoy.extensions.filters.http"

        /// - Parameter fields: the filter's own configuration.
        private static func onDemand(_ fields: String = "") -> String {
            """
            {"name": "envoy.filters.http.on_demand", "typed_config": {
                "@type": "\(filters).on_demand.v3.OnDemand"\(fields)}}
            """
        }

        @Test func `a cluster comes on demand and an unknown one is said at once`()
            async throws
        {
            try await FakeWorkers.with(["eu"]) { workers in
                try await Fleet.with { fleet in
                    let listen = try Ports.next()
                    let worker = workers.addresses[0]
                    let filter = Self.onDemand(
                        #", "odcds": {"source": \#(ResourceText.ads), "timeout": "20s"}"#
                    )
                    let route = """
                        {"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"},
                            "route": {"cluster_header": "x-cluster"}}]}
                        """
                    let resources = try await fleet.encode([
                        .staticCluster(
                            "lazy",
                            worker.host,
                            worker.port
                        ),
                        .listener("egress", at: listen, filters: [filter]),
                        .routes("routes", hosts: [route]),
                    ])
                    try await ViewServer.with(resources) { server in
                        let sidecar = try await fleet.startSidecar(
                            of: server.address,
                            listen: listen,
                            // Asked for by name only: a wildcard would bring it at once.
                            edit: { $0.withoutClusters }
                        )
                        try await server.waitUntilSynced("lds", "rds")
                        let before = try await sidecar.admin.clusterNames()
                        // The worker speaks HTTP/2 only: that it is reached is enough.
                        let known = try await HTTPAnswer.get(listen, headers: ["x-cluster": "lazy"])
                        let began = ContinuousClock.now
                        let unknown = try await HTTPAnswer.get(
                            listen,
                            headers: ["x-cluster": "nowhere"]
                        )
                        let took = began.duration(to: .now)
                        let after = try await sidecar.admin.clusterNames()
                        let stats = try await sidecar.admin.stats("cluster.lazy.upstream_cx_total")

                        #expect(before == [])
                        #expect(unknown.status == 503)
                        // The filter's own limit is 20 s.
                        #expect(took < .seconds(15))
                        #expect(known.status != 200)
                        #expect(after == ["lazy"])
                        #expect(stats["cluster.lazy.upstream_cx_total"] ?? 0 >= 1)
                        #expect(server.counters["xds_nacks"] == 0)
                    }
                }
            }
        }

        @Test
        func `a virtual host comes on demand and an unknown one is said at once`()
            async throws
        {
            try await Fleet.with { fleet in
                let listen = try Ports.next()
                let host = try JSONHost(ResourceText.host("a", "a.test", says: "this is a"))
                let resources = try await fleet.encode([
                    .staticCluster("any", "127.0.0.1", 9),
                    .listener("egress", at: listen, filters: [Self.onDemand()]),
                    .routes(
                        "routes",
                        hosts: [ResourceText.host("known", "known.test", says: "this is known")],
                        more: """
                            "vhds": {"config_source": {"ads": {}, "resource_api_version": "V3",
                                "initial_fetch_timeout": "0.1s"}},
                            """
                    ),
                    ResourceText(.virtualHost, "routes/a.test", host.fields),
                ])
                try await ViewServer.with(resources) { server in
                    _ = try await fleet.startSidecar(of: server.address, listen: listen)
                    try await server.waitUntilSynced("cds", "lds", "rds")
                    let known = try await HTTPAnswer.get(listen, host: "known.test")
                    let asked = try await HTTPAnswer.get(listen, host: "a.test")
                    // No limit but the request's own 30 s would end this one.
                    let unknown = try await HTTPAnswer.get(listen, host: "nowhere.test")

                    #expect(known == HTTPAnswer(status: 200, body: "this is known"))
                    #expect(asked == HTTPAnswer(status: 200, body: "this is a"))
                    #expect(unknown.status == 404)
                    #expect(server.counters["xds_nacks"] == 0)
                }
            }
        }

        @Test func `routes of a scope come on demand`() async throws {
            try await Fleet.with { fleet in
                let listen = try Ports.next()
                let resources = try await fleet.encode([
                    .staticCluster("any", "127.0.0.1", 9),
                    .listener(
                        "egress",
                        at: listen,
                        routing: ResourceText.scopes,
                        filters: [Self.onDemand()]
                    ),
                    .scope("eager", key: "eager", routes: "eager-routes"),
                    .scope("lazy", key: "lazy", routes: "lazy-routes", isOnDemand: true),
                    .routes("eager-routes", hosts: [ResourceText.host("e", "*", says: "eager")]),
                    .routes("lazy-routes", hosts: [ResourceText.host("l", "*", says: "lazy")]),
                ])
                try await ViewServer.with(resources) { server in
                    _ = try await fleet.startSidecar(of: server.address, listen: listen)
                    try await server.waitUntilSynced("cds", "lds", "srds", "rds")
                    let before = await server.resourceCount("rds")
                    let eager = try await HTTPAnswer.get(listen, headers: ["x-scope": "eager"])
                    let lazy = try await HTTPAnswer.get(listen, headers: ["x-scope": "lazy"])
                    let unknown = try await HTTPAnswer.get(listen, headers: ["x-scope": "nowhere"])
                    let after = await server.resourceCount("rds")

                    #expect(eager == HTTPAnswer(status: 200, body: "eager"))
                    #expect(before == 1)
                    #expect(lazy == HTTPAnswer(status: 200, body: "lazy"))
                    #expect(after == 2)
                    #expect(unknown.status == 404)
                    #expect(server.counters["xds_nacks"] == 0)
                }
            }
        }
    }
}

extension String {
    /// Without `cds_config` Envoy asks for no clusters until one is needed.
    fileprivate var withoutClusters: String {
        split(separator: "\n", omittingEmptySubsequences: false)
            .filter { !$0.hasPrefix("  cds_config:") }
            .joined(separator: "\n")
    }
}

/// The fields of a JSON object, without its braces.
private struct JSONHost {
    let fields: String

    init(_ object: String) throws {
        fields = String(object.dropFirst().dropLast())
    }
}

extension ViewServer {
    fileprivate func resourceCount(_ type: String) async -> Int {
        await proxies().flatMap(\.types).first { $0.typeURL.shortName == type }?.resourceCount ?? 0
    }
}

extension ResourceText {
    /// Routes by the header `x-scope`.
    static let scopes = """
        "scoped_routes": {"name": "scopes",
            "scope_key_builder": {"fragments": [{"header_value_extractor": {
                "name": "x-scope", "index": 0}}]},
            "rds_config_source": \(ads), "scoped_rds": {"scoped_rds_config_source": \(ads)}}
        """

    static func scope(
        _ name: String,
        key: String,
        routes: String,
        isOnDemand: Bool = false
    ) -> Self {
        Self(
            .scopedRouteConfiguration,
            name,
            """
            "name": "\(name)", "route_configuration_name": "\(routes)", "on_demand": \(isOnDemand),
            "key": {"fragments": [{"string_key": "\(key)"}]}
            """
        )
    }
}
