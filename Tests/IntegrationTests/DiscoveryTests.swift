import Testing

extension IntegrationTests {
    /// An Envoy that knows nothing but its bootstrap.
    @Suite struct DiscoveryTests {
        private static let types: Set<String> = [
            "type.googleapis.com/envoy.config.cluster.v3.Cluster",
            "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
            "type.googleapis.com/envoy.config.listener.v3.Listener",
            "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        ]

        @Test(arguments: [Fleet.Discovery.delta, .stateOfTheWorld])
        func `a sidecar gets everything over ADS and routes a report`(
            discovery: Fleet.Discovery
        ) async throws {
            try await Fleet.with { fleet in
                let control = try await fleet.startControlPlane()
                let worker = try await fleet.startWorker("eu-1", in: "eu", control)
                let sidecar = try await fleet.startSidecar(
                    in: "eu",
                    control,
                    discovery: discovery
                )
                let proxy = try await control.admin.syncedProxy()
                try await sidecar.admin.waitUntilRoutable(["eu": 1])
                let report = try await ReportClient(sidecar.address).statement(of: 7)
                let direct = try await ReportClient(worker.address).statement(of: 7)
                let rejected = try await sidecar.admin.stats("update_rejected$")
                let counters = try await control.admin.counters()

                #expect(proxy.nodeID == "sidecar-eu")
                #expect(proxy.protocol == (discovery == .delta ? "DELTA" : "SOTW"))
                #expect(Set(proxy.types.map(\.typeURL)) == Self.types)
                #expect(report.servedBy.workerID == "eu-1")
                #expect(report.rows > 0)
                #expect(report == direct)
                #expect(!rejected.isEmpty && rejected.values.allSatisfy { $0 == 0 }, "\(rejected)")
                #expect(counters["xds_nacks"] == 0)
                #expect(counters["xds_violations"] == 0)
            }
        }

        @Test func `a changed mesh reaches the sidecar under load without a failure`() async throws
        {
            try await Fleet.with { fleet in
                let control = try await fleet.startControlPlane()
                _ = try await fleet.startWorker("eu-1", in: "eu", control)
                let sidecar = try await fleet.startSidecar(in: "eu", control)
                try await sidecar.admin.waitUntilRoutable(["eu": 1])
                let tally = try await Load.through(sidecar.address) { load in
                    try await load.waitForRequests(50)
                    for change in 1...3 {
                        // The retry budget is in the cluster, the timeout is in the routes.
                        let changed = MeshText(
                            timeout: "\(3 + change)s",
                            minimumConcurrency: 64 + change
                        )
                        _ = try await control.admin.apply(changed.yaml)
                        try await waitUntil("change \(change) to be active", within: .seconds(2)) {
                            let stats = try await sidecar.admin.stats(
                                "^cluster_manager\\.(cluster_modified|warming_clusters)$"
                            )
                            return stats["cluster_manager.cluster_modified"] == change
                                && stats["cluster_manager.warming_clusters"] == 0
                        }
                        _ = try await control.admin.syncedProxy()
                        try await load.waitForRequests(50)
                    }
                }
                let timeouts = try await sidecar.admin.stats("init_fetch_timeout$")

                #expect(tally.failures == [:])
                #expect(tally.served["eu", default: 0] >= 200)
                // Without its endpoints sent again, a changed cluster warms until this.
                #expect(!timeouts.isEmpty && timeouts.values.allSatisfy { $0 == 0 }, "\(timeouts)")
            }
        }

        @Test func `a bad mesh is refused and the running one is kept`() async throws {
            try await Fleet.with { fleet in
                let control = try await fleet.startControlPlane()
                _ = try await fleet.startWorker("eu-1", in: "eu", control)
                let sidecar = try await fleet.startSidecar(in: "eu", control)
                try await sidecar.admin.waitUntilRoutable(["eu": 1])
                let before = try await control.admin.mesh()
                let bad = MeshText().yaml.replacing(
                    "minimumConcurrency:",
                    with: "minimumConcurency:"
                )
                let error = await grpcError { _ = try await control.admin.apply(bad) }
                let after = try await control.admin.mesh()
                let tally = await Load.of(50, through: sidecar.address)

                #expect(error?.code == .invalidArgument)
                let message = error?.message ?? ""
                #expect(message.hasPrefix("changed.yaml:19:7: "), "\(message)")
                #expect(message.contains("\"minimumConcurency\""), "\(message)")
                #expect(after == before)
                #expect(tally == Tally(served: ["eu": 50]))
            }
        }
    }
}
