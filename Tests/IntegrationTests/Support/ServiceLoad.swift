import GRPC
import MeridianAPI
import NIOPosix
import Primitives
import Synchronization

/// Callers of several services that differ in the header `x-service`, and what became of their
/// calls.
final class ServiceLoad: Sendable {
    private struct State {
        var served: [String: Int] = [:]
        var failures: [String: [String: Int]] = [:]
        var isStopped = false
    }

    private static let pause = Duration.milliseconds(10)

    private let client: GRPCClient
    private let state = Mutex(State())

    private init(_ address: EndpointAddress) {
        client = GRPCClient(
            addresses: [address],
            eventLoop: MultiThreadedEventLoopGroup.singleton.any()
        )
    }

    /// Runs `body` while each of the services is called without a break.
    static func through(
        _ address: EndpointAddress,
        services: [String],
        _ body: (ServiceLoad) async throws -> Void
    ) async throws {
        let load = ServiceLoad(address)
        try await withThrowingDiscardingTaskGroup { group in
            for service in services {
                group.addTask {
                    while !load.state.withLock({ $0.isStopped }) {
                        await load.call(service)
                        try? await Task.sleep(for: pause)
                    }
                }
            }
            defer { load.state.withLock { $0.isStopped = true } }
            try await body(load)
        }
    }

    /// Answered calls by service.
    var served: [String: Int] { state.withLock { $0.served } }
    /// Failed calls by service and status.
    var failures: [String: [String: Int]] { state.withLock { $0.failures } }

    /// Waits until so many more calls of each of these services were answered.
    func waitForCalls(_ count: Int, of services: [String]) async throws {
        let start = served
        try await waitUntil("\(count) calls of \(services)", within: .seconds(30)) {
            let now = self.served
            return services.allSatisfy { now[$0, default: 0] >= start[$0, default: 0] + count }
        }
    }

    /// The worker that answers one call with this header; throws the status if none does.
    func worker(of service: String) async throws -> String {
        var metadata = Metadata()
        metadata.add("x-service", service)
        let response: Meridian_V1_GenerateReportResponse = try await client.unary(
            "/meridian.v1.ReportService/GenerateReport",
            Meridian_V1_GenerateReportRequest.with {
                $0.report = "customer-statement"
                $0.parameters = ["customer": "1"]
            },
            metadata: metadata,
            timeout: .seconds(10)
        )
        return response.servedBy.workerID
    }

    private func call(_ service: String) async {
        do {
            _ = try await worker(of: service)
            state.withLock { $0.served[service, default: 0] += 1 }
        } catch {
            state.withLock { $0.failures[service, default: [:]]["\(error)", default: 0] += 1 }
        }
    }
}
