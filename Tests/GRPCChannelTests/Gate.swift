import GRPC
import GRPCChannel
import Synchronization

/// Holds tasks until it is opened, then lets everything through.
final class Gate: Sendable {
    private let stream: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    init() {
        (stream, continuation) = AsyncStream.makeStream()
    }

    func open() { continuation.finish() }

    /// Returns when the gate is open, or the task is cancelled.
    func wait() async {
        for await _ in stream {}
    }
}

extension ServerCall {
    /// Runs `body` where the call's own methods may be used.
    func onLoop(_ body: @escaping @Sendable () throws -> Void) async throws {
        try await eventLoop.submit(body).get()
    }
}

extension ClientChannel {
    /// A call that does not wait long for a held server.
    func askQuickly() async throws -> String? {
        do {
            return try await ask(timeout: .milliseconds(500))
        } catch let error as GRPCError where error.code == .deadlineExceeded {
            return nil
        }
    }
}
