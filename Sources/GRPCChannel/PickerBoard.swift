import ChannelPolicy
import GRPC
import NIOCore
import Synchronization

/// Where the channel puts up its snapshot, calls read it, and calls that must wait stand.
final class PickerBoard: Sendable {
    private typealias Waiters = [UInt64: UnsafeContinuation<Void, any Error>]

    private struct State {
        var snapshot: ChannelSnapshot
        var picks: PickState
        var waiting: Waiters = [:]
        /// Tasks that wait for another state.
        var watchers: Waiters = [:]
        var lastID: UInt64 = 0
        /// The channel has been told that a call waits and has not looked yet.
        var hasAskedForConnection = false
    }

    enum Pick {
        case route(Route, version: UInt64)
        /// Wait for a snapshot after this one.
        case queue(version: UInt64)
        case fail(GRPCError, version: UInt64)
        case closed
    }

    private let maximumWaitingCalls: Int
    private let maximumStateWatchers: Int
    private let eventLoop: any EventLoop
    private let state: Mutex<State>

    init(
        serviceConfig: ServiceConfig,
        configuration: ClientChannelConfiguration,
        eventLoop: any EventLoop
    ) {
        self.maximumWaitingCalls = configuration.maximumWaitingCalls
        self.maximumStateWatchers = configuration.maximumStateWatchers
        self.eventLoop = eventLoop
        self.state = Mutex(
            State(
                snapshot: ChannelSnapshot(serviceConfig: serviceConfig),
                picks: PickState(seed: UInt64.random(in: .min ... .max))
            )
        )
    }

    var snapshot: ChannelSnapshot { state.withLock { $0.snapshot } }
    var hasWaitingCalls: Bool { state.withLock { !$0.waiting.isEmpty } }

    /// Reads something of the snapshot without a copy of it all.
    func read<Value: Sendable>(_ body: (borrowing ChannelSnapshot) -> Value) -> Value {
        state.withLock { body($0.snapshot) }
    }

    // MARK: - Picks

    func pick() -> Pick {
        state.withLock { state in
            if state.snapshot.isClosed { return .closed }
            let version = state.snapshot.version
            if let failure = state.snapshot.resolutionFailure {
                return .fail(failure, version: version)
            }
            let routes = state.snapshot.routes
            let result = state.snapshot.picker.pick(using: &state.picks) { id in
                routes[id]?.subchannel.callsInFlight ?? 0
            }
            switch result {
            case .subchannel(let id):
                // One that is gone leaves a picker that is replaced in a moment.
                return routes[id].map { .route($0, version: version) } ?? .queue(version: version)
            case .queue: return .queue(version: version)
            case .fail(let failure): return .fail(GRPCError(failure), version: version)
            }
        }
    }

    /// True when somebody must tell the channel that a call waits.
    func askForConnection() -> Bool {
        state.withLock { state in
            defer { state.hasAskedForConnection = true }
            return !state.hasAskedForConnection
        }
    }

    func connectionWasAskedFor() {
        state.withLock { $0.hasAskedForConnection = false }
    }

    // MARK: - Changes

    /// Puts the next snapshot up, and wakes what waits for one.
    func publish(_ change: (inout ChannelSnapshot) -> Void) {
        let (waiting, watchers) = state.withLock { state -> (Waiters, Waiters) in
            let before = state.snapshot.state
            change(&state.snapshot)
            state.snapshot.version += 1
            let waiting = state.waiting
            state.waiting = [:]
            guard before != state.snapshot.state || state.snapshot.isClosed else {
                return (waiting, [:])
            }
            let watchers = state.watchers
            state.watchers = [:]
            return (waiting, watchers)
        }
        for waiter in waiting.values { waiter.resume() }
        for watcher in watchers.values { watcher.resume() }
    }

    // MARK: - Waiting

    /// Returns when there is a snapshot after that of `version`.
    ///
    /// Throws DEADLINE_EXCEEDED, CANCELLED, or RESOURCE_EXHAUSTED when too many calls wait.
    func waitForChange(after version: UInt64, deadline: CallDeadline?) async throws {
        let id = nextID()
        let timer = deadline.map { deadline in
            eventLoop.scheduleTask(deadline: deadline.time) {
                self.stopWaiting(id, deadline.error)
            }
        }
        defer { timer?.cancel() }
        try await withTaskCancellationHandler {
            try await withUnsafeThrowingContinuation { continuation in
                let refusal = state.withLock { state -> Result<Void, any Error>? in
                    if state.snapshot.version != version { return .success(()) }
                    if Task.isCancelled { return .failure(Self.cancelled) }
                    if let deadline, deadline.remaining <= .zero { return .failure(deadline.error) }
                    guard state.waiting.count < maximumWaitingCalls else {
                        return .failure(tooManyWait)
                    }
                    state.waiting[id] = continuation
                    return nil
                }
                if let refusal { continuation.resume(with: refusal) }
            }
        } onCancel: {
            self.stopWaiting(id, Self.cancelled)
        }
    }

    /// Returns when the channel's state is another, or it is closed.
    func waitForStateChange(from old: ConnectivityState) async throws {
        let id = nextID()
        try await withTaskCancellationHandler {
            try await withUnsafeThrowingContinuation { continuation in
                let refusal = state.withLock { state -> Result<Void, any Error>? in
                    if state.snapshot.state != old || state.snapshot.isClosed {
                        return .success(())
                    }
                    if Task.isCancelled { return .failure(CancellationError()) }
                    guard state.watchers.count < maximumStateWatchers else {
                        return .failure(
                            GRPCError(
                                .resourceExhausted,
                                "\(maximumStateWatchers) tasks watch the state of the channel"
                            )
                        )
                    }
                    state.watchers[id] = continuation
                    return nil
                }
                if let refusal { continuation.resume(with: refusal) }
            }
        } onCancel: {
            let watcher = state.withLock { $0.watchers.removeValue(forKey: id) }
            watcher?.resume(throwing: CancellationError())
        }
    }

    private func nextID() -> UInt64 {
        state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
    }

    private func stopWaiting(_ id: UInt64, _ error: GRPCError) {
        let waiter = state.withLock { $0.waiting.removeValue(forKey: id) }
        waiter?.resume(throwing: error)
    }

    private static let cancelled = GRPCError(.cancelled, "the call was cancelled")

    private var tooManyWait: GRPCError {
        GRPCError(.resourceExhausted, "\(maximumWaitingCalls) calls wait for a connection")
    }
}

extension GRPCError {
    init(_ failure: ChannelFailure) {
        self.init(GRPCStatusCode(rawValue: failure.code.rawValue), failure.message)
    }
}
