/// What a client's connection is doing, in the terms of gRPC's connectivity states.
package enum GRPCClientState: Sendable {
    /// No connection and no need for one.
    case idle
    case connecting
    case ready
    /// The last attempt failed; `idle` follows when the backoff delay is over.
    case transientFailure(GRPCError)
    case closed
}

/// Who is told how a client's connection does.
package protocol GRPCClientObserver: AnyObject, Sendable {
    /// Called on the client's event loop, after each change.
    func clientChanged(_ state: GRPCClientState)
}

/// How a call ended, as whoever may try it again needs to know.
package struct ClientCallEnd: Sendable {
    /// How far a call came.
    package enum Reach: Hashable, Sendable {
        /// Nothing of it was written to the connection.
        case unsent
        /// The server said that it never looked at it.
        case unprocessed
        case server
    }

    package let status: GRPCStatus
    /// Whether the server can have seen the call: what it has not is safe to send again.
    package let reach: Reach
    /// We ended it ourselves: its caller cancelled it, or the deadline passed.
    package let isGivenUp: Bool
    /// The response had begun with headers of its own; a status alone is no beginning.
    package let hasResponse: Bool
    package let pushback: RetryPushback?
    /// The custom metadata that came with the status.
    package let trailers: Metadata

    package var error: GRPCError { GRPCError(status.code, status.message, metadata: trailers) }
}

/// Who is told how a call goes.
///
/// Every method is called on the call's event loop, `callEnded` exactly once and last.
package protocol ClientCallObserver: AnyObject, Sendable {
    func responseBegan(_ call: ClientCall)
    func callEnded(_ call: ClientCall, _ end: ClientCallEnd)
}
