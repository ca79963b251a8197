import ChannelPolicy
import GRPC

/// Unary calls: the request is one frame, so that every attempt can send it again.
extension ChannelCore {
    func unary(
        _ settings: CallSettings,
        _ frame: GRPCFrame,
        _ allowance: Allowance
    ) async throws -> MessageBytes {
        switch settings.attempts {
        case .once:
            return try await attempts(settings, frame, nil, allowance)
        case .retry(let policy):
            guard keep(frame) else { return try await attempts(settings, frame, nil, allowance) }
            defer { buffer.giveBack(frame.messageBytes) }
            return try await attempts(settings, frame, policy, allowance)
        case .hedge(let policy):
            guard keep(frame) else { return try await attempts(settings, frame, nil, allowance) }
            defer { buffer.giveBack(frame.messageBytes) }
            return try await hedged(settings, frame, policy, allowance)
        }
    }

    /// Whether the request may be kept for other attempts.
    private func keep(_ frame: GRPCFrame) -> Bool {
        frame.messageBytes <= buffer.bytesPerCall && buffer.take(frame.messageBytes)
    }

    /// One attempt after the other, as the policy allows; nil has transparent retries only.
    private func attempts(
        _ settings: CallSettings,
        _ frame: GRPCFrame,
        _ policy: RetryPolicy?,
        _ allowance: Allowance
    ) async throws -> MessageBytes {
        var outcome: UnaryOutcome
        if policy == nil {
            // Nearly every call ends here.
            outcome = await attempt(settings, frame, previousAttempts: 0)
            if case .success(let bytes, _) = outcome { return bytes }
        } else {
            outcome = .failure(AttemptFailure(GRPCError(.unknown, "not tried"), reach: .server))
        }
        var machine = RetryMachine(policy: policy)
        allowance.use { machine.callStarted(&$0) }
        defer { allowance.use { machine.callEnded(&$0) } }
        if policy != nil { outcome = await attempt(settings, frame, previousAttempts: 0) }
        while true {
            let end: AttemptEnd
            switch outcome {
            case .success: end = AttemptEnd(status: .ok)
            case .failure(let failure):
                if failure.isCommitted { machine.committed() }
                if failure.isGivenUp || Task.isCancelled { throw failure.error }
                end = failure.end
            }
            switch decide(&machine, end, allowance) {
            case .finish(let reason):
                count(reason)
                return try outcome.get()
            case .transparentRetry: counters.count(.transparentRetries)
            case .retry(let delay):
                counters.count(.retries)
                try await waitForRetry(delay, settings)
            }
            outcome = await attempt(settings, frame, previousAttempts: machine.previousAttempts)
        }
    }

    func decide(
        _ machine: inout RetryMachine,
        _ end: AttemptEnd,
        _ allowance: Allowance
    ) -> RetryMachine.OnAttemptEnd {
        let now = now
        return allowance.use { allowance in
            var random = SystemRandomNumberGenerator()
            return machine.attemptEnded(end, allowance: &allowance, now: now, using: &random)
        }
    }

    /// One attempt on whatever connection is picked.
    func attempt(
        _ settings: CallSettings,
        _ frame: GRPCFrame,
        previousAttempts: Int
    ) async -> UnaryOutcome {
        do {
            while true {
                let picked = try await pick(settings)
                let subchannel = picked.route.subchannel
                subchannel.callStarted()
                let outcome = await picked.route.connection.unary(
                    settings,
                    frame,
                    previousAttempts: previousAttempts
                )
                switch outcome {
                case nil:
                    subchannel.callEnded()
                    try await routeWasGone(picked, settings)
                    continue
                case .success(let bytes, let load)?:
                    attemptEnded(picked, .ok, isGivenUp: false, load: load)
                    return .success(bytes, load: nil)
                case .failure(let failure)?:
                    attemptEnded(
                        picked,
                        failure.end.status,
                        isGivenUp: failure.isGivenUp,
                        load: failure.load
                    )
                    return .failure(failure)
                }
            }
        } catch {
            return .failure(error)
        }
    }
}

extension UnaryOutcome {
    func get() throws -> MessageBytes {
        switch self {
        case .success(let bytes, _): return bytes
        case .failure(let failure): throw failure.error
        }
    }
}
