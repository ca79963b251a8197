import GRPCAPI
import ServiceLifecycle
import Synchronization

/// The health checking service of gRPC, `grpc.health.v1.Health`.
///
/// As a service of the group it says NOT_SERVING for everything once that shuts down, and ends the
/// watches, which nothing else would end.
package final class HealthService: Service {
    package enum Status: Sendable {
        case serving
        case notServing
    }

    private struct State {
        var statuses: [String: Status] = [:]
        var watchers: [UInt64: AsyncStream<Void>.Continuation] = [:]
        var lastWatcher: UInt64 = 0
        var isStopped = false
    }

    private static let name = "grpc.health.v1.Health"
    /// Watch calls open at once; each holds a task.
    private static let maximumWatchers = 1_000

    private let state = Mutex(State())

    package init() {}

    /// Sets one service's status; the empty name stands for the server as a whole.
    package func set(_ status: Status, for service: String = "") {
        let watchers = state.withLock { state in
            state.statuses[service] = status
            return state.watchers.values.map { $0 }
        }
        for watcher in watchers { watcher.yield() }
    }

    /// Whether the server as a whole was last said to be serving.
    package var isServing: Bool {
        state.withLock { state in
            if case .serving = state.statuses[""] { true } else { false }
        }
    }

    package func run() async throws {
        try await gracefulShutdown()
        let watchers = state.withLock { state in
            state.isStopped = true
            for service in state.statuses.keys { state.statuses[service] = .notServing }
            return state.watchers.values.map { $0 }
        }
        // What was yielded before is still delivered, so each watcher hears of the change first.
        for watcher in watchers {
            watcher.yield()
            watcher.finish()
        }
    }

    package func register(in methods: inout MethodTable) {
        methods.inlineUnary(Self.name, "Check") {
            (request: Grpc_Health_V1_HealthCheckRequest, _) -> Grpc_Health_V1_HealthCheckResponse in
            guard let status = self.status(of: request.service) else {
                throw GRPCError(.notFound, "unknown service \(request.service)")
            }
            return .with { $0.status = status }
        }
        methods.inlineUnary(Self.name, "List") {
            (_: Grpc_Health_V1_HealthListRequest, _) -> Grpc_Health_V1_HealthListResponse in
            let statuses = self.state.withLock { $0.statuses }
            return .with { response in
                for (service, status) in statuses {
                    response.statuses[service] = .with { $0.status = status.wireValue }
                }
            }
        }
        methods.serverStreaming(Self.name, "Watch") {
            (
                request: Grpc_Health_V1_HealthCheckRequest,
                responses: ResponseWriter<Grpc_Health_V1_HealthCheckResponse>,
                _
            ) in
            try await self.watch(request.service, responses)
        }
    }

    private func status(of service: String) -> Grpc_Health_V1_HealthCheckResponse.ServingStatus? {
        state.withLock { $0.statuses[service] }?.wireValue
    }

    /// Sends the status now and after every change, until the client goes.
    private func watch(
        _ service: String,
        _ responses: ResponseWriter<Grpc_Health_V1_HealthCheckResponse>
    ) async throws {
        let (changes, continuation) = AsyncStream.makeStream(
            of: Void.self,
            bufferingPolicy: .bufferingNewest(1)
        )
        let id = try state.withLock { state in
            guard !state.isStopped else {
                throw GRPCError(.unavailable, "the server stops")
            }
            guard state.watchers.count < Self.maximumWatchers else {
                throw GRPCError(
                    .resourceExhausted,
                    "\(Self.maximumWatchers) health watches are open"
                )
            }
            state.lastWatcher += 1
            state.watchers[state.lastWatcher] = continuation
            return state.lastWatcher
        }
        defer { state.withLock { _ = $0.watchers.removeValue(forKey: id) } }
        continuation.yield()
        var last: Grpc_Health_V1_HealthCheckResponse.ServingStatus?
        for await _ in changes {
            // The protocol's answer for a name that may be registered later.
            let current = status(of: service) ?? .serviceUnknown
            guard current != last else { continue }
            last = current
            try await responses.write(.with { $0.status = current })
        }
        try Task.checkCancellation()
        throw GRPCError(.unavailable, "the server stops")
    }
}

extension HealthService.Status {
    fileprivate var wireValue: Grpc_Health_V1_HealthCheckResponse.ServingStatus {
        switch self {
        case .serving: .serving
        case .notServing: .notServing
        }
    }
}
