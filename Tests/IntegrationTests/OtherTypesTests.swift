import Primitives
import Testing
import XDSCore

extension IntegrationTests {
    /// Runtime, extensions, scoped routes and secrets, which only some sidecars use.
    @Suite struct OtherTypesTests {
        @Test(arguments: Fleet.Discovery.allCases)
        func `runtime, extensions, scoped routes and secrets come and change`(
            discovery: Fleet.Discovery
        ) async throws {
            try await Fleet.with { fleet in
                let listen = try Ports.next()
                let source = discovery.source
                let texts: [ResourceText] = [
                    // Warm only when it has its secret.
                    .secure("secure", secret: "trust", source: source),
                    .secret("trust", "one"),
                    .runtime("ops", #""meridian.answer": 1"#),
                    .extensionConfiguration("headers", says: "one"),
                    .listener(
                        "egress",
                        at: listen,
                        routing: ResourceText.scopes.replacing(ResourceText.ads, with: source),
                        filters: [ResourceText.discoveredFilter("headers", source: source)]
                    ),
                    .scope("scope", key: "a", routes: "routes-a"),
                    .routes("routes-a", hosts: [ResourceText.host("a", "*", says: "hello")]),
                    // What they change to.
                    .secret("trust", "two"),
                    .runtime("ops", #""meridian.answer": 2"#),
                    .extensionConfiguration("headers", says: "two"),
                    .scope("scope", key: "b", routes: "routes-a"),
                ]
                let resources = try await fleet.encode(texts)
                try await ViewServer.with(Array(resources[..<7])) { server in
                    let sidecar = try await fleet.startSidecar(
                        of: server.address,
                        listen: listen,
                        discovery: discovery,
                        edit: { $0.withRuntimeLayer("ops", source: source) }
                    )
                    let types = ["cds", "sds", "rtds", "ecds", "lds", "srds", "rds"]
                    try await server.waitUntilAllSynced(types)
                    let first = try await HTTPAnswer.get(listen, headers: ["x-scope": "a"])
                    let firstRuntime = try await sidecar.admin.runtime("meridian.answer")

                    server.publish(
                        [resources[0], resources[4], resources[6]] + resources[7...]
                    )
                    try await waitUntil("the changes") {
                        try await sidecar.admin.runtime("meridian.answer") == "2"
                    }
                    try await server.waitUntilAllSynced(types)
                    let second = try await HTTPAnswer.get(listen, headers: ["x-scope": "b"])
                    let gone = try await HTTPAnswer.get(listen, headers: ["x-scope": "a"])
                    let timeouts = try await sidecar.admin.stats("init_fetch_timeout$")
                    let stats = try await sidecar.admin.stats(
                        "(warming_clusters|ssl_context_update)"
                    )

                    #expect(firstRuntime == "1")
                    #expect(first == HTTPAnswer(status: 200, body: "hello one"))
                    #expect(second == HTTPAnswer(status: 200, body: "hello two"))
                    #expect(gone.status == 404)
                    #expect(timeouts.values.allSatisfy { $0 == 0 }, "\(timeouts)")
                    #expect(stats["cluster_manager.warming_clusters"] == 0)
                    let updates = stats.first { $0.key.contains("ssl_context_update_by_sds") }
                    #expect(updates?.value ?? 0 >= 2, "\(stats)")
                    #expect(server.counters["xds_nacks"] == 0)
                }
            }
        }
    }
}

extension Fleet.Discovery {
    /// Where a resource says that another one comes from.
    fileprivate var source: String {
        switch self {
        case .delta, .stateOfTheWorld: ResourceText.ads
        case .deltaStreams: Self.stream("DELTA_GRPC")
        case .stateOfTheWorldStreams: Self.stream("GRPC")
        }
    }

    private static func stream(_ type: String) -> String {
        """
        {"resource_api_version": "V3", "api_config_source": {"api_type": "\(type)", \
        "transport_api_version": "V3", \
        "grpc_services": [{"envoy_grpc": {"cluster_name": "control_plane"}}]}}
        """
    }
}

extension ViewServer {
    fileprivate func waitUntilAllSynced(_ types: [String]) async throws {
        try await waitUntil("all types to be accepted", within: .seconds(30)) {
            let states = await states()
            return types.allSatisfy { states[$0] == .synced }
        }
    }
}

extension String {
    /// A bootstrap with one layer more.
    fileprivate func withRuntimeLayer(_ name: String, source: String) -> String {
        replacing(
            "layered_runtime:\n  layers:\n",
            with: """
                layered_runtime:
                  layers:
                  - name: \(name)
                    rtds_layer: {name: \(name), rtds_config: \(source)}

                """
        )
    }
}

extension ResourceText {
    fileprivate static func runtime(_ name: String, _ values: String) -> Self {
        Self(.runtime, name, #""name": "\#(name)", "layer": {\#(values)}"#)
    }

    /// A filter that appends to what a direct response says.
    fileprivate static func extensionConfiguration(_ name: String, says text: String) -> Self {
        Self(
            .extensionConfiguration,
            name,
            """
            "name": "\(name)", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
                "default_source_code": {"inline_string": "function envoy_on_response(handle) \
            local body = handle:body() body:setBytes('hello \(text)') end"}}
            """
        )
    }

    fileprivate static func discoveredFilter(_ name: String, source: String) -> String {
        """
        {"name": "\(name)", "config_discovery": {"config_source": \(source),
            "type_urls": ["type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"]}}
        """
    }

    private static let tls = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3"

    /// A cluster with TLS whose trusted certificates come as a secret.
    fileprivate static func secure(_ name: String, secret: String, source: String) -> Self {
        Self(
            .cluster,
            name,
            companions: [ResourceReference(.secret, ResourceName(secret))],
            """
            "name": "\(name)", "type": "STATIC", "connect_timeout": "2s",
            "load_assignment": {"cluster_name": "\(name)", "endpoints": [{"lb_endpoints": [
                {"endpoint": {"address": {"socket_address": {
                    "address": "127.0.0.1", "port_value": 9}}}}]}]},
            "transport_socket": {"name": "tls", "typed_config": {
                "@type": "\(tls).UpstreamTlsContext",
                "common_tls_context": {"validation_context_sds_secret_config": {
                    "name": "\(secret)", "sds_config": \(source)}}}}
            """
        )
    }

    /// Trusts one certificate by its hash; no handshake is made with it here.
    fileprivate static func secret(_ name: String, _ content: String) -> Self {
        let digit = content == "one" ? "1" : "2"
        let hash = String(repeating: digit, count: 64)
        return Self(
            .secret,
            name,
            #""name": "\#(name)", "validation_context": {"verify_certificate_hash": ["\#(hash)"]}"#
        )
    }
}
