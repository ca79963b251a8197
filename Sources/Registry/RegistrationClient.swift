package import GRPC
package import Logging
package import MeridianAPI
import NIOCore
package import Primitives
import ServiceLifecycle
import Synchronization

/// A worker's side of the registry: registers, keeps the lease, and comes back whatever happens to
/// the stream.
///
/// `run` returns after a drain: when the service group shuts down, the control plane is asked to
/// take the endpoint out of every proxy, and only its answer (or `drainTimeout`) ends the wait.
package final class RegistrationClient: Service {
    package struct Configuration: Sendable {
        package var registration: Meridian_V1_Registration
        /// How long a drain may take; afterwards the worker stops anyway.
        package var drainTimeout: Duration = .seconds(30)
        package var backoff = Backoff(base: .milliseconds(100), maximum: .seconds(3))

        package init(registration: Meridian_V1_Registration) {
            self.registration = registration
        }
    }

    /// What a worker reports with each heartbeat.
    package struct Report: Sendable {
        package var load: Meridian_V1_Load
        package var isServing: Bool

        package init(load: Meridian_V1_Load, isServing: Bool) {
            self.load = load
            self.isServing = isServing
        }
    }

    private let client: GRPCClient
    private let configuration: Configuration
    private let report: @Sendable () -> Report
    private let onLease: @Sendable (Meridian_V1_LeaseGranted) -> Void
    private let logger: Logger

    /// - Parameters:
    ///   - report: asked before each heartbeat.
    ///   - onLease: told of each lease, the first one and those after a lost stream.
    package init(
        client: GRPCClient,
        configuration: Configuration,
        logger: Logger,
        report: @escaping @Sendable () -> Report,
        onLease: @escaping @Sendable (Meridian_V1_LeaseGranted) -> Void
    ) {
        self.client = client
        self.configuration = configuration
        self.report = report
        self.onLease = onLease
        self.logger = logger
    }

    package func run() async throws {
        var backoff = configuration.backoff
        var random = SystemRandomNumberGenerator()
        while !Task.isCancelled, !Task.isShuttingDownGracefully {
            do {
                let wasGranted = try await holdLease()
                if wasGranted { backoff.succeeded() }
            } catch let error as GRPCError where error.code == .invalidArgument {
                // The same registration will be refused again: the operator has to change
                // something.
                throw error
            } catch let error as GRPCError
                where error.metadata.texts(RegistrationTrailer.mayReturn) == ["false"]
            {
                // Another process has this worker's place; taking it back would start a fight
                // without an end.
                throw error
            } catch {
                logger.warning("the registration was lost", metadata: ["error": "\(error)"])
            }
            let delay = backoff.failed(using: &random)
            // Without a lease there is nothing to drain, so a shutdown ends the wait.
            await cancelWhenGracefulShutdown { try? await Task.sleep(for: delay) }
        }
    }

    /// One stream from its beginning to its end; true when a lease was granted on it.
    private func holdLease() async throws -> Bool {
        let call = try await client.open("/meridian.v1.WorkerRegistry/Register")
        defer { call.cancel() }
        try await call.write(.registration(configuration.registration))
        guard let first = try await call.next(),
            case .lease(let lease) = try Meridian_V1_RegisterResponse(grpcMessage: first).message
        else { throw GRPCError(.internal, "the registry answered a registration without a lease") }
        logger.info("registered", metadata: ["epoch": "\(lease.epoch)"])
        onLease(lease)
        let renewals = Renewals()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await self.readAnswers(call, renewals) }
            group.addTask { try await self.sendHeartbeats(call, lease, renewals) }
            group.addTask { try await self.sendDrainWhenAsked(call, lease) }
            // The first to end decides: a drain that was answered, a lost stream, a lease that was
            // not renewed.
            defer { group.cancelAll() }
            try await group.next()
        }
        return true
    }

    private func readAnswers(_ call: ClientCall, _ renewals: Renewals) async throws {
        while let bytes = try await call.next() {
            switch try Meridian_V1_RegisterResponse(grpcMessage: bytes).message {
            case .renewed: renewals.renewed()
            case .drained(let drained):
                logger.info(
                    "drained",
                    metadata: [
                        "confirmed": "\(drained.confirmedProxies)",
                        "subscribed": "\(drained.subscribedProxies)",
                    ]
                )
                return
            case .lease, nil: break
            }
        }
        throw GRPCError(.unavailable, "the registry ended the stream")
    }

    private func sendHeartbeats(
        _ call: ClientCall,
        _ lease: Meridian_V1_LeaseGranted,
        _ renewals: Renewals
    ) async throws {
        let interval = Duration(lease.heartbeatInterval)
        let limit = Duration(lease.lease)
        while true {
            try await Task.sleep(for: interval)
            guard renewals.silence < limit else {
                throw GRPCError(
                    .deadlineExceeded,
                    "the registry did not answer for \(renewals.silence)"
                )
            }
            let report = report()
            try await call.write(
                .heartbeat(
                    .with {
                        $0.epoch = lease.epoch
                        $0.load = report.load
                        $0.health = report.isServing ? .serving : .notServing
                    }
                )
            )
        }
    }

    /// Asks for the drain and then waits, so that only `readAnswers` or the timeout ends the group.
    private func sendDrainWhenAsked(
        _ call: ClientCall,
        _ lease: Meridian_V1_LeaseGranted
    ) async throws {
        // Not a stream of our own: an `AsyncStream` ends for good when its reader is cancelled, and
        // the next registration would drain at once.
        try await gracefulShutdown()
        try await call.write(.drain(.with { $0.epoch = lease.epoch }))
        try await Task.sleep(for: configuration.drainTimeout)
        logger.warning("the drain was not confirmed in time; stopping without")
    }
}

/// When the lease was last renewed.
private final class Renewals: Sendable {
    private let last = Mutex(ContinuousClock.now)

    func renewed() { last.withLock { $0 = .now } }
    var silence: Duration { last.withLock { $0.duration(to: .now) } }
}

extension ClientCall {
    fileprivate func write(_ message: Meridian_V1_RegisterRequest.OneOf_Message) async throws {
        try await write(GRPCFrame(Meridian_V1_RegisterRequest.with { $0.message = message }))
    }
}
