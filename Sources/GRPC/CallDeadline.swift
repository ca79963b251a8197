package import NIOCore

/// When the client of a call gives it up, counted from the moment that the call was asked for.
package struct CallDeadline: Sendable {
    package let time: NIODeadline
    private let timeout: Duration

    package init(timeout: Duration) {
        self.time = .now() + TimeAmount(timeout)
        self.timeout = timeout
    }

    /// What is left of it for the server.
    package var remaining: Duration { Duration(time - .now()) }

    package var error: GRPCError {
        GRPCError(.deadlineExceeded, "the deadline of \(timeout) passed")
    }
}
