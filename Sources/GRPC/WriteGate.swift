/// Where the one writer of a call waits while the peer reads more slowly than it writes.
///
/// Confined to the event loop, as the call that owns it.
struct WriteGate {
    private var waiter: UnsafeContinuation<Void, any Error>?

    /// - Precondition: nobody waits yet.
    mutating func wait(_ continuation: UnsafeContinuation<Void, any Error>) {
        precondition(waiter == nil, "a call's messages have one writer")
        waiter = continuation
    }

    /// There is room again.
    mutating func open() {
        take()?.resume()
    }

    /// Nothing will be written any more.
    mutating func fail(_ error: any Error) {
        take()?.resume(throwing: error)
    }

    private mutating func take() -> UnsafeContinuation<Void, any Error>? {
        defer { waiter = nil }
        return waiter
    }
}
