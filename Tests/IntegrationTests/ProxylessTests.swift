import GRPC
import Glibc
import MeridianAPI
import Primitives
import Testing

extension IntegrationTests {
    /// grpcio as a client without a sidecar, in eu, of workers in eu, us and ap.
    @Suite struct ProxylessTests {
        @Test func `the nearest region serves, and the next one while it is gone`() async throws {
            try await withThreeRegions { fleet, control, workers in
                let client = try await fleet.startProxylessClient(
                    in: "eu",
                    controls: [control.address]
                )
                let quiet = try await client.next(200)
                workers["eu"]?.process.kill()
                try await client.waitUntilServed(by: ["us"])
                let away = try await client.next(100)
                _ = try await fleet.startWorker("eu-1", in: "eu", control)
                try await client.waitUntilServed(by: ["eu"])
                let back = try await client.next(100)
                let all = try client.tally

                #expect(Set(quiet.served.keys) == ["eu"])
                #expect(Set(away.served.keys) == ["us"])
                #expect(Set(back.served.keys) == ["eu"])
                #expect(all.failures == [:])
            }
        }

        @Test func `shares divide the calls until they are cleared`() async throws {
            try await withThreeRegions { fleet, control, _ in
                let client = try await fleet.startProxylessClient(
                    in: "eu",
                    controls: [control.address]
                )
                try await client.waitUntilServed(by: ["eu"])
                try await control.admin.setShares(from: "eu", ["eu": 80, "us": 20])
                try await client.waitUntilServed(by: ["eu", "us"])
                let divided = try await client.next(2_000)
                try await control.admin.setShares(from: "eu", [:])
                try await client.waitUntilServed(by: ["eu"])
                let all = try client.tally

                // Each call is a draw of its own: four points are more than four standard deviations.
                #expect(abs(divided.percent(in: "eu") - 80) <= 4, "\(divided.served)")
                #expect(abs(divided.percent(in: "us") - 20) <= 4, "\(divided.served)")
                #expect(all.failures == [:])
            }
        }

        @Test func `a degraded region gives up as much as Envoy moves on`() async throws {
            try await withThreeRegions { fleet, control, _ in
                let sick = try await Self.registerSickWorker(with: control)
                defer { sick.cancel() }
                try await waitUntil("the worker to be sick", within: .seconds(30)) {
                    try await control.admin.workers().contains { $0.state == "NOT_SERVING" }
                }
                let client = try await fleet.startProxylessClient(
                    in: "eu",
                    controls: [control.address]
                )
                try await client.waitUntilServed(by: ["eu", "us"])
                let byGRPC = try await client.next(2_000)
                let sidecar = try await fleet.startSidecar(in: "eu", control)
                try await sidecar.admin.waitUntilRoutable(["eu": 1, "us": 1, "ap": 1])
                let byEnvoy = await Load.of(2_000, through: sidecar.address)

                // Half of eu serves, and 1.4 times as much of the traffic stays there.
                for tally in [byGRPC, byEnvoy] {
                    #expect(abs(tally.percent(in: "eu") - 70) <= 5, "\(tally)")
                    #expect(abs(tally.percent(in: "us") - 30) <= 5, "\(tally)")
                    #expect(tally.failures == [:])
                }
            }
        }

        @Test func `a worker that drains under load fails no call`() async throws {
            try await withThreeRegions { fleet, control, workers in
                _ = try await fleet.startWorker("eu-2", in: "eu", control)
                let client = try await fleet.startProxylessClient(
                    in: "eu",
                    controls: [control.address]
                )
                try await client.waitUntilServed(by: ["eu"])
                let drained = try #require(workers["eu"]).process
                drained.send(signal: SIGTERM)
                let end = try await drained.waitForEnd(within: .seconds(30))
                let after = try await client.next(200)
                let all = try client.tally

                #expect(end == .status(0))
                #expect(Set(after.served.keys) == ["eu"])
                #expect(all.failures == [:])
            }
        }

        @Test func `calls go on while the control plane is dead, and follow it when it is back`()
            async throws
        {
            try await withThreeRegions { fleet, control, _ in
                let client = try await fleet.startProxylessClient(
                    in: "eu",
                    controls: [control.address]
                )
                try await client.waitUntilServed(by: ["eu"])
                let before = try await control.admin.syncedProxy()
                control.process.kill()
                let alone = try await client.next(300)
                let next = try await fleet.startControlPlane(
                    mesh: Self.mesh,
                    on: control.address
                )
                // The workers have to be back, or there is nobody to give the shares to.
                try await waitUntil("the workers to be back", within: .seconds(30)) {
                    try await next.admin.workers().count { $0.state == "SERVING" } == 3
                }
                let after = try await next.admin.syncedProxy()
                try await next.admin.setShares(from: "eu", ["us": 100])
                try await client.waitUntilServed(by: ["us"])
                let counters = try await next.admin.counters()
                let all = try client.tally

                for proxy in [before, after] {
                    #expect(proxy.nodeID == "client-eu")
                    #expect(proxy.userAgent.hasPrefix("gRPC"), "\(proxy.userAgent)")
                    #expect(proxy.protocol == "SOTW")
                    #expect(proxy.locality.region == "eu")
                    #expect(proxy.types.map(\.resources) == [1, 1, 1, 1])
                }
                #expect(Set(alone.served.keys) == ["eu"])
                #expect(all.failures == [:])
                #expect(counters["xds_nacks"] == 0)
                #expect(counters["xds_violations"] == 0)
            }
        }

        @Test func `a short timeout leaves gRPC the time that it counts wrongly`() async throws {
            try await Fleet.with { fleet in
                let control = try await fleet.startControlPlane(mesh: MeshText(timeout: "1s"))
                _ = try await fleet.startWorker("eu-1", in: "eu", control)
                let client = try await fleet.startProxylessClient(
                    in: "eu",
                    controls: [control.address]
                )
                let tally = try await client.next(100)
                #expect(Set(tally.served.keys) == ["eu"])
                #expect(tally.failures == [:])
            }
        }

        @Test func `a replica that is down is passed over, and an unknown service is not there`()
            async throws
        {
            try await withThreeRegions { fleet, control, _ in
                let dead = try Ports.next()
                let client = try await fleet.startProxylessClient(
                    in: "eu",
                    controls: [dead, control.address]
                )
                let served = try await client.next(50)
                let lost = try await fleet.startProxylessClient(
                    in: "us",
                    controls: [control.address],
                    target: "xds:///no-such-service"
                )
                // In the state of the world nothing says "there is none": gRPC gives up after 15 s.
                let unserved = try await waitFor("a refusal", within: .seconds(60)) {
                    let tally = try lost.tally
                    return tally.failures.keys.contains(where: Self.isUnknownService) ? tally : nil
                }

                #expect(served.served.keys.sorted() == ["eu"])
                #expect(served.failures == [:])
                #expect(unserved.served == [:])
            }
        }

        private static func isUnknownService(_ failure: String) -> Bool {
            failure.hasPrefix("UNAVAILABLE: ")
                && failure.contains("no-such-service: does not exist")
        }

        /// A worker in eu that says of itself that it can't serve, for as long as the call lasts.
        private static func registerSickWorker(
            with control: Fleet.ControlPlane
        ) async throws -> ClientCall {
            let address = try Ports.next()
            let call = try await control.admin.client.open(
                "/meridian.v1.WorkerRegistry/Register",
                timeout: .seconds(120)
            )
            let registration = Meridian_V1_RegisterRequest.with {
                $0.registration = .with {
                    $0.workerID = "eu-sick"
                    $0.service = "reports"
                    $0.locality.region = "eu"
                    $0.locality.zone = "eu-a"
                    $0.address.host = address.host
                    $0.address.port = UInt32(address.port)
                    $0.capacity = 8
                    $0.lease.seconds = 60
                }
            }
            try await call.write(try GRPCFrame(registration))
            let bytes = try #require(try await call.next())
            let granted = try Meridian_V1_RegisterResponse(grpcMessage: bytes)
            let heartbeat = Meridian_V1_RegisterRequest.with {
                $0.heartbeat.epoch = granted.lease.epoch
                $0.heartbeat.health = .notServing
            }
            try await call.write(try GRPCFrame(heartbeat))
            return call
        }

        private static let mesh = MeshText(hasThirdRegion: true)

        private func withThreeRegions(
            _ body: (Fleet, Fleet.ControlPlane, [String: Fleet.Worker]) async throws -> Void
        ) async throws {
            try await Fleet.with { fleet in
                let control = try await fleet.startControlPlane(mesh: Self.mesh)
                var workers: [String: Fleet.Worker] = [:]
                for region in ["ap", "eu", "us"] {
                    workers[region] = try await fleet.startWorker(
                        "\(region)-1",
                        in: region,
                        control
                    )
                }
                try await body(fleet, control, workers)
            }
        }
    }
}
