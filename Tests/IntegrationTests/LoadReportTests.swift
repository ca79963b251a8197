import MeridianAPI
import Primitives
import Testing

extension IntegrationTests {
    /// What Envoy reports of the load that it sees (LRS).
    @Suite struct LoadReportTests {
        private static let everySecond = ["--load-report-interval", "1s"]

        @Test func `the requests of a sidecar show up at the endpoints that served them`()
            async throws
        {
            try await Fleet.with { fleet in
                let control = try await fleet.startControlPlane(options: Self.everySecond)
                var workers: [String: EndpointAddress] = [:]
                for id in ["eu-1", "eu-2"] {
                    workers[id] = try await fleet.startWorker(id, in: "eu", control).address
                }
                let sidecar = try await fleet.startSidecar(in: "eu", control)
                try await sidecar.admin.waitUntilRoutable(["eu": 2])
                try await sidecar.admin.waitUntilCounting()
                let served = try await reports(41, through: sidecar)
                let cluster = try await control.admin.load(of: "reports") {
                    $0.counts.succeeded >= 41
                }
                let counters = try await control.admin.counters()

                #expect(cluster.counts.issued == 41)
                #expect(cluster.counts.succeeded == 41)
                #expect(cluster.counts.failed == 0)
                #expect(cluster.counts.milliseconds > 0)
                #expect(cluster.localities.map(\.locality.region) == ["eu"])
                #expect(cluster.localities.map(\.locality.zone) == ["eu-a"])
                let endpoints = cluster.localities.flatMap(\.endpoints)
                var reported: [EndpointAddress: Int] = [:]
                for endpoint in endpoints {
                    let address = EndpointAddress(
                        host: endpoint.address.host,
                        port: UInt16(clamping: endpoint.address.port)
                    )
                    reported[address] = Int(clamping: endpoint.counts.issued)
                }
                for (id, count) in served {
                    let address = try #require(workers[id])
                    #expect(reported[address] == count)
                }
                #expect(reported.values.reduce(0, +) == 41)
                #expect(endpoints.allSatisfy { $0.failingReporters == 0 && $0.reporters == 1 })
                #expect(counters["lrs_entries_malformed"] == 0)
                #expect(counters["lrs_entries_beyond_bounds"] == 0)
            }
        }

        @Test func `several sidecars add up, and one that is gone reports no more`() async throws {
            try await Fleet.with { fleet in
                let control = try await fleet.startControlPlane(options: Self.everySecond)
                _ = try await fleet.startWorker("eu-1", in: "eu", control)
                let near = try await fleet.startSidecar(in: "eu", control)
                let far = try await fleet.startSidecar(in: "us", control)
                for sidecar in [near, far] {
                    try await sidecar.admin.waitUntilRoutable(["eu": 1])
                    try await sidecar.admin.waitUntilCounting()
                }
                for sidecar in [near, far] { _ = try await reports(10, through: sidecar) }
                let cluster = try await control.admin.load(of: "reports") {
                    $0.counts.succeeded >= 20
                }
                far.process.kill()
                try await waitUntil("one reporter", within: .seconds(30)) {
                    try await control.admin.loads().reporters == 1
                }

                #expect(cluster.counts.issued == 20)
                let places = cluster.localities.map { [$0.locality.region, "\($0.priority)"] }
                #expect(places == [["eu", "0"]])
                #expect(cluster.localities.flatMap(\.endpoints).map(\.reporters) == [2])
            }
        }

        /// Reports one after the other, and how many each worker served.
        private func reports(
            _ count: Int,
            through sidecar: Fleet.Sidecar
        ) async throws -> [String: Int] {
            let client = ReportClient(sidecar.address)
            var served: [String: Int] = [:]
            for customer in 1...count {
                let report = try await client.statement(of: 1 + customer % 20)
                served[report.servedBy.workerID, default: 0] += 1
            }
            return served
        }
    }
}

extension EnvoyAdmin {
    /// Waits until the sidecar counts the requests to its clusters.
    ///
    /// It begins with a cluster when it sends a report, and forgets what went there before.
    fileprivate func waitUntilCounting() async throws {
        func reports() async throws -> Int {
            try await stats("^load_reporter.responses$")["load_reporter.responses"] ?? 0
        }
        let before = try await reports()
        try await waitUntil("two more reports", within: .seconds(40)) {
            try await reports() >= before + 2
        }
    }
}

extension ControlPlaneAdmin {
    fileprivate func loads() async throws -> Meridian_V1_ListLoadsResponse {
        try await client.unary(
            "/meridian.v1.Admin/ListLoads",
            Meridian_V1_ListLoadsRequest(),
            timeout: .seconds(10)
        )
    }

    /// A cluster's load as soon as it is so.
    fileprivate func load(
        of cluster: String,
        when isSo: (Meridian_V1_ClusterLoad) -> Bool
    ) async throws -> Meridian_V1_ClusterLoad {
        try await waitFor("the load of \(cluster)", within: .seconds(40)) {
            try await loads().clusters.first { $0.cluster == cluster && isSo($0) }
        }
    }
}
