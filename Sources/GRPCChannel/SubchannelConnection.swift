import ChannelPolicy
import GRPC
import GRPCAPI
import HTTP2
import NIOCore

/// One connection of a subchannel, from the first SYN to the end of its last call.
///
/// It is made once: when it fails or takes no more calls, the subchannel makes another.
// SAFETY (@unchecked Sendable): every stored `var` is touched on the executor's event loop only.
final class SubchannelConnection: @unchecked Sendable {
    /// What the channel is told, in order.
    enum Event: Sendable {
        case connected
        case failed(GRPCError)
        /// It takes no more calls; those that there are go on.
        case ended
        /// It is closed.
        case closed
    }

    let id: SubchannelMachine.ConnectionID
    let executor: EventLoopExecutor
    private let client: GRPCClient
    private let report: @Sendable (SubchannelConnection, Event) -> Void
    private var liveCalls = 0
    private var wasReady = false
    private var isRetired = false
    private var isClosed = false

    init(
        id: SubchannelMachine.ConnectionID,
        address: TransportAddress,
        authority: String,
        configuration: GRPCClientConfiguration,
        executor: EventLoopExecutor,
        report: @escaping @Sendable (SubchannelConnection, Event) -> Void
    ) {
        self.id = id
        self.executor = executor
        self.report = report
        self.client = GRPCClient(
            addresses: [address],
            authority: authority,
            configuration: configuration,
            executor: executor
        )
        client.observer = self
    }

    func connect() {
        client.connect()
    }

    /// Nobody wants it any more: it closes when its calls have ended, at once when it has none.
    func retire() {
        executor.runOnLoop {
            self.isRetired = true
            self.closeIfUnused()
        }
    }

    /// Closes it now; calls in flight end with UNAVAILABLE.
    func close() {
        executor.runOnLoop { self.closeNow() }
    }

    private func closeNow() {
        guard !isClosed else { return }
        isClosed = true
        client.closeNow()
        report(self, .closed)
    }

    private func closeIfUnused() {
        if isRetired, liveCalls == 0 { closeNow() }
    }

    // MARK: - Calls

    /// Opens a call; nil when the connection takes none.
    ///
    /// On the event loop. An observer other than the connection passes its `callEnded` on.
    func open(
        _ call: CallSettings,
        previousAttempts: Int,
        observer: (any ClientCallObserver)? = nil
    ) -> ClientCall? {
        guard !isRetired else { return nil }
        // A call can end inside this, so it is counted before.
        liveCalls += 1
        let opened = client.openIfReady(
            call.path,
            metadata: call.metadata,
            deadline: call.deadline,
            previousAttempts: previousAttempts,
            observer: observer ?? self
        )
        if opened == nil { liveCalls -= 1 }
        return opened
    }

    /// One request, one response; nil when the connection takes no call.
    func unary(
        _ settings: CallSettings,
        _ frame: GRPCFrame,
        previousAttempts: Int
    ) async -> UnaryOutcome? {
        await withTaskExecutorPreference(executor) {
            guard let call = self.open(settings, previousAttempts: previousAttempts) else {
                return nil
            }
            call.sendOnly(frame)
            do {
                let response = try await call.onlyResponse()
                guard settings.wantsLoad, let end = call.ending else {
                    return .success(response, load: nil)
                }
                return .success(response, load: ServerLoad(trailers: end.trailers))
            } catch {
                let end = call.ending
                var failure = AttemptFailure(error, end)
                if settings.wantsLoad, let end {
                    failure.load = ServerLoad(trailers: end.trailers)
                }
                return .failure(failure)
            }
        }
    }

    /// Watches the health of one service until the watch ends; the result says how.
    func watchHealth(_ service: String, _ report: (Bool) -> Void) async -> StatusCode {
        let request = Grpc_Health_V1_HealthCheckRequest.with { $0.service = service }
        guard let frame = try? GRPCFrame(request) else { return .internal }
        let settings = CallSettings(path: "/grpc.health.v1.Health/Watch")
        return await withTaskExecutorPreference(executor) {
            guard let call = self.open(settings, previousAttempts: 0) else { return .unavailable }
            call.sendOnly(frame)
            do {
                while let message = try await call.next() {
                    let response = try Grpc_Health_V1_HealthCheckResponse(grpcMessage: message)
                    report(response.status == .serving)
                }
                return .ok
            } catch {
                call.cancel()
                return StatusCode((error as? GRPCError)?.code ?? .unknown)
            }
        }
    }
}

extension SubchannelConnection: GRPCClientObserver {
    func clientChanged(_ state: GRPCClientState) {
        switch state {
        case .ready:
            wasReady = true
            report(self, .connected)
        case .transientFailure(let error):
            guard !isClosed else { return }
            report(self, .failed(error))
            closeNow()
        case .idle:
            guard wasReady, !isClosed else { return }
            isRetired = true
            report(self, .ended)
            closeIfUnused()
        case .connecting, .closed: break
        }
    }
}

extension SubchannelConnection: ClientCallObserver {
    func responseBegan(_ call: ClientCall) {}

    func callEnded(_ call: ClientCall, _ end: ClientCallEnd) { callEnded() }

    /// On the event loop, once for each call that was opened.
    func callEnded() {
        liveCalls -= 1
        closeIfUnused()
    }
}
