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

    package init(_ configuration: Configuration) {
    }

    package var phase: Phase { .closed }
    package var inFlight: Int { 0 }

    /// A call wants to be sent; one that is allowed ends with `callEnded` or `callAbandoned`.
    package mutating func callStarting(now: MonotonicTime) -> Admission {
        .allow(Permit(epoch: 0))
    }

    package mutating func callEnded(
        _ permit: Permit,
        status: StatusCode,
        now: MonotonicTime,
        using random: inout some RandomNumberGenerator
    ) {}

    /// The caller gave the call up, so it says nothing of the server.
    package mutating func callAbandoned(_ permit: Permit) {}
}
