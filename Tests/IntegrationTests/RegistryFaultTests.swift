import Glibc
import MeridianAPI
import Testing

extension IntegrationTests {
    /// Who is taken for dead, and who is not, with real workers and a sidecar under load.
    @Suite struct RegistryFaultTests {
        @Test func `a control plane that was stopped for twice the lease loses no endpoint`()
            async throws
        {
            try await withWorkers(["eu-1", "eu-2"]) { _, control, sidecar, _ in
                let endpoints = try await sidecar.admin.endpoints()
                let changes = try await sidecar.admin.stats("membership_change")
                var seen: Set<Set<EnvoyAdmin.Endpoint>> = []
                let tally = try await Load.through(sidecar.address) { load in
                    try await load.waitForRequests(50)
                    let before = try await control.admin.counters()
                    control.process.send(signal: SIGSTOP)
                    try await Task.sleep(for: .seconds(4))
                    control.process.send(signal: SIGCONT)
                    // Until all leases that could have run out by it would have.
                    let end = ContinuousClock.now.advanced(by: .seconds(6))
                    while ContinuousClock.now < end {
                        seen.insert(Set(try await sidecar.admin.endpoints()))
                        try await Task.sleep(for: .milliseconds(20))
                    }
                    let after = try await control.admin.counters()
                    #expect(
                        after["registry_stops_noticed"] ?? 0 > before["registry_stops_noticed"] ?? 0
                    )
                    #expect(after["registry_leases_expired"] == 0)
                    try await load.waitForRequests(100)
                }
                let states = try await control.admin.workers().map(\.state)
                let changesAfter = try await sidecar.admin.stats("membership_change")

                #expect(tally.failures == [:])
                #expect(tally.requests > 200)
                #expect(seen == [Set(endpoints)])
                #expect(changesAfter == changes)
                #expect(states == ["SERVING", "SERVING"])
            }
        }

        @Test func `a region that dies together is held until an operator confirms`() async throws {
            let names = (1...4).map { "eu-\($0)" }
            try await withWorkers(names) { fleet, control, sidecar, workers in
                // Stopped, not killed: nothing but their silence says that they are gone.
                for worker in workers { worker.process.send(signal: SIGSTOP) }
                try await waitUntil("all to be held", within: .seconds(30)) {
                    try await control.admin.workers().map(\.state)
                        == Array(repeating: "SUSPECT", count: 4)
                }
                let held = try await sidecar.admin.routable()
                let counters = try await control.admin.counters()
                // A reset connection is proof, whatever is held.
                workers[3].process.kill()
                try await sidecar.admin.waitUntilRoutable(["eu": 3], within: .seconds(5))
                let confirm = try fleet.start(
                    "confirm",
                    try Programs.meridian("meridian"),
                    ["confirm-expiry", "--region", "eu", "--control", control.address.description]
                )
                let end = try await confirm.waitForEnd()
                let left = try await control.admin.workers()
                try await sidecar.admin.waitUntilRoutable([:])
                for worker in workers.prefix(3) { worker.process.send(signal: SIGCONT) }
                try await sidecar.admin.waitUntilRoutable(["eu": 3], within: .seconds(30))

                #expect(held == ["eu": 4])
                #expect(counters["registry_mass_expiries_held"] == 1)
                #expect(counters["registry_leases_expired"] == 0)
                #expect(end == .status(0))
                #expect(confirm.output == "3 out: eu-1, eu-2, eu-3\n")
                #expect(left == [])
            }
        }

        @Test func `workers that return from a common silence were never out`() async throws {
            let names = (1...4).map { "eu-\($0)" }
            try await withWorkers(names) { _, control, sidecar, workers in
                let changes = try await sidecar.admin.stats("membership_change")
                for worker in workers { worker.process.send(signal: SIGSTOP) }
                try await waitUntil("all to be held", within: .seconds(30)) {
                    try await control.admin.counters()["registry_workers_held"] == 4
                }
                for worker in workers { worker.process.send(signal: SIGCONT) }
                try await waitUntil("all to be back", within: .seconds(30)) {
                    try await control.admin.workers().map(\.state)
                        == Array(repeating: "SERVING", count: 4)
                }
                try await waitUntil("none to be held") {
                    try await control.admin.counters()["registry_workers_held"] == 0
                }
                let counters = try await control.admin.counters()
                let changesAfter = try await sidecar.admin.stats("membership_change")
                #expect(changesAfter == changes)
                #expect(counters["registry_leases_expired"] == 0)
            }
        }

        @Test func `a killed worker is out at once, long before its lease`() async throws {
            try await withWorkers(["eu-1", "eu-2"], lease: "60s") { _, control, sidecar, workers in
                workers[0].process.kill()
                try await sidecar.admin.waitUntilRoutable(["eu": 1], within: .seconds(10))
                let left = try await control.admin.workers().map(\.registration.workerID)
                #expect(left == ["eu-2"])
            }
        }

        @Test func `the control plane's own probes are shown beside the worker's word`()
            async throws
        {
            let probe = "\n    healthProbe: {interval: 1s, timeout: 1s, failures: 2}"
            try await withWorkers(["eu-1"], lease: "60s" + probe) { _, control, sidecar, _ in
                // Registered by hand, and nobody listens at its address.
                let ghost = try await RegistrationCall(
                    .with {
                        $0.workerID = "ghost"
                        $0.service = "reports"
                        $0.version = "1.0.0"
                        $0.locality.region = "eu"
                        $0.address.host = "127.0.0.1"
                        $0.address.port = 1
                        $0.capacity = 8
                    },
                    with: control
                )
                try await waitUntil("the ghost to be found", within: .seconds(30)) {
                    try await control.admin.workers().map(\.state) == ["SERVING", "NOT_SERVING"]
                }
                let workers = try await control.admin.workers()
                #expect(workers.map(\.probeState) == ["SERVING", "FAILING"])
                #expect(workers.map(\.reportedState) == ["SERVING", "SERVING"])
                try await sidecar.admin.waitUntilRoutable(["eu": 1])
                ghost.cancel()
            }
        }

        @Test func `the Python example registers, beats and drains`() async throws {
            try await Fleet.with { fleet in
                let control = try await fleet.startControlPlane(mesh: MeshText(lease: "1s"))
                let worker = try fleet.start(
                    "python",
                    try Programs.python(),
                    [
                        "\(Programs.root)/docs/examples/worker.py", control.address.description,
                        "py-1", "reports", "eu", "0",
                    ]
                )
                let epoch = try await worker.waitForLine(beginning: "lease ")
                // Three renewals are a whole lease.
                _ = try await worker.waitForLine(beginning: "renewed ", runs: 4)
                let serving = try await control.admin.servingEpoch(of: "py-1")
                worker.send(signal: SIGTERM)
                let end = try await worker.waitForEnd()
                let left = try await control.admin.workers()

                #expect(serving.map(String.init) == epoch)
                #expect(worker.output.contains("drained \(epoch)"))
                #expect(end == .status(0), "\(worker.errors)")
                #expect(left == [])
            }
        }

        private func withWorkers(
            _ names: [String],
            lease: String = "2s",
            _ body: (Fleet, Fleet.ControlPlane, Fleet.Sidecar, [Fleet.Worker]) async throws -> Void
        ) async throws {
            try await Fleet.with { fleet in
                let control = try await fleet.startControlPlane(mesh: MeshText(lease: lease))
                var workers: [Fleet.Worker] = []
                for name in names {
                    workers.append(try await fleet.startWorker(name, in: "eu", control))
                }
                let sidecar = try await fleet.startSidecar(in: "eu", control)
                try await sidecar.admin.waitUntilRoutable(["eu": names.count])
                _ = try await control.admin.syncedProxy()
                try await body(fleet, control, sidecar, workers)
            }
        }
    }
}
