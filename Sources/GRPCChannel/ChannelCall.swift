import ChannelPolicy
package import GRPC
import Synchronization

/// One call over a channel, as its client sees it.
///
/// What is written is kept until the response begins, so that the call can be made again on another
/// connection: always when no server has seen it, and by the method's retry policy. A call with a
/// hedging policy is made once.
///
/// There is one reader and one writer. Letting go of a call without reading it to its end leaves it
/// open: `cancel` it.
package final class ChannelCall: Sendable {
    private struct State: ~Copyable {
        var retry: RetryMachine
        /// The attempt that is the call now; nil between two.
        var attempt: StreamAttempt?
        /// The attempt's call, from when it is open; it stays when the call has ended.
        var call: ClientCall?
        /// What the writer waits for: the attempt has not been sent all that was written.
        var isReplaying = true
        /// Makes the next attempt.
        var recovery: Task<Void, Never>?
        /// What was written, while other attempts may follow.
        var kept: [GRPCFrame] = []
        var keptBytes = 0
        var isCommitted = false
        var hasFinishedWriting = false
        var isCancelled = false
        var end: GRPCStatus?

        init(_ policy: RetryPolicy?) {
            retry = RetryMachine(policy: policy)
        }
    }

    private let settings: CallSettings
    private let pass: CallPass
    private let core: ChannelCore
    private let state: Mutex<State>

    init(_ settings: CallSettings, _ pass: CallPass, _ core: ChannelCore) {
        self.settings = settings
        self.pass = pass
        self.core = core
        var policy: RetryPolicy?
        if case .retry(let retry) = settings.attempts { policy = retry }
        self.state = Mutex(State(policy))
    }

    /// Returns when there is a first attempt.
    func begin() async throws {
        let allowance = pass.allowance
        state.withLock { state in allowance.use { state.retry.callStarted(&$0) } }
        await makeAttempts(after: nil)
        let failed = state.withLock { $0.call == nil ? $0.end : nil }
        if let failed { throw GRPCError(failed.code, failed.message) }
    }

    // MARK: - Writing

    private enum OnWrite {
        case write(ClientCall, StreamAttempt?, isKept: Bool)
        case wait(Task<Void, Never>?)
        case over(GRPCStatus)
    }

    /// Sends one message, first waiting for room when the server reads slowly.
    ///
    /// Throws when the call is over; `next` tells how it ended.
    package func write(_ frame: GRPCFrame) async throws {
        try settings.checkRequest(frame)
        while true {
            switch state.withLock({ prepareWrite(frame, &$0) }) {
            case .over(let status): throw Self.overError(status)
            case .wait(let recovery): await wait(for: recovery)
            case .write(let call, let attempt, let isKept):
                do {
                    return try await call.write(frame)
                } catch let error as GRPCError {
                    // What is kept is sent again with the next attempt, if there is one.
                    guard isKept, isReplaced(attempt) else { throw error }
                    return try await waitForAttempt()
                }
            }
        }
    }

    private func prepareWrite(_ frame: GRPCFrame, _ state: inout State) -> OnWrite {
        if let end = state.end { return .over(end) }
        guard let call = state.call, !state.isReplaying else { return .wait(state.recovery) }
        if !state.isCommitted { keep(frame, &state) }
        return .write(call, state.attempt, isKept: !state.isCommitted)
    }

    private func keep(_ frame: GRPCFrame, _ state: inout State) {
        let bytes = frame.messageBytes
        guard state.keptBytes + bytes <= core.buffer.bytesPerCall, core.buffer.take(bytes) else {
            return commit(&state)
        }
        state.kept.append(frame)
        state.keptBytes += bytes
    }

    private func isReplaced(_ attempt: StreamAttempt?) -> Bool {
        state.withLock { $0.attempt !== attempt && $0.end == nil }
    }

    /// Returns when there is an attempt that has been sent all that is kept.
    private func waitForAttempt() async throws {
        while true {
            let (end, isReplaying, recovery) = state.withLock {
                ($0.end, $0.isReplaying, $0.recovery)
            }
            if let end { throw Self.overError(end) }
            guard isReplaying else { return }
            await wait(for: recovery)
        }
    }

    /// A task that is cancelled meanwhile ends the call.
    private func wait(for recovery: Task<Void, Never>?) async {
        await withTaskCancellationHandler {
            await recovery?.value
        } onCancel: {
            self.cancel()
        }
    }

    private static func overError(_ status: GRPCStatus) -> GRPCError {
        guard status.code != .ok else { return GRPCError(.cancelled, "the call is over") }
        return GRPCError(status.code, status.message)
    }

    /// Half-closes: the server is told that no more messages come.
    package func finishWriting() async {
        let call = state.withLock { state in
            state.hasFinishedWriting = true
            return state.isReplaying ? nil : state.call
        }
        await call?.finishWriting()
    }

    // MARK: - Reading

    /// The server's next message; nil when the call has ended with OK.
    ///
    /// Throws `GRPCError` with the status when it has ended with another.
    package func next() async throws -> MessageBytes? {
        while true {
            let (call, attempt, end, recovery) = state.withLock {
                ($0.call, $0.attempt, $0.end, $0.recovery)
            }
            guard let call else {
                if let end { throw GRPCError(end.code, end.message) }
                await wait(for: recovery)
                continue
            }
            do {
                guard let message = try await call.next() else { return nil }
                do {
                    try settings.checkResponse(message)
                } catch {
                    cancel()
                    throw error
                }
                return message
            } catch {
                guard attempt != nil, isReplaced(attempt) else { throw error }
            }
        }
    }

    /// The metadata that came ahead of the first message and with the status.
    package var metadata: (initial: Metadata, trailing: Metadata) {
        get async {
            let call = state.withLock { $0.call }
            return await call?.metadata ?? (Metadata(), Metadata())
        }
    }

    // MARK: - Ending

    /// Gives the call up; the server is told with RST_STREAM.
    package func cancel() {
        let (call, recovery) = state.withLock { state in
            state.isCancelled = true
            return (state.call, state.recovery)
        }
        recovery?.cancel()
        call?.cancel()
    }

    /// The first end wins.
    private func finish(_ status: GRPCStatus, _ state: inout State) {
        guard state.end == nil else { return }
        state.end = status
        commit(&state)
        dropKept(&state)
        pass.allowance.use { state.retry.callEnded(&$0) }
        core.callEnded(pass, status.code)
    }

    /// No other attempt follows.
    private func commit(_ state: inout State) {
        guard !state.isCommitted else { return }
        state.isCommitted = true
        state.retry.committed()
        // The attempt may still have to be sent what was written before.
        if !state.isReplaying { dropKept(&state) }
    }

    private func dropKept(_ state: inout State) {
        core.buffer.giveBack(state.keptBytes)
        state.kept = []
        state.keptBytes = 0
    }

    // MARK: - Attempts

    /// Makes attempts until one is open or the call has ended.
    private func makeAttempts(after delay: Duration?) async {
        var delay = delay
        while true {
            do {
                if let wait = delay { try await core.waitForRetry(wait, settings) }
            } catch {
                let error = error as? GRPCError ?? GRPCError(.cancelled, "the call was cancelled")
                return state.withLock { finish(error.status, &$0) }
            }
            do throws(AttemptFailure) {
                return try await makeAttempt()
            } catch {
                let decision = state.withLock { decide(error, &$0) }
                switch decision {
                case .finish: return
                case .transparentRetry: delay = nil
                case .retry(let after): delay = after
                }
            }
        }
    }

    private func makeAttempt() async throws(AttemptFailure) {
        while true {
            let picked = try await core.pick(settings)
            let attempt = StreamAttempt(picked, self, core, wantsLoad: settings.wantsLoad)
            picked.route.subchannel.callStarted()
            let previous = state.withLock { state in
                state.attempt = attempt
                return state.retry.previousAttempts
            }
            if let call = await attempt.open(settings, previousAttempts: previous) {
                return await replay(on: attempt, call)
            }
            picked.route.subchannel.callEnded()
            try await core.routeWasGone(picked, settings)
        }
    }

    private enum Replay {
        case send(GRPCFrame)
        case done(hasFinishedWriting: Bool)
        /// The attempt has ended, and what follows was decided then.
        case over
    }

    /// Sends the attempt all that was written, then lets the writer go on.
    private func replay(on attempt: StreamAttempt, _ call: ClientCall) async {
        var sent = 0
        while true {
            let step = state.withLock { state -> Replay in
                // An attempt that ended with a final status is read from all the same.
                guard state.attempt === attempt else { return .over }
                state.call = call
                if state.isCancelled { call.cancel() }
                if state.end != nil { return .over }
                if sent < state.kept.count { return .send(state.kept[sent]) }
                state.isReplaying = false
                if state.isCommitted { dropKept(&state) }
                return .done(hasFinishedWriting: state.hasFinishedWriting)
            }
            switch step {
            case .over: return
            case .done(let hasFinishedWriting):
                if hasFinishedWriting { await call.finishWriting() }
                return
            case .send(let frame):
                do {
                    try await call.write(frame)
                } catch is CancellationError {
                    // Nobody waits for the attempt's own end, which comes later.
                    call.cancel()
                    let status = GRPCStatus(.cancelled, "the call was cancelled")
                    return state.withLock { finish(status, &$0) }
                } catch {
                    return
                }
                sent += 1
            }
        }
    }

    func responseBegan(_ attempt: StreamAttempt) {
        state.withLock { state in
            if state.attempt === attempt { commit(&state) }
        }
    }

    /// Called on the attempt's event loop, before its reader and its writer learn of the end.
    func attemptEnded(_ attempt: StreamAttempt, _ failure: AttemptFailure) {
        state.withLock { state in
            guard state.attempt === attempt, state.end == nil else { return }
            let delay: Duration?
            switch decide(failure, &state) {
            case .finish: return
            case .transparentRetry: delay = nil
            case .retry(let after): delay = after
            }
            state.attempt = nil
            state.call = nil
            state.isReplaying = true
            // Owned by the call: `cancel` cancels it, and there is one at a time.
            state.recovery = Task { await self.makeAttempts(after: delay) }
        }
    }

    /// What follows an attempt; `.finish` has been done.
    private func decide(
        _ failure: AttemptFailure,
        _ state: inout State
    ) -> RetryMachine.OnAttemptEnd {
        if failure.isCommitted { commit(&state) }
        let isOver = failure.isGivenUp || state.isCancelled
        let decision: RetryMachine.OnAttemptEnd =
            isOver ? .finish(.notRetryable) : core.decide(&state.retry, failure.end, pass.allowance)
        switch decision {
        case .finish(let reason):
            core.count(reason)
            finish(failure.error.status, &state)
        case .transparentRetry: core.counters.count(.transparentRetries)
        case .retry: core.counters.count(.retries)
        }
        return decision
    }
}
