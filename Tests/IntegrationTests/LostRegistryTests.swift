import Foundation
import Glibc
import Testing

extension IntegrationTests {
    /// A control plane that comes back with less than it knew.
    @Suite struct LostRegistryTests {
        enum Damage: CaseIterable {
            /// Nothing is left of the data directory.
            case emptied
            /// The row of one worker can't be read any more.
            case unreadableRow
        }

        @Test(arguments: Damage.allCases)
        func `a sidecar keeps its endpoints until the workers have had time to come back`(
            damage: Damage
        ) async throws {
            try await withTwoWorkers { fleet, control, sidecar, us in
                let endpoints = try await sidecar.admin.endpoints()
                var seen: Set<[EnvoyAdmin.Endpoint]> = []
                let tally = try await Load.through(sidecar.address) { load in
                    try await load.waitForRequests(50)
                    control.process.kill()
                    // One worker that takes its time, and is not known of.
                    us.process.send(signal: SIGSTOP)
                    try await fleet.damage(damage)
                    let again = try await fleet.startControlPlane(on: control.address)
                    try await waitUntil("the sidecar and a worker to be back") {
                        seen.insert(try await sidecar.admin.endpoints())
                        guard try await again.admin.servingEpoch(of: "eu-1") != nil else {
                            return false
                        }
                        return try await again.admin.proxies().count == 1
                    }
                    // All the while that it is missing.
                    for _ in 0..<5 {
                        try await load.waitForRequests(100)
                        seen.insert(try await sidecar.admin.endpoints())
                    }
                    let held = try await again.admin.counters()["xds_endpoints_held"]
                    #expect(held == 1)
                    #expect(seen == [endpoints])
                    // It never comes back, which is the truth then.
                    try await waitUntil("the end of the grace", within: .seconds(60)) {
                        try await sidecar.admin.endpoints().map(\.region) == ["eu"]
                    }
                    _ = try await again.admin.syncedProxy()
                    try await load.waitForRequests(50)
                }

                #expect(tally.failures == [:])
                #expect(tally.served.keys.sorted() == ["eu"])
            }
        }

        @Test func `a control plane that can't read its store serves nothing`() async throws {
            try await withTwoWorkers { fleet, control, sidecar, _ in
                let endpoints = try await sidecar.admin.endpoints()
                let tally = try await Load.through(sidecar.address) { load in
                    try await load.waitForRequests(50)
                    control.process.kill()
                    try fleet.spoilStore()
                    let error = await #expect(throws: ChildProcess.NotStarted.self) {
                        _ = try await fleet.startControlPlane(on: control.address)
                    }
                    let reason = error?.description ?? ""
                    #expect(reason.contains("meridian.db"), "\(reason)")
                    try await load.waitForRequests(100)
                }
                let after = try await sidecar.admin.endpoints()

                #expect(tally.failures == [:])
                #expect(after == endpoints)
            }
        }

        private func withTwoWorkers(
            _ body: (Fleet, Fleet.ControlPlane, Fleet.Sidecar, Fleet.Worker) async throws -> Void
        ) async throws {
            try await Fleet.with { fleet in
                let control = try await fleet.startControlPlane(mesh: MeshText(lease: "2s"))
                _ = try await fleet.startWorker("eu-1", in: "eu", control)
                let us = try await fleet.startWorker("us-1", in: "us", control)
                let sidecar = try await fleet.startSidecar(in: "eu", control)
                try await sidecar.admin.waitUntilRoutable(["eu": 1, "us": 1])
                _ = try await control.admin.syncedProxy()
                try await body(fleet, control, sidecar, us)
            }
        }
    }
}

extension Fleet {
    fileprivate func damage(_ damage: IntegrationTests.LostRegistryTests.Damage) async throws {
        switch damage {
        case .emptied:
            try FileManager.default.removeItem(atPath: "\(directory)/data")
        case .unreadableRow:
            let script = """
                import sqlite3, sys
                store = sqlite3.connect(sys.argv[1])
                changed = store.execute(
                    "UPDATE entry SET value = x'ff' WHERE key = ?", [b"/meridian/workers/us-1"])
                assert changed.rowcount == 1
                store.commit()
                store.close()
                """
            let process = try start(
                "damage",
                try Programs.python(),
                ["-c", script, "\(directory)/data/meridian.db"]
            )
            let end = try await process.waitForEnd()
            guard end == .status(0) else { throw NotEncoded(description: process.errors) }
        }
    }

    /// Writes over the store's file what is no store.
    fileprivate func spoilStore() throws {
        let path = "\(directory)/data/meridian.db"
        // What is in the log would mend it.
        for suffix in ["-wal", "-shm"] {
            try? FileManager.default.removeItem(atPath: path + suffix)
        }
        try Data(repeating: 0x5A, count: 8_192).write(to: URL(filePath: path))
    }
}
