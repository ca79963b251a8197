import ChannelPolicy
import GRPC

/// Unary calls that are sent several times, to take the answer that comes first (gRFC A6).
extension ChannelCore {
    private enum HedgeEvent: Sendable {
        case ended(attempt: Int, UnaryOutcome)
        /// The delay of the timer with this number is over.
        case timer(Int)
    }

    func hedged(
        _ settings: CallSettings,
        _ frame: GRPCFrame,
        _ policy: HedgingPolicy,
        _ allowance: Allowance
    ) async throws -> MessageBytes {
        let outcome = await withTaskGroup(of: HedgeEvent.self) { group -> UnaryOutcome in
            var machine = HedgingMachine(policy: policy)
            var outcomes: [Int: UnaryOutcome] = [:]
            var timers = 0
            let start = now
            var action = allowance.use { machine.callStarted(&$0, now: start) }
            defer { allowance.use { machine.callEnded(&$0) } }
            while true {
                switch action {
                case .send(let attempt, let next):
                    if attempt > 0 { counters.count(.hedges) }
                    group.addTask { await self.hedge(attempt, settings, frame) }
                    timers += 1
                    startTimer(timers, next, in: &group)
                case .sendAgain(let attempt):
                    counters.count(.transparentRetries)
                    group.addTask { await self.hedge(attempt, settings, frame) }
                case .wait(let next):
                    timers += 1
                    startTimer(timers, next, in: &group)
                case .commit, .ignore: break
                case .finish(let attempt, _):
                    group.cancelAll()
                    guard let outcome = outcomes[attempt] else {
                        preconditionFailure("an attempt decides the call after it ended")
                    }
                    return outcome
                }
                switch await group.next() {
                case .ended(let attempt, let outcome)?:
                    outcomes[attempt] = outcome
                    if case .failure(let failure) = outcome, failure.isGivenUp || Task.isCancelled {
                        group.cancelAll()
                        return outcome
                    }
                    let now = now
                    let end = outcome.end
                    action = allowance.use {
                        machine.attemptEnded(attempt: attempt, end, &$0, now: now)
                    }
                case .timer(timers)?:
                    let now = now
                    action = allowance.use { machine.timerFired(&$0, now: now) }
                case .timer?: action = .ignore
                case nil:
                    preconditionFailure("a hedged call that goes on has an attempt or a timer")
                }
            }
        }
        return try outcome.get()
    }

    private func hedge(
        _ attempt: Int,
        _ settings: CallSettings,
        _ frame: GRPCFrame
    ) async -> HedgeEvent {
        .ended(
            attempt: attempt,
            await self.attempt(settings, frame, previousAttempts: attempt)
        )
    }

    private func startTimer(
        _ number: Int,
        _ time: MonotonicTime?,
        in group: inout TaskGroup<HedgeEvent>
    ) {
        guard let time else { return }
        let delay = time - now
        group.addTask {
            // Cancelled with the group, when the call has its answer.
            try? await Task.sleep(for: delay)
            return .timer(number)
        }
    }
}

extension UnaryOutcome {
    fileprivate var end: AttemptEnd {
        switch self {
        case .success: AttemptEnd(status: .ok)
        case .failure(let failure): failure.end
        }
    }
}
