import NIOCore

/// When the client of a call gives it up, counted from the moment that the call was asked for.
struct CallDeadline {
    let time: NIODeadline
    /// Nil when the deadline is that of the call on whose behalf this one is made.
    private let timeout: Duration?

    init(timeout: Duration) {
        self.time = .now() + TimeAmount(timeout)
        self.timeout = timeout
    }

    /// The earlier of the two: a call never outlives the one that it is made for.
    init?(timeout: Duration?, inherited: NIODeadline?) {
        switch (timeout.map { CallDeadline(timeout: $0) }, inherited) {
        case (nil, nil):
            return nil
        case (let own?, nil):
            self = own
        case (let own?, let inherited?) where own.time <= inherited:
            self = own
        case (_, let inherited?):
            self.time = inherited
            self.timeout = nil
        }
    }

    /// What is left of it for the server.
    var remaining: Duration { Duration(time - .now()) }

    var error: GRPCError {
        guard let timeout else {
            return GRPCError(
                .deadlineExceeded,
                "the deadline of the call that this one was made for passed"
            )
        }
        return GRPCError(.deadlineExceeded, "the deadline of \(timeout) passed")
    }
}
