package import HTTP2
import NIOCore

/// One call as its client sees it.
///
/// Reading and writing are `async` and happen on the connection's event loop. Letting go of a call
/// without reading it to its end leaves it open: `cancel` it.
// SAFETY (@unchecked Sendable): every stored `var` is touched on the executor's event loop only.
// The delegate methods are called there; all others go there first.
package final class ClientCall: CallWriter, @unchecked Sendable {
    let executor: EventLoopExecutor
    /// What compresses the requests; the headers have announced it.
    let compression: MessageEncoding?
    private(set) var stream: HTTP2Stream?
    private var inbox: MessageInbox
    var writeGate = WriteGate()
    private var observer: (any ClientCallObserver)?
    private var hasHeaders = false
    private var reach = ClientCallEnd.Reach.server
    private var isGivenUp = false
    private var pushback: RetryPushback?
    private var end: GRPCStatus?
    private var initialMetadata = Metadata()
    /// What came with the status; on the event loop only, `metadata` is for everywhere.
    package private(set) var trailingMetadata = Metadata()
    private var deadlineTimer: Scheduled<Void>?

    /// What the call has carried so far.
    package private(set) var traffic = CallTraffic()
    /// What is noted for interceptors; nil when there is none.
    var interception: ClientInterception?

    init(
        executor: EventLoopExecutor,
        maximumMessageBytes: Int,
        compression: MessageEncoding? = nil,
        observer: (any ClientCallObserver)? = nil
    ) {
        self.executor = executor
        self.compression = compression
        self.observer = observer
        self.inbox = MessageInbox(maximumMessageBytes: maximumMessageBytes)
    }

    private var eventLoop: any EventLoop { executor.eventLoop }
    var executorNumber: Int { executor.number }

    /// Called before the call is opened when an interceptor wants to see each message.
    func noteSizes() { inbox.noteSizes() }

    /// Called once, on the event loop, with the stream that was opened for the call.
    func opened(_ stream: HTTP2Stream, deadline: CallDeadline?) {
        self.stream = stream
        guard let deadline else { return }
        deadlineTimer = eventLoop.scheduleTask(deadline: deadline.time) {
            self.executor.batch { self.giveUp(deadline.error) }
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
        try await waitForRoom()
        guard let stream else { throw overError }
        send(compressed ? encoded(frame) : frame, on: stream)
    }

    private func encoded(_ frame: GRPCFrame) -> GRPCFrame {
        guard let compression else { return frame }
        return ZlibStreams.ofThisThread.compress(frame, compression)
    }

    /// Half-closes: the server is told that no more messages come.
    package func finishWriting() async {
        guard eventLoop.inEventLoop else {
            return await withTaskExecutorPreference(executor) { await self.finishWriting() }
        }
        stream?.finish()
    }

    /// The one message of a unary call and its end, on the event loop.
    package func sendOnly(_ frame: GRPCFrame) {
        eventLoop.preconditionInEventLoop()
        guard let stream else { return }
        send(encoded(frame), on: stream)
        stream.finish()
    }

    private func send(_ frame: GRPCFrame, on stream: HTTP2Stream) {
        traffic.sent(frame)
        if interception != nil { told(sent: frame) }
        stream.send(frame.buffer)
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

    /// The response of a unary call: exactly one message and an OK.
    package func onlyResponse() async throws -> MessageBytes {
        guard let response = try await next() else {
            throw GRPCError(.internal, "the server ended the call without a message")
        }
        guard try await next() == nil else {
            cancel()
            throw GRPCError(.internal, "the server answered a unary call with two messages")
        }
        return response
    }

    /// How the call ended; nil while it goes on.
    ///
    /// On the event loop.
    package var ending: ClientCallEnd? {
        eventLoop.preconditionInEventLoop()
        guard let end else { return nil }
        return ClientCallEnd(
            status: end,
            reach: reach,
            isGivenUp: isGivenUp,
            hasResponse: hasHeaders,
            pushback: pushback,
            trailers: trailingMetadata
        )
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
            self.executor.batch { self.giveUp(GRPCError(.cancelled, "the call was cancelled")) }
        }
    }

    private func giveUp(_ error: GRPCError) {
        if end == nil { isGivenUp = true }
        abort(error)
    }

    private func abort(_ error: GRPCError) {
        guard end == nil else { return }
        let stream = stream
        finished(error.status)
        stream?.reset(.cancel)
    }

    /// The call could not be opened.
    func failed(_ error: any Error) {
        eventLoop.preconditionInEventLoop()
        finished(GRPCError.forClient(error).status)
    }

    /// The first end wins; whatever the stream does later is of no interest.
    private func finished(_ status: GRPCStatus) {
        guard end == nil else { return }
        end = status
        deadlineTimer?.cancel()
        deadlineTimer = nil
        if interception != nil { endInterceptors(status) }
        let error = GRPCError(status.code, status.message, metadata: trailingMetadata)
        do {
            try inbox.ended(with: status.code == .ok ? nil : error)
        } catch {
            inbox.fail(error)
        }
        writeGate.fail(overError)
        if let observer, let ending {
            self.observer = nil
            observer.callEnded(self, ending)
        }
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
            observer?.responseBegan(self)
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
        pushback = RetryPushback(trailers)
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
            traffic.received(data.count, messages: inbox.arrivedMessages)
            if interception != nil { told(received: inbox.takeSizes()) }
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
        switch end {
        case .unprocessed: reach = .unprocessed
        case .unsent: reach = .unsent
        case .finished, .reset, .connectionLost: break
        }
        finished(ResponseHead.error(of: end).status)
    }
}
