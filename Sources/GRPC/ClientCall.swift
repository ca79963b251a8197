package import HTTP2
import NIOCore

/// One call as its client sees it.
///
/// Reading and writing are `async` and happen on the connection's event loop. Letting go of a call
/// without reading it to its end leaves it open: `cancel` it.
// SAFETY (@unchecked Sendable): every stored `var` is touched on the executor's event loop only.
// The delegate methods are called there; all others go there first.
package final class ClientCall: @unchecked Sendable {
    private let executor: EventLoopExecutor
    /// What compresses the requests; the headers have announced it.
    private let compression: MessageEncoding?
    private var stream: HTTP2Stream?
    private var inbox: MessageInbox
    private var writeGate = WriteGate()
    private var hasHeaders = false
    private var end: GRPCStatus?
    private var initialMetadata = Metadata()
    private var trailingMetadata = Metadata()
    private var deadlineTimer: Scheduled<Void>?

    init(
        executor: EventLoopExecutor,
        maximumMessageBytes: Int,
        compression: MessageEncoding? = nil
    ) {
        self.executor = executor
        self.compression = compression
        self.inbox = MessageInbox(maximumMessageBytes: maximumMessageBytes)
    }

    private var eventLoop: any EventLoop { executor.eventLoop }

    /// Called once, on the event loop, with the stream that was opened for the call.
    func opened(_ stream: HTTP2Stream, deadline: CallDeadline?) {
        self.stream = stream
        guard let deadline else { return }
        deadlineTimer = eventLoop.scheduleTask(deadline: deadline.time) {
            self.executor.batch { self.abort(deadline.error) }
        }
    }

    // MARK: - Writing

    /// Sends one message, first waiting for room when the server reads slowly.
    ///
    /// Throws when the call is over; `next` tells how it ended. On a call with compression a
    /// message may be left out of it.
    package func write(_ frame: GRPCFrame, compressed: Bool = true) async throws {
        guard eventLoop.inEventLoop else {
            return try await withTaskExecutorPreference(executor) {
                try await self.write(frame, compressed: compressed)
            }
        }
        while let stream, !stream.isWritable {
            try Task.checkCancellation()
            try await withTaskCancellationHandler {
                try await withUnsafeThrowingContinuation { writeGate.wait($0) }
            } onCancel: {
                self.eventLoop.execute {
                    self.executor.batch { self.writeGate.fail(CancellationError()) }
                }
            }
        }
        guard let stream else { throw overError }
        stream.send(compressed ? encoded(frame) : frame.buffer)
    }

    private func encoded(_ frame: GRPCFrame) -> ByteBuffer {
        guard let compression else { return frame.buffer }
        return ZlibStreams.ofThisThread.compress(frame, compression).buffer
    }

    /// Half-closes: the server is told that no more messages come.
    package func finishWriting() async {
        guard eventLoop.inEventLoop else {
            return await withTaskExecutorPreference(executor) { await self.finishWriting() }
        }
        stream?.finish()
    }

    /// The one message of a unary call and its end, on the event loop.
    func sendOnly(_ frame: GRPCFrame) {
        eventLoop.preconditionInEventLoop()
        stream?.send(encoded(frame))
        stream?.finish()
    }

    // MARK: - Reading

    /// The server's next message; nil when the call has ended with OK.
    ///
    /// Throws `GRPCError` with the status when it has ended with another.
    package func next() async throws -> MessageBytes? {
        guard eventLoop.inEventLoop else {
            return try await withTaskExecutorPreference(executor) { try await self.next() }
        }
        switch inbox.next() {
        case .message(let message, let bytes):
            stream?.consume(bytes)
            return message
        case .end: return nil
        case .fail(let error):
            // A message that can't be decompressed; whatever else fails has ended the call before.
            if let error = error as? GRPCError { abort(error) }
            throw error
        case .wait:
            return try await withTaskCancellationHandler {
                try await withUnsafeThrowingContinuation { inbox.wait($0) }
            } onCancel: {
                self.cancel()
            }
        }
    }

    /// Whether the message that was read last had come compressed.
    package var wasLastMessageCompressed: Bool {
        get async {
            guard eventLoop.inEventLoop else {
                return await withTaskExecutorPreference(executor) {
                    await self.wasLastMessageCompressed
                }
            }
            return inbox.wasLastCompressed
        }
    }

    /// The metadata that came ahead of the first message and with the status.
    package var metadata: (initial: Metadata, trailing: Metadata) {
        get async {
            guard eventLoop.inEventLoop else {
                return await withTaskExecutorPreference(executor) { await self.metadata }
            }
            return (initialMetadata, trailingMetadata)
        }
    }

    // MARK: - Ending

    /// Gives the call up; the server is told with RST_STREAM.
    package func cancel() {
        eventLoop.execute {
            self.executor.batch { self.abort(GRPCError(.cancelled, "the call was cancelled")) }
        }
    }

    private func abort(_ error: GRPCError) {
        guard end == nil else { return }
        let stream = stream
        finished(error.status)
        stream?.reset(.cancel)
    }

    /// The first end wins; whatever the stream does later is of no interest.
    private func finished(_ status: GRPCStatus) {
        guard end == nil else { return }
        end = status
        deadlineTimer?.cancel()
        deadlineTimer = nil
        let error = GRPCError(status.code, status.message, metadata: trailingMetadata)
        do {
            try inbox.ended(with: status.code == .ok ? nil : error)
        } catch {
            inbox.fail(error)
        }
        writeGate.fail(overError)
    }

    private var overError: GRPCError {
        guard let end, end.code != .ok else { return GRPCError(.cancelled, "the call is over") }
        return GRPCError(end.code, end.message, metadata: trailingMetadata)
    }
}

// MARK: - The stream's events

extension ClientCall: HTTP2StreamDelegate {
    package func received(headers: HeaderBlock, endStream: Bool) {
        if !hasHeaders, !endStream {
            if ResponseHead.isInformational(headers) { return }
            hasHeaders = true
            if let refusal = ResponseHead.refusal(of: headers) { return abort(refusal) }
            do {
                inbox.encoding = try ResponseHead.encoding(of: headers)
            } catch {
                return abort(error)
            }
            initialMetadata = Metadata(headers)
        } else if endStream {
            receivedTrailers(headers)
        }
    }

    private func receivedTrailers(_ trailers: HeaderBlock) {
        defer {
            // What we have not sent yet interests nobody any more.
            if let stream, !stream.hasLocalEnded { stream.reset(.noError) }
        }
        trailingMetadata = Metadata(trailers)
        if let status = ResponseHead.status(ofTrailers: trailers) {
            finished(status)
        } else if !hasHeaders, let refusal = ResponseHead.refusal(of: trailers) {
            finished(refusal.status)
        } else {
            finished(GRPCStatus(.unknown, "the server ended the call without a status"))
        }
    }

    package func received(data: UnsafeRawBufferPointer) {
        do {
            let consumed = try inbox.received(data)
            stream?.consume(consumed)
        } catch {
            abort(error)
        }
    }

    package func receivedEnd() {
        finished(ResponseHead.error(of: .finished).status)
    }

    package func becameWritable() {
        writeGate.open()
    }

    package func closed(_ end: StreamEnd) {
        stream = nil
        finished(ResponseHead.error(of: end).status)
    }
}
