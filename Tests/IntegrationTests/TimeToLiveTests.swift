import Primitives
import Testing
import XDSCore

extension IntegrationTests {
    /// Resources that Envoy drops when it hears nothing of them.
    @Suite struct TimeToLiveTests {
        private static let span = Duration.seconds(2)

        @Test func `heartbeats keep a resource for many times its time to live`() async throws {
            try await withMortalCluster(hasHeartbeats: true) { server, sidecar in
                // Each span is renewed three times at most, so these are two spans at least.
                try await waitUntil("6 heartbeats", within: .seconds(60)) {
                    server.counters["xds_heartbeats_sent"] ?? 0 >= 6
                }
                let stats = try await sidecar.admin.stats("cluster_manager.cluster_")

                #expect(try await sidecar.admin.clusterNames() == ["a", "mortal"])
                #expect(stats["cluster_manager.cluster_removed"] == 0)
                // A heartbeat is no update.
                #expect(stats["cluster_manager.cluster_modified"] == 0)
                #expect(server.counters["xds_nacks"] == 0)
            }
        }

        @Test func `without heartbeats Envoy drops it and nothing else`() async throws {
            try await withMortalCluster(hasHeartbeats: false) { server, sidecar in
                try await waitUntil("the end of the cluster", within: .seconds(30)) {
                    try await sidecar.admin.clusterNames() == ["a"]
                }
                #expect(server.counters["xds_heartbeats_sent"] == 0)
            }
        }

        private func withMortalCluster(
            hasHeartbeats: Bool,
            _ body: (ViewServer, Fleet.Sidecar) async throws -> Void
        ) async throws {
            try await Fleet.with { fleet in
                let listen = try Ports.next()
                let resources = try await fleet.encode([
                    .staticCluster("a", "127.0.0.1", 9),
                    .staticCluster("mortal", "127.0.0.1", 9).living(for: Self.span),
                    .listener("egress", at: listen), .routes(to: "a"),
                ])
                try await ViewServer.with(resources, hasRhythm: hasHeartbeats) { server in
                    let sidecar = try await fleet.startSidecar(of: server.address, listen: listen)
                    try await waitUntil("both clusters") {
                        try await sidecar.admin.stats("cluster_manager.cluster_added")[
                            "cluster_manager.cluster_added"
                        ] == 3
                    }
                    try await body(server, sidecar)
                }
            }
        }
    }
}
