import HTTP2
import NIOCore

/// A side of a call that writes: what `ServerCall` and `ClientCall` have in common.
///
/// Confined to the executor's event loop.
protocol CallWriter: AnyObject, Sendable {
    var executor: EventLoopExecutor { get }
    var stream: HTTP2Stream? { get }
    var writeGate: WriteGate { get set }
}

extension CallWriter {
    /// Returns when the stream has room, or is over.
    ///
    /// On the event loop. Throws when the task is cancelled, and what the gate is failed with.
    func waitForRoom() async throws {
        while let stream, !stream.isWritable {
            try Task.checkCancellation()
            try await withTaskCancellationHandler {
                try await withUnsafeThrowingContinuation { writeGate.wait($0) }
            } onCancel: {
                self.executor.eventLoop.execute {
                    self.executor.batch { self.writeGate.fail(CancellationError()) }
                }
            }
        }
    }
}
