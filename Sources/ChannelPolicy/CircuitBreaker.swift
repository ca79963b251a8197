/// Refuses calls to what keeps failing or has too many of them.
///
///     closed ── failures in a row ──▶ open ── time over ──▶ halfOpen ── probes succeed ──▶ closed
///                                      ▲                        │
///                                      └───── a probe fails ────┘
///
/// One for a channel, one for each subchannel. Time passes in `callStarting`: no timer is needed.
package struct CircuitBreaker: ~Copyable, Sendable {
    package struct Configuration: Hashable, Sendable {
        /// Calls that may run at once.
        package var maximumInFlight: Int
        /// Failures in a row that open it; nil never opens.
        package var consecutiveFailures: Int?
        /// How long it stays open: longer each time that the probes fail.
        package var openFor: ExponentialBackoff.Configuration
        /// Calls that are tried in the half-open state and must all succeed.
        package var halfOpenProbes: Int
        package var failureStatusCodes: StatusCodeSet

        package static let standardFailureStatusCodes: StatusCodeSet = [
            .unavailable, .deadlineExceeded, .internal, .unknown, .resourceExhausted,
        ]

        package init(
            maximumInFlight: Int = .max,
            consecutiveFailures: Int? = 5,
            openFor: ExponentialBackoff.Configuration = ExponentialBackoff.Configuration(
                initial: .seconds(5),
                multiplier: 2,
                maximum: .seconds(60)
            ),
            halfOpenProbes: Int = 1,
            failureStatusCodes: StatusCodeSet = standardFailureStatusCodes
        ) {
            self.maximumInFlight = maximumInFlight
            self.consecutiveFailures = consecutiveFailures
            self.openFor = openFor
            self.halfOpenProbes = halfOpenProbes
            self.failureStatusCodes = failureStatusCodes
        }
    }

    /// What an allowed call gives back at its end.
    package struct Permit: Hashable, Sendable {
        /// The state that allowed it; its result counts in no other.
        fileprivate let epoch: UInt64
    }

    package enum Admission: Equatable, Sendable {
        case allow(Permit)
        case reject(Rejection)
    }

    package enum Rejection: Hashable, Sendable {
        case tooManyInFlight(limit: Int)
        case open(until: MonotonicTime)
        /// All probes of the half-open state are under way.
        case probing
    }

    package enum Phase: Hashable, Sendable {
        case closed
        case open
        case halfOpen
    }

    private enum State {
        case closed(failures: Int)
        case open(until: MonotonicTime)
        /// `started` probes run or have succeeded; the rest of them may still start.
        case halfOpen(started: Int, succeeded: Int)
    }

    private let configuration: Configuration
    private var state = State.closed(failures: 0)
    private var openFor: ExponentialBackoff
    /// Grows with every change of the phase.
    private var epoch: UInt64 = 0

    /// The calls that were allowed and have not ended.
    package private(set) var inFlight = 0

    package init(_ configuration: Configuration) {
        self.configuration = configuration
        self.openFor = ExponentialBackoff(configuration.openFor)
    }

    package var phase: Phase {
        switch state {
        case .closed: .closed
        case .open: .open
        case .halfOpen: .halfOpen
        }
    }

    /// A call wants to be sent; one that is allowed ends with `callEnded` or `callAbandoned`.
    package mutating func callStarting(now: MonotonicTime) -> Admission {
        if case .open(let until) = state, now < until { return .reject(.open(until: until)) }
        guard inFlight < configuration.maximumInFlight else {
            return .reject(.tooManyInFlight(limit: configuration.maximumInFlight))
        }
        switch state {
        case .closed: break
        case .open: enter(.halfOpen(started: 1, succeeded: 0))
        case .halfOpen(let started, let succeeded):
            guard started < configuration.halfOpenProbes else { return .reject(.probing) }
            state = .halfOpen(started: started + 1, succeeded: succeeded)
        }
        inFlight += 1
        return .allow(Permit(epoch: epoch))
    }

    package mutating func callEnded(
        _ permit: Permit,
        status: StatusCode,
        now: MonotonicTime,
        using random: inout some RandomNumberGenerator
    ) {
        leave()
        // A call from before the last change of the phase says nothing of the server now.
        guard permit.epoch == epoch else { return }
        let isFailure = configuration.failureStatusCodes.contains(status)
        switch state {
        case .closed(let failures):
            guard isFailure, let limit = configuration.consecutiveFailures else {
                state = .closed(failures: 0)
                return
            }
            if failures + 1 < limit {
                state = .closed(failures: failures + 1)
            } else {
                enter(.open(until: now + openFor.failed(using: &random)))
            }
        case .halfOpen(let started, let succeeded):
            if isFailure {
                enter(.open(until: now + openFor.failed(using: &random)))
            } else if succeeded + 1 < configuration.halfOpenProbes {
                state = .halfOpen(started: started, succeeded: succeeded + 1)
            } else {
                openFor.reset()
                enter(.closed(failures: 0))
            }
        case .open: preconditionFailure("no call is allowed in the open state")
        }
    }

    /// The caller gave the call up, so it says nothing of the server.
    package mutating func callAbandoned(_ permit: Permit) {
        leave()
        // Another call may take the place of the probe.
        if permit.epoch == epoch, case .halfOpen(let started, let succeeded) = state {
            state = .halfOpen(started: started - 1, succeeded: succeeded)
        }
    }

    private mutating func enter(_ state: State) {
        self.state = state
        epoch += 1
    }

    private mutating func leave() {
        precondition(inFlight > 0, "an allowed call ends once")
        inFlight -= 1
    }
}
