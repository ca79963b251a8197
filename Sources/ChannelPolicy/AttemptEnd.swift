/// How one attempt of a call ended.
package struct AttemptEnd: Hashable, Sendable {
    /// How far the attempt came (gRFC A6, transparent retries).
    package enum Reach: Hashable, Sendable {
        /// Nothing of it was written to the connection.
        case neverLeft
        /// The server's application has not seen it: REFUSED_STREAM, or past the last stream of a
        /// GOAWAY.
        case unprocessed
        /// The application may have seen it; also a pick that failed with UNAVAILABLE.
        case server
        /// We refuse to send it (circuit breaker): no attempt may follow.
        case dropped
    }

    package var status: StatusCode
    package var reach: Reach
    package var pushback: Pushback

    package init(status: StatusCode, reach: Reach = .server, pushback: Pushback = .none) {
        self.status = status
        self.reach = reach
        self.pushback = pushback
    }
}

/// What a server asks with `grpc-retry-pushback-ms` (gRFC A6).
package enum Pushback: Hashable, Sendable {
    case none
    case retry(after: Duration)
    case stop
}
