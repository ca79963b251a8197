import Glibc
import Testing

extension IntegrationTests {
    /// Where a sidecar in eu has its reports made, with a worker in eu and one in us.
    @Suite struct FailoverTests {
        @Test func `the nearest region serves, and the next one while it is gone`() async throws {
            try await withTwoRegions { fleet, control, sidecar, eu in
                let quiet = await Load.of(200, through: sidecar.address)
                #expect(quiet == Tally(served: ["eu": 200]))

                var away = Tally()
                var back = Tally()
                let all = try await Load.through(sidecar.address) { load in
                    try await load.waitForRequests(50)
                    eu.process.kill()
                    try await sidecar.admin.waitUntilRoutable(["us": 1])
                    try await load.waitForRequests(Load.callers)
                    _ = load.next()
                    try await load.waitForRequests(100)
                    away = load.next()
                    _ = try await fleet.startWorker("eu-1", in: "eu", control)
                    try await sidecar.admin.waitUntilRoutable(["eu": 1, "us": 1])
                    try await load.waitForRequests(Load.callers)
                    _ = load.next()
                    try await load.waitForRequests(100)
                    back = load.next()
                }

                #expect(all.failures == [:])
                #expect(away.served.keys.sorted() == ["us"])
                #expect(back.served.keys.sorted() == ["eu"])
            }
        }

        @Test func `shares divide the traffic until they are cleared`() async throws {
            try await withTwoRegions { _, control, sidecar, _ in
                try await control.admin.setShares(from: "eu", ["eu": 80, "us": 20])
                _ = try await control.admin.syncedProxy()
                let divided = await Load.of(1_200, through: sidecar.address)
                try await control.admin.setShares(from: "eu", [:])
                _ = try await control.admin.syncedProxy()
                let cleared = await Load.of(200, through: sidecar.address)

                #expect(divided.failures == [:])
                #expect(divided.requests == 1_200)
                #expect(abs(divided.percent(in: "eu") - 80) <= 4, "\(divided.served)")
                #expect(abs(divided.percent(in: "us") - 20) <= 4, "\(divided.served)")
                #expect(cleared == Tally(served: ["eu": 200]))
            }
        }

        @Test func `a worker that is told to stop drains without a failure`() async throws {
            try await withTwoRegions { _, control, sidecar, eu in
                var away = Tally()
                let tally = try await Load.through(sidecar.address) { load in
                    try await load.waitForRequests(50)
                    eu.process.send(signal: SIGTERM)
                    let end = try await eu.process.waitForEnd()
                    #expect(end == .status(0))
                    try await load.waitForRequests(Load.callers)
                    _ = load.next()
                    try await load.waitForRequests(100)
                    away = load.next()
                }
                let workers = try await control.admin.workers()
                // The proxy had let go of the endpoint before the worker stopped serving.
                let drained = eu.process.errors.split(separator: "\n").last {
                    $0.contains("\"message\":\"drained\"")
                }

                #expect(tally.failures == [:])
                #expect(away.served.keys.sorted() == ["us"])
                #expect(drained?.contains(#""confirmed":"1""#) == true, "\(eu.process.errors)")
                #expect(drained?.contains(#""subscribed":"1""#) == true, "\(eu.process.errors)")
                #expect(workers.map(\.registration.workerID) == ["us-1"])
            }
        }

        @Test func `a worker that is silent for its lease is taken out until it returns`()
            async throws
        {
            try await withTwoRegions(lease: "2s") { _, control, sidecar, eu in
                let before = try #require(try await control.admin.servingEpoch(of: "eu-1"))
                var away = Tally()
                let tally = try await Load.through(sidecar.address) { load in
                    try await load.waitForRequests(50)
                    eu.process.send(signal: SIGSTOP)
                    try await waitUntil("the endpoint to be gone", within: .seconds(6)) {
                        try await sidecar.admin.endpoints().map(\.region) == ["us"]
                    }
                    // Calls that the worker holds on to are tried again after a second.
                    try await Task.sleep(for: .seconds(1))
                    try await load.waitForRequests(Load.callers)
                    _ = load.next()
                    try await load.waitForRequests(50)
                    away = load.next()
                    eu.process.send(signal: SIGCONT)
                    try await sidecar.admin.waitUntilRoutable(["eu": 1, "us": 1])
                }
                let after = try await control.admin.servingEpoch(of: "eu-1")
                let back = await Load.of(50, through: sidecar.address)

                #expect(tally.failures == [:])
                #expect(away.served.keys.sorted() == ["us"])
                #expect(try #require(after) > before)
                #expect(back == Tally(served: ["eu": 50]))
                #expect(eu.process.currentEnd == nil)
            }
        }

        @Test(arguments: [SIGKILL, SIGTERM])
        func `nothing is lost while the control plane is gone and when it returns`(
            signal: Int32
        ) async throws {
            // The outage is longer than the lease.
            try await withTwoRegions(lease: "2s") { fleet, control, sidecar, eu in
                let before = try #require(try await control.admin.servingEpoch(of: "eu-1"))
                let endpoints = try await sidecar.admin.endpoints()
                var seen: Set<[EnvoyAdmin.Endpoint]> = []
                let tally = try await Load.through(sidecar.address) { load in
                    try await load.waitForRequests(50)
                    control.process.send(signal: signal)
                    let end = try await control.process.waitForEnd()
                    #expect(end == (signal == SIGTERM ? .status(0) : .signal(SIGKILL)))
                    try await Task.sleep(for: .milliseconds(2_500))
                    let again = try await fleet.startControlPlane(on: control.address)
                    try await waitUntil("the worker to be back", within: .seconds(20)) {
                        seen.insert(try await sidecar.admin.endpoints())
                        return try await again.admin.servingEpoch(of: "eu-1") ?? 0 > before
                    }
                    try await waitUntil("the sidecar to be back", within: .seconds(20)) {
                        seen.insert(try await sidecar.admin.endpoints())
                        return try await again.admin.proxies().count == 1
                    }
                    _ = try await again.admin.syncedProxy()
                    try await load.waitForRequests(100)
                    seen.insert(try await sidecar.admin.endpoints())
                }

                #expect(tally.failures == [:])
                #expect(tally.served["eu", default: 0] >= 250)
                #expect(tally.served.keys.sorted() == ["eu"])
                #expect(seen == [endpoints])
                #expect(eu.process.currentEnd == nil)
            }
        }

        private func withTwoRegions(
            lease: String = "5s",
            _ body: (Fleet, Fleet.ControlPlane, Fleet.Sidecar, Fleet.Worker) async throws -> Void
        ) async throws {
            try await Fleet.with { fleet in
                let control = try await fleet.startControlPlane(mesh: MeshText(lease: lease))
                let eu = try await fleet.startWorker("eu-1", in: "eu", control)
                _ = try await fleet.startWorker("us-1", in: "us", control)
                let sidecar = try await fleet.startSidecar(in: "eu", control)
                try await sidecar.admin.waitUntilRoutable(["eu": 1, "us": 1])
                _ = try await control.admin.syncedProxy()
                try await body(fleet, control, sidecar, eu)
            }
        }
    }
}
