/// Whether a client has a connection, decides when to make one, and what calls do meanwhile.
///
///     idle ── a call ──▶ connecting ── connected ──▶ ready
///      ▲                     │                         │
///      │                   failed                lost or draining
///      │                     ▼                         │
///      ├── delay over ── backingOff                    │
///      └───────────────────────────────────────────────┘
///
/// `closed` is reached from every state by `close` and never left.
struct Connectivity<Connection: AnyObject> {
    private enum State {
        /// No connection and no need for one.
        case idle
        case connecting
        case ready(Connection)
        /// The last attempt failed; calls fail at once until the delay is over.
        case backingOff(GRPCError)
        case closed
    }

    enum OnCall {
        case use(Connection)
        /// Wait; the caller also starts connecting when `connect` is true.
        case wait(connect: Bool)
        case fail(GRPCError)
    }

    private var state = State.idle

    /// The state as the client's observer is told it.
    var phase: GRPCClientState {
        switch state {
        case .idle: .idle
        case .connecting: .connecting
        case .ready: .ready
        case .backingOff(let error): .transientFailure(error)
        case .closed: .closed
        }
    }

    /// The connection that takes new calls.
    var connection: Connection? {
        guard case .ready(let connection) = state else { return nil }
        return connection
    }

    mutating func callStarted() -> OnCall {
        switch state {
        case .idle:
            state = .connecting
            return .wait(connect: true)
        case .connecting: return .wait(connect: false)
        case .ready(let connection): return .use(connection)
        case .backingOff(let error): return .fail(error)
        case .closed: return .fail(GRPCError(.unavailable, "the client is closed"))
        }
    }

    /// False when nobody wants the connection any more: close it.
    mutating func connected(_ connection: Connection) -> Bool {
        guard case .connecting = state else { return false }
        state = .ready(connection)
        return true
    }

    /// False when the client was closed meanwhile: there is nothing to wait for.
    mutating func connectFailed(_ error: GRPCError) -> Bool {
        guard case .connecting = state else { return false }
        state = .backingOff(error)
        return true
    }

    /// False when there was no delay to end.
    mutating func backoffEnded() -> Bool {
        guard case .backingOff = state else { return false }
        state = .idle
        return true
    }

    /// The connection takes no more streams; the next call makes another.
    ///
    /// One that has drained while its successor is in use changes nothing.
    /// The result says whether it changed anything.
    mutating func connectionEnded(_ connection: Connection) -> Bool {
        guard case .ready(let current) = state, current === connection else { return false }
        state = .idle
        return true
    }

    /// The connection to close, if there is one.
    mutating func close() -> Connection? {
        let old = state
        state = .closed
        if case .ready(let connection) = old { return connection }
        return nil
    }
}
