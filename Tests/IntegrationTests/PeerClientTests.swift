import Foundation
import Primitives
import Testing

extension IntegrationTests {
    /// A gRPC client that no one here wrote: grpcio, with messages that it has from reflection.
    @Suite struct PeerClientTests {
        @Test func `grpcio gets reports from a worker and through a sidecar`() async throws {
            try await Fleet.with { fleet in
                let control = try await fleet.startControlPlane()
                let worker = try await fleet.startWorker("eu-1", in: "eu", control)
                let sidecar = try await fleet.startSidecar(in: "eu", control)
                try await sidecar.admin.waitUntilRoutable(["eu": 1])
                let ours = try await ReportClient(worker.address).statement(of: 7)
                for address in [worker.address, sidecar.address] {
                    let report: Report = try await fleet.grpcio(
                        ["report", "\(address)", "\(worker.address)", "customer-statement", "7"]
                    )
                    #expect(report.code == "OK", "\(report)")
                    #expect(report.worker == "eu-1")
                    #expect(report.rows == ours.rows)
                    #expect(report.content == String(decoding: ours.content, as: UTF8.self))

                    let unknown: Report = try await fleet.grpcio(
                        ["report", "\(address)", "\(worker.address)", "no-such-report", "7"]
                    )
                    #expect(unknown.code == "NOT_FOUND")
                    #expect(unknown.details?.contains("no-such-report") == true, "\(unknown)")

                    let mistyped: Report = try await fleet.grpcio(
                        ["report", "\(address)", "\(worker.address)", "customer-statement", "x"]
                    )
                    #expect(mistyped.code == "INVALID_ARGUMENT")
                    #expect(mistyped.details?.contains("customer") == true, "\(mistyped)")
                }
            }
        }

        @Test func `grpcio checks the health and reads the reflection of both servers`()
            async throws
        {
            try await Fleet.with { fleet in
                let control = try await fleet.startControlPlane()
                let worker = try await fleet.startWorker("eu-1", in: "eu", control)
                let onWorker: Description = try await fleet.grpcio([
                    "describe", "\(worker.address)",
                ])
                let onControl: Description = try await fleet.grpcio(
                    ["describe", "\(control.address)"]
                )

                let everywhere: Set<String> = [
                    "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
                    "grpc.reflection.v1alpha.ServerReflection",
                ]
                #expect(onWorker.health == "SERVING")
                #expect(onWorker.unknown == "NOT_FOUND")
                #expect(onWorker.services.union(everywhere) == onWorker.services)
                #expect(
                    onWorker.methods["meridian.v1.ReportService"] == [
                        "GenerateReport", "ListReports",
                    ]
                )
                #expect(onControl.health == "SERVING")
                #expect(onControl.services.union(everywhere) == onControl.services)
                #expect(onControl.methods["meridian.v1.WorkerRegistry"] == ["Register"])
                #expect(
                    onControl.methods["meridian.v1.Admin"] == [
                        "ApplyMesh", "GetMesh", "SetShares", "ListWorkers", "ListProxies",
                        "GetCounters", "ConfirmExpiry", "ListRefusals", "ListLoads",
                    ]
                )
                #expect(
                    onControl.methods["envoy.service.discovery.v3.AggregatedDiscoveryService"] == [
                        "StreamAggregatedResources", "DeltaAggregatedResources",
                    ]
                )
            }
        }
    }
}

/// What `grpcio_client.py report` prints.
private struct Report: Decodable {
    let code: String
    let details: String?
    let worker: String?
    let rows: UInt64?
    let content: String?
}

/// What `grpcio_client.py describe` prints.
private struct Description: Decodable {
    let health: String
    /// The status for a service that is not there.
    let unknown: String
    let services: Set<String>
    /// The methods of each service whose description reflection has.
    let methods: [String: [String]]
}

extension Fleet {
    /// Runs the Python client and reads the JSON that it prints.
    fileprivate func grpcio<Answer: Decodable>(_ arguments: [String]) async throws -> Answer {
        let script = "\(Programs.root)/Tests/IntegrationTests/Fixtures/grpcio_client.py"
        let name = "grpcio-" + UUID().uuidString.prefix(8)
        let client = try start(name, try Programs.python(), [script] + arguments)
        let end = try await client.waitForEnd()
        guard end == .status(0) else {
            throw ChildProcess.NotStarted(description: "\(script): \(client.errors)")
        }
        return try JSONDecoder().decode(Answer.self, from: Data(client.output.utf8))
    }
}
