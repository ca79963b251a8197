import ChannelPolicy
import GRPC

/// What every call of a channel uses.
///
/// A call starts with `callStarting` and ends with `callEnded`, whatever it does in between.
final class ChannelCore: Sendable {
    /// Picks that circuit breakers may refuse before the call fails.
    private static let maximumRefusedPicks = 8

    let board: PickerBoard
    let counters: ChannelCounters
    let buffer: RetryBuffer
    private let control: ChannelControl
    private let inheritsDeadlines: Bool

    init(
        board: PickerBoard,
        counters: ChannelCounters,
        control: ChannelControl,
        buffer: RetryBuffer,
        inheritsDeadlines: Bool
    ) {
        self.inheritsDeadlines = inheritsDeadlines
        self.board = board
        self.counters = counters
        self.control = control
        self.buffer = buffer
    }

    // MARK: - A call's start and end

    /// What the caller asks for together with what the service config says of the method.
    func settings(
        _ path: String,
        _ metadata: Metadata,
        _ timeout: Duration?,
        _ waitForReady: Bool?
    ) -> CallSettings {
        var settings = CallSettings(path: path)
        settings.metadata = metadata
        let (method, wantsLoad) = board.read {
            ($0.serviceConfig.method(forPath: path), $0.wantsLoad)
        }
        settings.wantsLoad = wantsLoad
        var timeout = timeout
        if let method {
            settings.attempts = method.attempts
            settings.maximumRequestBytes = method.maximumRequestBytes
            settings.maximumResponseBytes = method.maximumResponseBytes
            if let limit = method.timeout { timeout = min(timeout ?? limit, limit) }
        }
        settings.waitForReady = waitForReady ?? method?.waitForReady ?? false
        settings.deadline = CallDeadline(
            timeout: timeout,
            inherited: inheritsDeadlines ? CallContext.current?.deadline : nil
        )
        return settings
    }

    /// Throws UNAVAILABLE when the channel's circuit breaker refuses the call.
    func callStarting(_ settings: CallSettings) throws -> CallPass {
        let (breaker, allowance) = board.read { ($0.breaker, $0.allowance) }
        counters.count(.callsStarted)
        guard let breaker else { return CallPass(breaker: nil, allowance: allowance) }
        guard let pass = breaker.admit() else {
            counters.count(.callsFailed)
            throw GRPCError(.unavailable, "the circuit breaker of the channel refuses the call")
        }
        return CallPass(breaker: pass, allowance: allowance)
    }

    func callEnded(_ pass: CallPass, _ code: GRPCStatusCode) {
        switch code {
        case .ok: counters.count(.callsOK)
        case .cancelled: counters.count(.callsCancelled)
        default: counters.count(.callsFailed)
        }
        if code == .cancelled {
            pass.breaker?.abandoned()
        } else {
            pass.breaker?.ended(StatusCode(code))
        }
    }

    // MARK: - Picks

    /// Where an attempt goes.
    struct Picked: Sendable {
        let route: Route
        /// The permission of the subchannel's circuit breaker.
        let pass: Breaker.Pass?
        /// The snapshot that it is of.
        let version: UInt64
    }

    /// Chooses a connection for an attempt, waiting for one if the channel has none yet.
    func pick(_ settings: CallSettings) async throws(AttemptFailure) -> Picked {
        var refused = 0
        while true {
            switch board.pick() {
            case .route(let route, let version):
                counters.count(.picks)
                guard let breaker = route.breaker else {
                    return Picked(route: route, pass: nil, version: version)
                }
                if let pass = breaker.admit() {
                    return Picked(route: route, pass: pass, version: version)
                }
                refused += 1
                guard refused < Self.maximumRefusedPicks else {
                    let error = GRPCError(
                        .unavailable,
                        "the circuit breaker of \(route.subchannel.address) refuses the call"
                    )
                    throw AttemptFailure(error, reach: .dropped)
                }
            case .queue(let version):
                try await wait(settings, after: version)
            case .fail(let error, let version):
                guard settings.waitForReady else { throw AttemptFailure(error, reach: .server) }
                try await wait(settings, after: version)
            case .closed:
                let error = GRPCError(.unavailable, "the channel is closed")
                throw AttemptFailure(error, reach: .dropped)
            }
        }
    }

    /// Waits for the channel to change, after it has been told that a call needs a connection.
    func wait(_ settings: CallSettings, after version: UInt64) async throws(AttemptFailure) {
        counters.count(.queued)
        if board.askForConnection() { control.callQueued() }
        do {
            try await board.waitForChange(after: version, deadline: settings.deadline)
        } catch {
            let error = error as? GRPCError ?? GRPCError(.cancelled, "the call was cancelled")
            throw AttemptFailure(error, reach: .dropped, isGivenUp: true)
        }
    }

    // MARK: - Attempts

    /// Tells an attempt's end to whom it concerns.
    func attemptEnded(
        _ picked: Picked,
        _ status: StatusCode,
        isGivenUp: Bool,
        load: ServerLoad?
    ) {
        picked.route.subchannel.callEnded()
        if isGivenUp, status == .cancelled {
            picked.pass?.abandoned()
        } else {
            picked.pass?.ended(status)
        }
        guard let load else { return }
        if picked.route.subchannel.keep(LoadReport(load)) {
            control.loadReported(by: picked.route.subchannel)
        }
    }

    /// The connection took no call: the next snapshot is without it.
    func routeWasGone(
        _ picked: Picked,
        _ settings: CallSettings
    ) async throws(AttemptFailure) {
        picked.pass?.abandoned()
        counters.count(.transparentRetries)
        try await wait(settings, after: picked.version)
    }

    /// Sleeps before a retry, no longer than until the call's deadline.
    func waitForRetry(_ delay: Duration, _ settings: CallSettings) async throws {
        do {
            let left = settings.deadline?.remaining ?? delay
            try await Task.sleep(for: min(delay, left))
        } catch {
            throw GRPCError(.cancelled, "the call was cancelled")
        }
        if let deadline = settings.deadline, deadline.remaining <= .zero { throw deadline.error }
    }

    func count(_ reason: RetryMachine.Reason) {
        switch reason {
        case .throttled, .overBudget, .pushedBack: counters.count(.retriesRefused)
        case .succeeded, .notRetryable, .committed, .attemptsExhausted, .dropped: break
        }
    }

    var now: MonotonicTime { control.clock.now }
}
