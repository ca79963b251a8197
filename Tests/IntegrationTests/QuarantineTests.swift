import GRPC
import MeridianAPI
import Testing

extension IntegrationTests {
    /// An operator writes what Envoy refuses and only Envoy can judge: an expression that isn't
    /// RE2.
    @Suite struct QuarantineTests {
        @Test(arguments: Fleet.Discovery.allCases)
        func `one bad service spoils nothing but itself, and is named`(
            discovery: Fleet.Discovery
        ) async throws {
            try await withServices("abc", discovery) { _, control, sidecar, load in
                try await load.waitForCalls(20, of: ["a", "b", "c"])
                let applied = try await control.admin.apply(
                    MeshServices("abc", changed: "abc", bad: "c").yaml
                )
                let refusals = try await quarantined(control.admin, count: 1)
                try await waitUntilSynced(control.admin)
                let changed = [try await load.worker(of: "a2"), try await load.worker(of: "b2")]
                try await load.waitForCalls(20, of: ["a", "b", "c"])
                let counters = try await control.admin.counters()

                _ = try await control.admin.apply(MeshServices("abc", changed: "abc").yaml)
                try await waitUntil("the refusals to be over", within: .seconds(30)) {
                    try await control.admin.refusals().isEmpty
                }
                try await waitUntilSynced(control.admin)
                let corrected = try await load.worker(of: "c2")
                try await load.waitForCalls(20, of: ["a", "b", "c"])

                #expect(refusals.map(\.object) == ["service c"])
                #expect(refusals.map(\.revision) == [applied.revision])
                #expect(refusals.map(\.servedRevision).allSatisfy { $0 < applied.revision })
                #expect(refusals.map(\.leftOut) == [false])
                #expect(refusals.map(\.nodeIds) == [["sidecar-eu"]])
                #expect(refusals.map(\.resource) == ["egress"])
                #expect(
                    refusals.allSatisfy { $0.error.contains(MeshServices.badExpression) },
                    "\(refusals)"
                )
                #expect(counters["xds_quarantined_objects"] == 1)
                // Envoy quotes the expression, so the first guess is right.
                #expect(counters["xds_quarantine_probes"] == 1)
                #expect(changed == ["a-1", "b-1"])
                #expect(corrected == "c-1")
                #expect(load.failures == [:])
            }
        }

        @Test(arguments: [Fleet.Discovery.delta, .stateOfTheWorld])
        func `two bad ones of six changed services are found, and the other changes arrive`(
            discovery: Fleet.Discovery
        ) async throws {
            try await withServices("abcdef", workers: "ab", discovery) {
                _,
                control,
                sidecar,
                load in
                try await load.waitForCalls(20, of: ["a", "b"])
                _ = try await control.admin.apply(
                    MeshServices("abcdef", changed: "abcdef", bad: "ce").yaml
                )
                let refusals = try await quarantined(control.admin, count: 2)
                try await waitUntilSynced(control.admin)
                try await load.waitForCalls(20, of: ["a", "b"])
                let changed = [try await load.worker(of: "a2"), try await load.worker(of: "b2")]
                // Without a worker, a route leads to UNAVAILABLE; without a route, UNIMPLEMENTED.
                var statuses: [String: GRPCStatusCode] = [:]
                for name in ["c", "c2", "d", "d2", "e", "e2", "f", "f2"] {
                    statuses[name] = await grpcError { _ = try await load.worker(of: name) }?.code
                }

                #expect(refusals.map(\.object) == ["service c", "service e"])
                #expect(changed == ["a-1", "b-1"])
                #expect(
                    statuses == [
                        "c": .unavailable, "d": .unavailable, "e": .unavailable,
                        "f": .unavailable, "d2": .unavailable, "f2": .unavailable,
                        "c2": .unimplemented, "e2": .unimplemented,
                    ]
                )
                #expect(load.failures == [:])
            }
        }

        @Test func `a control plane that starts again learns of the culprit again`() async throws {
            try await withServices("abc", workers: "ab", .delta) { fleet, control, sidecar, load in
                _ = try await control.admin.apply(
                    MeshServices("abc", changed: "abc", bad: "c").yaml
                )
                let first = try await quarantined(control.admin, count: 1)
                try await waitUntilSynced(control.admin)
                // Another service's change: the culprit's revision is not the mesh's any more.
                _ = try await control.admin.apply(
                    MeshServices("abcd", changed: "abc", bad: "c").yaml
                )
                try await waitUntilSynced(control.admin)
                control.process.kill()
                let again = try await fleet.startControlPlane(on: control.address)
                let refusals = try await quarantined(again.admin, count: 1)
                try await waitUntilSynced(again.admin)
                try await load.waitForCalls(20, of: ["a", "b"])
                let changed = [try await load.worker(of: "a2"), try await load.worker(of: "b2")]

                #expect(refusals.map(\.object) == ["service c"])
                #expect(refusals.map(\.revision) == first.map(\.revision))
                #expect(changed == ["a-1", "b-1"])
                #expect(load.failures == [:])
            }
        }

        @Test func `a sidecar that comes back is not asked again`() async throws {
            try await withServices("abc", workers: "ab", .delta) { fleet, control, sidecar, load in
                _ = try await control.admin.apply(
                    MeshServices("abc", changed: "abc", bad: "c").yaml
                )
                _ = try await quarantined(control.admin, count: 1)
                let before = try await control.admin.counters()["xds_nacks"]
                sidecar.process.kill()
                let again = try await fleet.startSidecar(in: "eu", control)
                try await waitUntilSynced(control.admin)
                let after = try await control.admin.counters()["xds_nacks"]
                let refusals = try await control.admin.refusals()
                #expect(before == after)
                #expect(refusals.map(\.object) == ["service c"])
                #expect(await again.admin.isReady)
            }
        }

        // MARK: -

        /// Waits until all four types are accepted, on however many streams.
        private func waitUntilSynced(_ admin: ControlPlaneAdmin) async throws {
            try await waitUntil("the proxy to be synced", within: .seconds(30)) {
                let types = try await admin.proxies().flatMap(\.types)
                return types.count >= 4 && types.allSatisfy { $0.state == "SYNCED" }
            }
        }

        private func quarantined(
            _ admin: ControlPlaneAdmin,
            count: Int
        ) async throws -> [Meridian_V1_Refusal] {
            try await waitFor("\(count) objects in quarantine", within: .seconds(30)) {
                let refusals = try await admin.refusals()
                let isOver = refusals.allSatisfy { $0.state == "QUARANTINED" }
                return isOver && refusals.count == count ? refusals : nil
            }
        }

        private func withServices(
            _ services: String,
            workers: String? = nil,
            _ discovery: Fleet.Discovery,
            _ body: (Fleet, Fleet.ControlPlane, Fleet.Sidecar, ServiceLoad) async throws -> Void
        ) async throws {
            let names = (workers ?? services).map(String.init)
            try await Fleet.with { fleet in
                let control = try await fleet.startControlPlane(
                    yaml: MeshServices(services).yaml
                )
                for name in names {
                    _ = try await fleet.startWorker("\(name)-1", in: "eu", control, service: name)
                }
                let sidecar = try await fleet.startSidecar(in: "eu", control, discovery: discovery)
                try await sidecar.admin.waitUntilRoutable(["eu": names.count])
                try await waitUntilSynced(control.admin)
                try await ServiceLoad.through(sidecar.address, services: names) { load in
                    try await body(fleet, control, sidecar, load)
                }
            }
        }
    }
}

/// A mesh whose services differ in a header of their calls; changed ones have one value more.
private struct MeshServices {
    static let badExpression = "(unclosed"

    let services: String
    let changed: String
    let bad: String

    init(_ services: String, changed: String = "", bad: String = "") {
        self.services = services
        self.changed = changed
        self.bad = bad
    }

    var yaml: String {
        """
        apiVersion: meridian/v1
        kind: Mesh
        name: integration
        regions:
          - name: eu
            zones: [eu-a]
        services:
        \(services.map(service).joined(separator: "\n"))

        """
    }

    private func service(_ name: Character) -> String {
        var text = """
              - name: \(name)
                routes:
                  - prefix: /meridian.v1.ReportService/
                    headers: [{name: x-service, exact: \(name)}]
            """
        guard changed.contains(name) else { return text }
        let pattern = bad.contains(name) ? "\(name)2\(Self.badExpression)" : "\(name)[2-4]"
        text += """

                  - prefix: /meridian.v1.ReportService/
                    headers: [{name: x-service, regex: "\(pattern)"}]
            """
        return text
    }
}
