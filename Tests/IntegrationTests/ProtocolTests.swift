import Foundation
import Glibc
import MeridianAPI
import Testing

extension IntegrationTests {
    /// What Envoy makes of the finer points of the protocol.
    @Suite struct ProtocolTests {
        @Test(arguments: [Fleet.Discovery.deltaStreams, .stateOfTheWorldStreams])
        func `a sidecar with streams for single types gets everything`(
            discovery: Fleet.Discovery
        ) async throws {
            try await Fleet.with { fleet in
                let control = try await fleet.startControlPlane()
                _ = try await fleet.startWorker("eu-1", in: "eu", control)
                let sidecar = try await fleet.startSidecar(in: "eu", control, discovery: discovery)
                try await sidecar.admin.waitUntilRoutable(["eu": 1])
                let report = try await ReportClient(sidecar.address).statement(of: 7)
                let proxies = try await control.admin.syncedStreams(3)
                // A changed cluster waits for its endpoints, which come on another stream.
                _ = try await control.admin.apply(MeshText(minimumConcurrency: 99).yaml)
                try await waitUntil("the changed cluster to be active", within: .seconds(10)) {
                    let stats = try await sidecar.admin.stats(
                        "cluster_manager.(cluster_modified|warming_clusters)$"
                    )
                    return stats["cluster_manager.cluster_modified"] ?? 0 >= 1
                        && stats["cluster_manager.warming_clusters"] == 0
                }
                let rejected = try await sidecar.admin.stats("update_rejected$")

                #expect(report.servedBy.workerID == "eu-1")
                #expect(Set(proxies.map(\.nodeID)) == ["sidecar-eu"])
                #expect(proxies.map(\.types.count).sorted() == [1, 1, 2])
                #expect(rejected.values.allSatisfy { $0 == 0 }, "\(rejected)")
            }
        }

        @Test(arguments: [Fleet.Discovery.delta, .stateOfTheWorld])
        func `a sidecar that comes back is sent no unchanged resource but endpoints`(
            discovery: Fleet.Discovery
        ) async throws {
            try await Fleet.with { fleet in
                let control = try await fleet.startControlPlane()
                _ = try await fleet.startWorker("eu-1", in: "eu", control)
                let sidecar = try await fleet.startSidecar(in: "eu", control, discovery: discovery)
                try await sidecar.admin.waitUntilRoutable(["eu": 1])
                _ = try await control.admin.syncedProxy()
                control.process.kill()
                let next = try await fleet.startControlPlane(on: control.address)
                _ = try await next.admin.syncedProxy()
                let updates = try await sidecar.admin.stats("update_success$")
                let counters = try await next.admin.counters()

                // Routes by name have no version that would say what the client has (state of the world).
                let expected: UInt64 = discovery == .delta ? 1 : 2
                #expect(counters["xds_responses_sent"] == expected)
                #expect(counters["xds_nacks"] == 0)
                #expect(updates["cluster_manager.cds.update_success"] == 1, "\(updates)")
                #expect(updates["listener_manager.lds.update_success"] == 1, "\(updates)")
            }
        }
    }
}

extension ControlPlaneAdmin {
    /// Waits until the control plane has this many streams, and the client accepted everything of the four
    /// types.
    fileprivate func syncedStreams(_ count: Int) async throws -> [Meridian_V1_Proxy] {
        try await waitFor("\(count) synced streams") {
            let proxies = try await proxies()
            let types = proxies.flatMap(\.types)
            guard proxies.count == count, types.count >= 4 else { return nil }
            return types.allSatisfy { $0.state == "SYNCED" } ? proxies : nil
        }
    }
}
