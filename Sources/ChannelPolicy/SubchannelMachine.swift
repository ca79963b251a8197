/// The life of one subchannel: when it connects, how long it waits, when it may carry calls.
///
///     idle ── connectRequested ──▶ connecting ──── connected ────▶ connected ─┐
///      ▲                             │                              ▲   │    health
///      │                       connectFailed                        └───┼─────┘
///      │                             ▼                                  │
///      ├──── backoffEnded ──── backingOff ◀── ended early, repeatedly ──┤
///      └──── connectionEnded (lost or GOAWAY) ──────────────────────────┘
///
/// `shutDown` is reached from every state and never left. Waiting follows connection-backoff.md of
/// gRPC, health checking gRFC A17.
package struct SubchannelMachine: ~Copyable, Sendable {
    package struct Configuration: Hashable, Sendable {
        package var backoff = ExponentialBackoff.Configuration.connection
        /// An attempt may take at least this long, even when the backoff is shorter.
        package var minimumConnectTimeout: Duration = .seconds(20)
        /// Connections in a row that may end before the delay of their attempt is over and be
        /// replaced at once.
        ///
        /// A server that accepts and hangs up would otherwise be dialled without a pause.
        package var maximumEarlyEnds = 3
        /// The delay between two failed watches.
        package var healthBackoff = ExponentialBackoff.Configuration.connection
        package var isHealthChecked = false

        package init() {}
    }

    /// Tells the connections of one subchannel apart, so that late news of an old one is ignored.
    package struct ConnectionID: Hashable, Sendable {
        fileprivate let number: UInt64
    }

    package enum OnConnectRequest: Equatable {
        /// Connect, and give up after the timeout.
        case connect(ConnectionID, timeout: Duration)
        /// Nothing to do: there is a connection, an attempt, a delay or the end.
        case ignore
    }

    package enum OnConnected: Equatable {
        /// Calls may use it.
        case ready
        /// Start the health watch; the subchannel is not ready before it says so.
        case watchHealth
        /// Nobody wants it any more: close it.
        case close
    }

    package enum OnConnectFailed: Equatable {
        /// Call `backoffEnded` after the delay.
        case backOff(Duration)
        /// News of an attempt that was given up.
        case ignore
    }

    package enum OnBackoffEnded: Equatable {
        case idle
        /// The timer was early: call again after the rest.
        case wait(Duration)
        /// A timer of another time.
        case ignore
    }

    package enum OnHealthReport: Equatable {
        /// `state` is another one now.
        case changed
        case ignore
    }

    package enum OnHealthWatchEnded: Equatable {
        /// Call `healthDelayEnded` after the delay.
        case watchAgain(after: Duration)
        /// The server has no health service: it counts as healthy. Worth an error in the log.
        case checkDisabled
        case ignore
    }

    package enum OnHealthDelayEnded: Equatable {
        case watchHealth
        case ignore
    }

    package enum OnConnectionEnded: Equatable {
        /// It is idle; end the watch and open no more calls on the connection.
        case idle
        /// The same, and it may not connect yet: call `backoffEnded` after the delay.
        case backOff(Duration)
        /// Another connection than the present one.
        case ignore
    }

    package enum OnRelease: Equatable {
        case nothing
        /// Give up the attempt.
        case cancelAttempt(ConnectionID)
        /// Close the connection when its calls are done.
        case close(ConnectionID)
    }

    private enum State {
        /// No connection and no need for one.
        case idle
        case connecting(ConnectionID, nextAttempt: MonotonicTime)
        /// The last attempt failed; the next may not start before `until`.
        case backingOff(ChannelFailure, until: MonotonicTime)
        case connected(ConnectionID, nextAttempt: MonotonicTime, Health)
        case shutDown
    }

    /// What is known of the health of a connection.
    private enum Health {
        /// Not asked for, or the server has no health service.
        case unchecked
        /// A watch was started and has said nothing yet.
        case awaited
        case serving
        case notServing
        /// The watch failed and starts again after a delay.
        case delayed(ChannelFailure)
    }

    private let configuration: Configuration
    private var current = State.idle
    private var backoff: ExponentialBackoff
    private var healthBackoff: ExponentialBackoff
    private var earlyEnds = 0
    private var lastConnection: UInt64 = 0

    package init(_ configuration: Configuration = Configuration()) {
        self.configuration = configuration
        self.backoff = ExponentialBackoff(configuration.backoff)
        self.healthBackoff = ExponentialBackoff(configuration.healthBackoff)
    }

    /// What a load balancer sees.
    package var state: ConnectivityState {
        switch current {
        case .idle: .idle
        case .connecting: .connecting
        case .backingOff(let failure, _): .transientFailure(failure)
        case .connected(_, _, let health):
            switch health {
            case .unchecked, .serving: .ready
            case .awaited: .connecting
            case .notServing: .transientFailure(ChannelFailure("the backend is unhealthy"))
            case .delayed(let failure): .transientFailure(failure)
            }
        case .shutDown: .transientFailure(ChannelFailure("the subchannel is shut down"))
        }
    }

    // MARK: - Connecting

    /// The load balancer wants a connection.
    package mutating func connectRequested(
        now: MonotonicTime,
        using random: inout some RandomNumberGenerator
    ) -> OnConnectRequest {
        guard case .idle = current else { return .ignore }
        lastConnection += 1
        let connection = ConnectionID(number: lastConnection)
        // connection-backoff.md counts the delay from the start of the attempt, not from its end:
        // an attempt that took that long needs no further wait.
        let delay = backoff.failed(using: &random)
        current = .connecting(connection, nextAttempt: now + delay)
        return .connect(connection, timeout: max(delay, configuration.minimumConnectTimeout))
    }

    /// The transport is ready: all handshakes are done and the server's SETTINGS are in.
    package mutating func connected(_ connection: ConnectionID) -> OnConnected {
        guard case .connecting(connection, let nextAttempt) = current else { return .close }
        guard configuration.isHealthChecked else {
            current = .connected(connection, nextAttempt: nextAttempt, .unchecked)
            return .ready
        }
        healthBackoff.reset()
        current = .connected(connection, nextAttempt: nextAttempt, .awaited)
        return .watchHealth
    }

    package mutating func connectFailed(
        _ connection: ConnectionID,
        _ failure: ChannelFailure,
        now: MonotonicTime
    ) -> OnConnectFailed {
        guard case .connecting(connection, let nextAttempt) = current else { return .ignore }
        current = .backingOff(failure, until: nextAttempt)
        return .backOff(max(nextAttempt - now, .zero))
    }

    /// The delay that `connectFailed` or `connectionEnded` asked for is over.
    package mutating func backoffEnded(now: MonotonicTime) -> OnBackoffEnded {
        guard case .backingOff(_, let until) = current else { return .ignore }
        guard now >= until else { return .wait(until - now) }
        current = .idle
        return .idle
    }

    /// The application knows that the network is back: the next attempt need not wait.
    ///
    /// Returns whether the subchannel has become idle; a timer that runs may be cancelled then.
    package mutating func backoffReset() -> Bool {
        backoff.reset()
        earlyEnds = 0
        guard case .backingOff = current else { return false }
        current = .idle
        return true
    }

    /// The connection was lost or drains after GOAWAY: it takes no more calls.
    package mutating func connectionEnded(
        _ connection: ConnectionID,
        now: MonotonicTime
    ) -> OnConnectionEnded {
        guard case .connected(connection, let nextAttempt, _) = current else { return .ignore }
        guard now < nextAttempt else {
            backoff.reset()
            earlyEnds = 0
            current = .idle
            return .idle
        }
        earlyEnds += 1
        guard earlyEnds > configuration.maximumEarlyEnds else {
            current = .idle
            return .idle
        }
        let failure = ChannelFailure("\(earlyEnds) connections ended soon after they were made")
        current = .backingOff(failure, until: nextAttempt)
        return .backOff(nextAttempt - now)
    }

    // MARK: - Health

    /// The health watch of this connection brought a message.
    package mutating func healthReported(
        _ connection: ConnectionID,
        isServing: Bool
    ) -> OnHealthReport {
        guard case .connected(connection, let nextAttempt, let health) = current else {
            return .ignore
        }
        switch (health, isServing) {
        // A message can't come from a watch that has ended: the shell mixed them up or races.
        case (.unchecked, _), (.delayed, _): return .ignore
        case (.serving, true), (.notServing, false): return .ignore
        case (.awaited, _), (.serving, false), (.notServing, true):
            healthBackoff.reset()
            let health = isServing ? Health.serving : .notServing
            current = .connected(connection, nextAttempt: nextAttempt, health)
            return .changed
        }
    }

    package mutating func healthWatchEnded(
        _ connection: ConnectionID,
        status: StatusCode,
        using random: inout some RandomNumberGenerator
    ) -> OnHealthWatchEnded {
        guard case .connected(connection, let nextAttempt, let health) = current else {
            return .ignore
        }
        let delay: Duration
        switch health {
        case .unchecked, .delayed: return .ignore
        case .awaited: delay = healthBackoff.failed(using: &random)
        // A watch that said something is replaced at once.
        case .serving, .notServing: delay = .zero
        }
        guard status != .unimplemented else {
            current = .connected(connection, nextAttempt: nextAttempt, .unchecked)
            return .checkDisabled
        }
        let failure = ChannelFailure("the health watch of the backend ended with \(status)")
        current = .connected(connection, nextAttempt: nextAttempt, .delayed(failure))
        return .watchAgain(after: delay)
    }

    package mutating func healthDelayEnded(_ connection: ConnectionID) -> OnHealthDelayEnded {
        guard case .connected(connection, let nextAttempt, .delayed) = current else {
            return .ignore
        }
        current = .connected(connection, nextAttempt: nextAttempt, .awaited)
        return .watchHealth
    }

    // MARK: - The end

    /// The load balancer has no use for a connection now; the subchannel is idle again.
    package mutating func released() -> OnRelease {
        if case .shutDown = current { return .nothing }
        backoff.reset()
        earlyEnds = 0
        return leave(for: .idle)
    }

    /// The address is gone or the channel closes.
    package mutating func shutDown() -> OnRelease {
        leave(for: .shutDown)
    }

    private mutating func leave(for state: State) -> OnRelease {
        let old = current
        current = state
        switch old {
        case .idle, .backingOff, .shutDown: return .nothing
        case .connecting(let connection, _): return .cancelAttempt(connection)
        case .connected(let connection, _, _): return .close(connection)
        }
    }
}
