package import HTTP2
package import NIOCore
package import TLS

/// One call as its server sees it: from the request's headers to the trailers.
///
/// Handlers get it as their context. Reading and writing are `async` and always happen on the
/// call's event loop; a handler that is on another executor is taken there and back.
// SAFETY (@unchecked Sendable): every stored `var` is touched on `eventLoop` only. The delegate
// methods are called there; the `async` ones go there first; the synchronous ones check it.
package final class ServerCall: CallWriter, @unchecked Sendable {
    private enum Response {
        case notStarted
        case headersSent
        case ended
    }

    let core: ServerCore
    let executor: EventLoopExecutor
    private(set) var stream: HTTP2Stream?
    private var headers = HeaderBlock()
    private var handler: MethodHandler?
    private var response = Response.notStarted
    private var inbox: MessageInbox
    private var task: Task<Void, Never>?
    /// The handler has returned or thrown: nobody is left to cancel.
    private var isHandlerDone = false
    private var inline: (any InlineStreamHandler)?
    private var wasInlineToldOfEnd = false
    var writeGate = WriteGate()
    private var deadlineTimer: Scheduled<Void>?

    /// Custom metadata that goes out with the response's headers, when they are sent.
    package var initialMetadata = Metadata()
    /// What compresses the responses of a client that accepts it, nil for nothing.
    ///
    /// Decided once: a change after the initial metadata or the first response has no effect.
    package var compression: MessageEncoding?
    /// What `compression` has come to.
    private var encoding: MessageEncoding?

    /// Custom trailers that go out with the status.
    package var trailers = Metadata()
    /// What the client is told about trying the call again if it fails.
    package var retryPushback: RetryPushback?
    /// When the client gives up, by the `grpc-timeout` that it sent.
    package private(set) var deadline: NIODeadline?
    /// The client by the certificate that it showed; nil for plaintext and for one without.
    package let peerIdentity: PeerIdentity?

    /// The call's own span, set by the interceptor that traces.
    package var span: CallSpan?
    /// What interceptors leave for the handler.
    package var attachments = CallAttachments()
    /// The method's place in the server's table; nil for a method that is not in it.
    package private(set) var methodIndex: Int?
    /// When the request's headers came; noted only for interceptors.
    package internal(set) var startTime = NIODeadline.uptimeNanoseconds(0)
    /// What the call has carried so far.
    package private(set) var traffic = CallTraffic()
    /// How the call's stream ended, once it has.
    package private(set) var streamEnd: StreamEnd?
    /// So many of the server's interceptors know of the call and are to hear of its end.
    var startedInterceptors = 0

    init(
        core: ServerCore,
        executor: EventLoopExecutor,
        stream: HTTP2Stream,
        peer: PeerIdentity? = nil
    ) {
        self.core = core
        self.executor = executor
        self.stream = stream
        self.peerIdentity = peer
        self.inbox = MessageInbox(maximumMessageBytes: core.configuration.maximumMessageBytes)
        if !core.interceptors.ofMessages.isEmpty { inbox.noteSizes() }
    }

    package var eventLoop: any EventLoop { executor.eventLoop }
    var executorNumber: Int { executor.number }
    /// The custom metadata that the client sent.
    package var metadata: Metadata { Metadata(headers) }
    /// Attempts that the client has made at the same call before this one (gRFC A6).
    package var previousAttempts: Int {
        headers.first("grpc-previous-rpc-attempts").flatMap { Int($0) } ?? 0
    }
    /// `/package.Service/Method`.
    package var path: String { headers.first(":path") ?? "" }
    /// Whether the message that was read last had come compressed.
    package var wasLastMessageCompressed: Bool { inbox.wasLastCompressed }

    /// Calls `body` with each field of the request's headers; the bytes are valid only during the
    /// call.
    package func forEachHeader(
        _ body: (_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Void
    ) {
        headers.forEach(body)
    }

    /// Where the client's connection comes from.
    package var remoteAddress: SocketAddress? { stream?.connection.remoteAddress }

    // MARK: - Ending the call

    /// Sends the status and ends the call, if it has not ended.
    package func finish(_ status: GRPCStatus) {
        eventLoop.preconditionInEventLoop()
        guard let stream else { return }
        if case .ended = response { return }
        endInterceptors(status)
        switch response {
        case .ended:
            return
        case .notStarted:
            response = .ended
            var block = responseHeaders()
            appendStatus(status, to: &block)
            stream.respond(block, endStream: true)
        case .headersSent:
            response = .ended
            if status == .ok, trailers.isEmpty {
                stream.finish(trailers: .okTrailers)
            } else {
                var block = HeaderBlock()
                appendStatus(status, to: &block)
                stream.finish(trailers: block)
            }
        }
        core.counters.callEnded(status.code)
        stopTimer()
    }

    private func fail(_ error: any Error) {
        let answer = GRPCError.forClient(error)
        if answer.code == .internal { core.report(error, path: path) }
        for entry in answer.metadata.entries {
            switch entry.value {
            case .text(let text): trailers.add(entry.name, text)
            case .binary(let bytes): trailers.add(entry.name, bytes)
            }
        }
        finish(answer.status)
    }

    /// Bytes of an encoded status message.
    ///
    /// Peers accept 8 KiB of all trailers together, some no more.
    private static let maximumStatusMessageBytes = 4096

    private func appendStatus(_ status: GRPCStatus, to block: inout HeaderBlock) {
        block.append(name: "grpc-status", value: String(status.code.rawValue))
        if !status.message.isEmpty {
            block.append(
                name: "grpc-message",
                value: PercentEncoding.encode(
                    status.message,
                    maximumBytes: Self.maximumStatusMessageBytes
                )
            )
        }
        if status.code != .ok { retryPushback?.append(to: &block) }
        trailers.append(to: &block)
    }

    private func stopTimer() {
        deadlineTimer?.cancel()
        deadlineTimer = nil
    }

    // MARK: - Writing

    /// False while a writer should wait.
    package var isWritable: Bool { stream?.isWritable ?? false }

    /// Sends custom metadata ahead of the first message.
    package func sendInitialMetadata(_ metadata: Metadata) {
        eventLoop.preconditionInEventLoop()
        guard case .notStarted = response, let stream else { return }
        var block = responseHeaders()
        metadata.append(to: &block)
        response = .headersSent
        stream.respond(block)
    }

    private func responseHeaders() -> HeaderBlock {
        guard !initialMetadata.isEmpty || compression != nil else {
            return core.plainResponseHeaders
        }
        var block = core.plainResponseHeaders
        if let compression, compression.isAccepted(by: headers) {
            encoding = compression
            block.append(name: "grpc-encoding", value: compression.name)
        }
        initialMetadata.append(to: &block)
        return block
    }

    /// Runs `body`, and then lets go what it sent; without it that waits for the event loop's next turn.
    ///
    /// Whoever writes to thousands of calls in a row writes to each while its state is in the cache.
    package func flushing(_ body: () -> Void) {
        executor.batch(body)
    }

    /// Queues one message; `isWritable` says whether more should follow now.
    ///
    /// On a call with `compression` a message may be left out of it.
    package func send(_ frame: GRPCFrame, compressed: Bool = true) {
        eventLoop.preconditionInEventLoop()
        guard let stream else { return }
        switch response {
        case .ended: return
        case .notStarted:
            response = .headersSent
            stream.respond(responseHeaders())
        case .headersSent: break
        }
        var frame = frame
        if compressed, let encoding {
            frame = ZlibStreams.ofThisThread.compress(frame, encoding)
        }
        traffic.sent(frame)
        told(sent: frame)
        stream.send(frame.buffer)
    }

    /// Sends one message, first waiting for room when the client reads slowly.
    ///
    /// Throws when the call is over.
    package func write(_ frame: GRPCFrame, compressed: Bool = true) async throws {
        guard eventLoop.inEventLoop else {
            return try await withTaskExecutorPreference(executor) {
                try await self.write(frame, compressed: compressed)
            }
        }
        try await waitForRoom()
        guard stream != nil else { throw GRPCError(.cancelled, "the call is over") }
        send(frame, compressed: compressed)
    }

    // MARK: - Reading

    /// The client's next message; nil when it has half-closed.
    ///
    /// Throws when the call is over.
    package func next() async throws -> MessageBytes? {
        guard eventLoop.inEventLoop else {
            return try await withTaskExecutorPreference(executor) { try await self.next() }
        }
        switch inbox.next() {
        case .message(let message, let bytes):
            stream?.consume(bytes)
            return message
        case .end: return nil
        case .fail(let error): throw error
        case .wait:
            return try await withTaskCancellationHandler {
                try await withUnsafeThrowingContinuation { inbox.wait($0) }
            } onCancel: {
                self.eventLoop.execute {
                    self.executor.batch { self.inbox.fail(CancellationError()) }
                }
            }
        }
    }
}

// MARK: - The stream's events

extension ServerCall: HTTP2StreamDelegate {
    package func received(headers: HeaderBlock, endStream: Bool) {
        // A second section is the client's trailers, which gRPC does not use.
        if handler == nil, case .notStarted = response {
            self.headers = headers
            begin()
        }
        if endStream { receivedEnd() }
    }

    private func begin() {
        core.counters.callStarted()
        switch RequestHead.judge(headers, methods: core.methods) {
        case .accepted(let method, let timeout, let encoding):
            handler = method.handler
            methodIndex = method.index
            inbox.encoding = encoding
            if let timeout { startTimer(timeout) }
            if let refusal = startInterceptors() { return fail(refusal) }
            start(method.handler)
        case .refusedAsHTTP(let status):
            response = .ended
            core.counters.callEnded(.unknown)
            stream?.respond(HeaderBlock([(":status", "\(status)")]), endStream: true)
        case .refused(let error):
            // Who may not call at all need not learn which methods there are.
            fail(startInterceptors() ?? error)
        }
    }

    private func startTimer(_ timeout: Duration) {
        let deadline = NIODeadline.now() + TimeAmount(timeout)
        self.deadline = deadline
        deadlineTimer = eventLoop.scheduleTask(deadline: deadline) {
            self.executor.batch {
                self.finish(
                    GRPCStatus(.deadlineExceeded, "the deadline passed while the call was served")
                )
                self.abandon(GRPCError(.deadlineExceeded, "the deadline passed"))
            }
        }
    }

    private func start(_ handler: MethodHandler) {
        switch handler {
        case .unary, .inlineUnary:
            break
        case .streaming(let body):
            task = Task.immediate(executorPreference: executor) {
                do {
                    if self.isServedPlainly {
                        try await body(self)
                    } else {
                        try await self.serve { try await body(self) }
                    }
                    self.finish(.ok)
                } catch {
                    self.fail(error)
                }
                self.isHandlerDone = true
            }
        case .inlineStreaming(let make):
            do {
                inline = try make(self)
            } catch {
                fail(error)
            }
        }
    }

    package func received(data: UnsafeRawBufferPointer) {
        guard case .ended = response else {
            do {
                let consumed = try inbox.received(data)
                traffic.received(data.count, messages: inbox.arrivedMessages)
                told(received: inbox.takeSizes())
                stream?.consume(consumed)
                try deliverInline()
            } catch {
                fail(error)
                abandon(error)
            }
            return
        }
        stream?.consume(data.count)
    }

    private func deliverInline() throws {
        while let inline, inline.wantsMessages {
            switch inbox.next() {
            case .message(let message, let bytes):
                stream?.consume(bytes)
                try inline.received(message)
            case .fail(let error): throw error
            case .wait: return
            case .end:
                guard !wasInlineToldOfEnd else { return }
                wasInlineToldOfEnd = true
                return try inline.receivedEnd()
            }
        }
    }

    package func receivedEnd() {
        if case .ended = response { return }
        do {
            try inbox.ended()
            try deliverInline()
            try startUnary()
        } catch {
            fail(error)
            abandon(error)
        }
    }

    /// The whole request is in: exactly one message, or the call is malformed.
    private func startUnary() throws {
        switch handler {
        case .unary(let body):
            let message = try takeOnlyMessage()
            task = Task.immediate(executorPreference: executor) {
                do {
                    if self.isServedPlainly {
                        self.send(try await body(message, self))
                    } else {
                        try await self.serve { self.send(try await body(message, self)) }
                    }
                    self.finish(.ok)
                } catch {
                    self.fail(error)
                }
                self.isHandlerDone = true
            }
        case .inlineUnary(let body):
            let frame = try body(takeOnlyMessage(), self)
            send(frame)
            finish(.ok)
        case .streaming, .inlineStreaming, nil:
            break
        }
    }

    private func takeOnlyMessage() throws -> MessageBytes {
        let message: MessageBytes
        switch inbox.next() {
        case .message(let first, let bytes):
            stream?.consume(bytes)
            message = first
        case .fail(let error): throw error
        case .wait, .end: throw GRPCError(.internal, "a unary call came without a message")
        }
        guard inbox.isAtEnd else {
            throw GRPCError(.internal, "a unary call came with more than one message")
        }
        return message
    }

    package func becameWritable() {
        inline?.becameWritable()
        writeGate.open()
        if case .ended = response { return }
        do {
            try deliverInline()
        } catch {
            fail(error)
            abandon(error)
        }
    }

    package func closed(_ end: StreamEnd) {
        stream = nil
        streamEnd = end
        stopTimer()
        // Without a handler the request's headers never came in full, and no call was started.
        if case .ended = response {} else if handler != nil { core.counters.callEnded(.cancelled) }
        response = .ended
        endInterceptors(GRPCStatus(.cancelled, "the client has gone"))
        let inline = inline
        self.inline = nil
        inline?.closed()
        abandon(Self.clientGone)
    }

    /// Made once: nearly every call ends with it, though hardly any handler sees it.
    private static let clientGone: any Error = GRPCError(.cancelled, "the client has gone")

    /// Wakes and cancels whatever still works on the call.
    private func abandon(_ error: any Error) {
        inbox.fail(error)
        writeGate.fail(error)
        if !isHandlerDone { task?.cancel() }
        task = nil
    }
}

extension HeaderBlock {
    static let okTrailers = HeaderBlock([("grpc-status", "0")])
}
