import Primitives
import Testing
import XDSCore

extension IntegrationTests {
    /// How Envoy comes to its configuration, and comes back for it.
    @Suite struct StartUpTests {
        private static let both = [Fleet.Discovery.delta, .stateOfTheWorld]

        /// Five clusters, so that one that is forgotten would be noticed.
        private func configuration(
            _ workers: FakeWorkers,
            _ listen: EndpointAddress,
            clusters: [String] = ["a", "b", "c", "d", "e"],
            requests: Int = 1_000,
            routes: String = "a"
        ) -> [ResourceText] {
            clusters.flatMap {
                [
                    .cluster($0, requests: requests), .endpoints($0, workers.addresses),
                ]
            } + [.listener("egress", at: listen), .routes(to: routes)]
        }

        @Test(arguments: both)
        func `everything comes in one go and nothing waits for a time limit`(
            discovery: Fleet.Discovery
        ) async throws {
            try await FakeWorkers.with(["eu"]) { workers in
                try await Fleet.with { fleet in
                    let listen = try Ports.next()
                    let resources = try await fleet.encode(configuration(workers, listen))
                    try await ViewServer.with(resources) { server in
                        let sidecar = try await fleet.startSidecar(
                            of: server.address,
                            listen: listen,
                            discovery: discovery
                        )
                        // At once: what is ready has its routes and its endpoints.
                        let tally = await Load.of(20, through: listen)
                        try await server.waitUntilSynced()
                        let timeouts = try await sidecar.admin.stats("init_fetch_timeout$")
                        let stats = try await sidecar.admin.stats("(warming|rejected|success)")

                        #expect(tally == Tally(served: ["eu": 20]))
                        #expect(timeouts.count >= 4)
                        #expect(timeouts.values.allSatisfy { $0 == 0 }, "\(timeouts)")
                        #expect(stats["cluster_manager.warming_clusters"] == 0)
                        #expect(stats["listener_manager.total_listeners_warming"] ?? 0 == 0)
                        #expect(stats["cluster_manager.cds.update_success"] == 1)
                        #expect(stats["listener_manager.lds.update_success"] == 1)
                        #expect(server.counters["xds_nacks"] == 0)
                        // One response for each type is all that it takes.
                        #expect(server.counters["xds_responses_sent"] == 4)
                    }
                }
            }
        }

        @Test(arguments: both)
        func
            `a sidecar that comes back gets what changed and loses what is gone`(
                discovery: Fleet.Discovery
            ) async throws
        {
            try await FakeWorkers.with(["eu"]) { workers in
                try await Fleet.with { fleet in
                    let listen = try Ports.next()
                    let before = configuration(workers, listen)
                    // `d` and `e` are gone, `f` is new, the others are as they were.
                    let after = configuration(workers, listen, clusters: ["a", "b", "c", "f"])
                    let resources = try await fleet.encode(before + after)
                    try await ViewServer.with(Array(resources[..<before.count])) { server in
                        let sidecar = try await fleet.startSidecar(
                            of: server.address,
                            listen: listen,
                            discovery: discovery
                        )
                        try await server.waitUntilSynced()
                        let tally = try await Load.through(listen) { load in
                            try await load.waitForRequests(20)
                            try await server.restart(serving: Array(resources[before.count...]))
                            try await waitUntil("the clusters to be right", within: .seconds(30)) {
                                try await sidecar.admin.clusterNames() == ["a", "b", "c", "f"]
                            }
                            try await server.waitUntilSynced()
                            try await load.waitForRequests(20)
                        }
                        let stats = try await sidecar.admin.stats(
                            "(cluster_manager.cluster_|init_fetch_timeout$|lds.update_success)"
                        )

                        #expect(tally.failures == [:])
                        #expect(stats["cluster_manager.cluster_modified"] == 0)
                        #expect(stats["cluster_manager.cluster_removed"] == 2)
                        #expect(stats["listener_manager.lds.update_success"] == 1)
                        #expect(
                            stats.filter { $0.key.hasSuffix("timeout") }.values.allSatisfy {
                                $0 == 0
                            },
                            "\(stats)"
                        )
                        #expect(server.counters["xds_nacks"] == 0)
                    }
                }
            }
        }

        /// Envoy 1.40 leaves the second one warming for 15 s (its issue 47302), and asks for
        /// nothing.
        @Test(arguments: both)
        func `a cluster that shares its endpoints with another one does not stay warming`(
            discovery: Fleet.Discovery
        ) async throws {
            try await FakeWorkers.with(["eu"]) { workers in
                try await Fleet.with { fleet in
                    let listen = try Ports.next()
                    let resources = try await fleet.encode([
                        .cluster("a", service: "shared"),
                        .endpoints("shared", workers.addresses),
                        .listener("egress", at: listen),
                        .routes(to: "a"),
                        .cluster("b", service: "shared"),
                    ])
                    try await ViewServer.with(Array(resources[..<4])) { server in
                        let sidecar = try await fleet.startSidecar(
                            of: server.address,
                            listen: listen,
                            discovery: discovery
                        )
                        try await server.waitUntilSynced()
                        server.publish(resources)
                        try await waitUntil("the second cluster") {
                            try await sidecar.admin.clusterNames() == ["a", "b"]
                        }
                        try await server.waitUntilSynced()
                        let timeouts = try await sidecar.admin.stats("init_fetch_timeout$")

                        #expect(timeouts.values.allSatisfy { $0 == 0 }, "\(timeouts)")
                    }
                }
            }
        }
    }
}
