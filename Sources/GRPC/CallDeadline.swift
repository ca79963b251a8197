import NIOCore

/// When the client of a call gives it up, counted from the moment that the call was asked for.
struct CallDeadline {
    let time: NIODeadline
    private let timeout: Duration

    init(timeout: Duration) {
        self.time = .now() + TimeAmount(timeout)
        self.timeout = timeout
    }

    /// What is left of it for the server.
    var remaining: Duration { Duration(time - .now()) }

    var error: GRPCError { GRPCError(.deadlineExceeded, "the deadline of \(timeout) passed") }
}
