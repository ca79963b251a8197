/// The life of one subchannel: when it connects, how long it waits, when it may carry calls.
///
///     idle ── connectRequested ──▶ connecting ──── connected ────▶ ready (no health check)
///      ▲                             │    │                         │
///      │                       connectFailed └─ connected ─▶ checking ⇄ ready / unhealthy
///      │                             ▼                         │    │
///      ├──── backoffEnded ──── backingOff                      │    │
///      └──── connectionEnded (lost or GOAWAY) ─────────────────┴────┘
///
/// `shutDown` is reached from every state and never left. Waiting follows connection-backoff.md,
/// health checking gRFC A17.
package struct SubchannelMachine: ~Copyable, Sendable {
    package struct Configuration: Hashable, Sendable {
        package var backoff = ExponentialBackoff.Configuration.connection
        /// An attempt may take at least this long, even when the backoff is shorter.
        package var minimumConnectTimeout: Duration = .seconds(20)
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

    package init(_ configuration: Configuration = Configuration()) {
    }

    /// What a load balancer sees.
    package var state: ConnectivityState { .idle }

    /// The load balancer wants a connection.
    package mutating func connectRequested(
        now: MonotonicTime,
        using random: inout some RandomNumberGenerator
    ) -> OnConnectRequest { .ignore }

    /// The transport is ready: all handshakes are done and the server's SETTINGS are in.
    package mutating func connected(_ connection: ConnectionID) -> OnConnected { .close }

    package mutating func connectFailed(
        _ connection: ConnectionID,
        _ failure: ChannelFailure,
        now: MonotonicTime
    ) -> OnConnectFailed { .ignore }

    /// The delay that `connectFailed` asked for is over.
    ///
    /// Returns whether the subchannel is idle now.
    package mutating func backoffEnded(now: MonotonicTime) -> Bool { false }

    /// The application knows that the network is back: the next attempt need not wait.
    ///
    /// Returns whether the subchannel is idle now.
    package mutating func backoffReset() -> Bool { false }

    /// The health watch of this connection brought a message.
    package mutating func healthReported(
        _ connection: ConnectionID,
        isServing: Bool
    ) -> OnHealthReport { .ignore }

    package mutating func healthWatchEnded(
        _ connection: ConnectionID,
        status: StatusCode,
        using random: inout some RandomNumberGenerator
    ) -> OnHealthWatchEnded { .ignore }

    package mutating func healthDelayEnded(_ connection: ConnectionID) -> OnHealthDelayEnded {
        .ignore
    }

    /// The connection was lost or drains after GOAWAY: it takes no more calls.
    package mutating func connectionEnded(_ connection: ConnectionID) -> OnConnectionEnded {
        .ignore
    }

    /// The load balancer has no use for a connection now; the subchannel is idle again.
    package mutating func released() -> OnRelease { .nothing }

    /// The address is gone or the channel closes.
    package mutating func shutDown() -> OnRelease { .nothing }
}
