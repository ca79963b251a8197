import CNghttp2
package import NIOCore

/// Who is told what happens to a connection as a whole.
///
/// Every call is made on its event loop.
package protocol HTTP2ConnectionDelegate: AnyObject {
    /// The peer's SETTINGS are in: streams may be opened.
    func connectionIsReady(_ connection: HTTP2Connection)
    /// The peer sent GOAWAY: streams in flight go on, new ones must go elsewhere.
    func connectionIsDraining(_ connection: HTTP2Connection)
    /// Every stream has been told before this.
    func connectionClosed(_ connection: HTTP2Connection, reason: String)
}

/// One HTTP/2 connection: a libnghttp2 session in a NIO pipeline, confined to the channel's event
/// loop.
///
/// Bytes in: `channelRead` feeds the session, whose callbacks (SessionCallbacks.swift) reach the
/// streams. Bytes out: whoever has something to send calls `setNeedsFlush`, and at the end of the
/// event loop's batch `flushNow` asks the session for frames, as long as the socket takes them: a
/// peer that does not read stops the frames, then the streams' queues, then the writers.
///
/// TLS is a handler before this one, and nothing here knows of it: it lets `channelActive` pass when
/// its handshake is over.
package final class HTTP2Connection: ChannelInboundHandler {
    package typealias InboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    package let role: HTTP2Role
    package let configuration: HTTP2Configuration
    package let executor: EventLoopExecutor
    package weak var delegate: (any HTTP2ConnectionDelegate)?
    /// Gives each stream that the peer opens its delegate.
    let accept: (HTTP2Stream) -> any HTTP2StreamDelegate
    let counters: ConnectionCounters

    var session: OpaquePointer?
    var streams: [HTTP2Stream] = []
    /// The header section that is being received: there is one at a time, as nothing may come
    /// between HEADERS and its CONTINUATIONs (RFC 9113, section 6.10).
    var incomingHeaders = HeaderBlock()
    var incomingHeadersAreTooLarge = false
    /// Bytes of a header list that is too large, as far as it has been decoded.
    var surplusHeaderBytes = 0
    /// The stream whose header block is not complete; 0 is none.
    var pendingHeaders: Int32 = 0
    /// DATA that the streams have queued.
    package internal(set) var queuedBytes = 0
    /// DATA that has left those queues since the beginning.
    var bytesTaken: UInt64 = 0
    /// Streams that there have been.
    var streamsSoFar: UInt64 = 0
    /// The rule that ends the connection, from its breach on.
    var endingRule: EndingRule?
    var abuse: AbuseGuard?
    var lifetime: ConnectionLifetime?
    var lifetimeTimer: Scheduled<Void>?
    var headerTimer: Scheduled<Void>?
    var progressTimer: Scheduled<Void>?
    var lingerTimer: Scheduled<Void>?
    private var context: ChannelHandlerContext?
    private var out = ByteBuffer()
    /// The channel has what is in `out`.
    private var isOutWritten = false
    private var writableStreams: [HTTP2Stream] = []
    private var keepalive: Keepalive?
    private var keepaliveTimer: Scheduled<Void>?
    private var drainTimer: Scheduled<Void>?
    private var drainDeadline: NIODeadline?
    private var needsFlush = false
    private var isFlushing = false
    private var hasUnflushedWrites = false
    private var closeReason: String?
    /// nghttp2 is running, so this may be inside one of its callbacks.
    private var isInSession = false
    private(set) var isDraining = false
    /// The peer has shown that it speaks HTTP/2.
    var hasPeerSettings = false
    /// The connection is closing or only waits until the socket has taken its last bytes.
    private(set) var isEnding = false

    /// A server's side: `accept` is asked for the delegate of each new stream.
    package init(
        acceptingOn executor: EventLoopExecutor,
        configuration: HTTP2Configuration,
        counters: ConnectionCounters,
        accept: @escaping (HTTP2Stream) -> any HTTP2StreamDelegate
    ) {
        self.role = .server
        self.executor = executor
        self.configuration = configuration
        self.counters = counters
        self.accept = accept
    }

    /// A client's side: streams come from `open`.
    package init(
        openingOn executor: EventLoopExecutor,
        configuration: HTTP2Configuration,
        counters: ConnectionCounters,
        delegate: any HTTP2ConnectionDelegate
    ) {
        self.role = .client
        self.executor = executor
        self.configuration = configuration
        self.counters = counters
        self.delegate = delegate
        self.accept = { _ in preconditionFailure("a client refuses pushed streams in its SETTINGS")
        }
    }

    var eventLoop: any EventLoop { executor.eventLoop }
    var isChannelWritable: Bool { context?.channel.isWritable ?? false }
    package var remoteAddress: SocketAddress? { context?.remoteAddress }
    package var liveStreams: Int { streams.count }
    /// Completes when the channel has closed; nil when it already has.
    package var closeFuture: EventLoopFuture<Void>? { context?.channel.closeFuture }

    // MARK: - The channel's events

    package func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { start() }
    }

    package func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
    }

    package func channelActive(context: ChannelHandlerContext) {
        start()
        context.fireChannelActive()
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        keepalive?.heard(now: context.eventLoop.now)
        executor.batch { receive(buffer) }
        if pendingHeaders != 0 { watchHeaderBlock() }
    }

    package func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { executor.batch { setNeedsFlush() } }
        context.fireChannelWritabilityChanged()
    }

    package func channelInactive(context: ChannelHandlerContext) {
        executor.batch { tearDown(reason: closeReason ?? "the peer closed the connection") }
        context.fireChannelInactive()
    }

    package func errorCaught(context: ChannelHandlerContext, error: any Error) {
        close(reason: "\(error)")
    }

    private func start() {
        guard session == nil, closeReason == nil, let context else { return }
        session = makeSession()
        counters.connectionOpened()
        startKeepalive()
        startLimits(context)
        if role == .server { writeSettings(context) }
        executor.batch { setNeedsFlush() }
    }

    /// Feeds what was read to the session piece by piece, and lets each piece's answers go before
    /// the next.
    ///
    /// With one piece for all, a client on a single connection waits while a whole read is served,
    /// and we wait while it digests all the answers: with 100 streams, overlapping the two doubled
    /// the rate.
    private func receive(_ buffer: ByteBuffer) {
        buffer.withUnsafeReadableBytes { bytes in
            var rest = bytes[...]
            while !rest.isEmpty, closeReason == nil, endingRule == nil {
                feed(UnsafeRawBufferPointer(rebasing: rest.prefix(Self.pieceBytes)))
                flushIfNeeded()
                rest = rest.dropFirst(Self.pieceBytes)
                if !rest.isEmpty { executor.runReadyJobs() }
            }
        }
    }

    /// About forty small requests.
    private static let pieceBytes = 2048

    private func feed(_ bytes: UnsafeRawBufferPointer) {
        guard let session else { return }
        let start = bytes.bindMemory(to: UInt8.self).baseAddress
        isInSession = true
        let result = nghttp2_session_mem_recv(session, start, bytes.count)
        isInSession = false
        if result == Int(NGHTTP2_ERR_BAD_CLIENT_MAGIC.rawValue) {
            counters.peerIsNotHTTP2()
            close(reason: "the peer does not speak HTTP/2 (no connection preface)")
        } else if result < 0, endingRule == nil {
            if let rule = rule(forSessionError: result) { return end(for: rule) }
            counters.protocolViolated()
            close(reason: String(cString: nghttp2_strerror(Int32(result))))
        }
    }

    // MARK: - Sending

    /// Something is waiting to be sent; it goes out at the end of the event loop's batch.
    func setNeedsFlush() {
        guard !needsFlush else { return }
        needsFlush = true
        executor.needsFlush(self)
    }

    /// After the session was given something: what it has to say goes out at the end of the batch.
    ///
    /// Most of what a peer sends needs no word, such as the ACK of a pushed configuration; with ten
    /// thousand connections a flush that finds nothing costs as much as one that does.
    func flushIfNeeded() {
        guard let session, !isDraining, writableStreams.isEmpty,
            nghttp2_session_want_write(session) == 0, nghttp2_session_want_read(session) != 0
        else { return setNeedsFlush() }
    }

    /// Builds frames while the socket takes them.
    func flushNow() {
        needsFlush = false
        guard let context, session != nil, !isFlushing else { return }
        if closeReason != nil {
            context.close(promise: nil)
            return
        }
        if let endingRule { return sayGoodbye(endingRule, context) }
        isFlushing = true
        let channel = context.channel
        out = executor.scratch
        executor.scratch = ByteBuffer()
        prepareOut()
        while channel.isWritable {
            guard appendNextFrame() else { break }
            if !isOutWritten, out.readableBytes >= Self.writeBytes { writeOut(context) }
        }
        if !isOutWritten, out.readableBytes > 0 { writeOut(context) }
        if hasUnflushedWrites {
            hasUnflushedWrites = false
            context.flush()
        }
        // Flushed bytes are gone as a rule, so the storage is ours alone again and `clear` keeps
        // it.
        executor.scratch = out
        out = ByteBuffer()
        isFlushing = false
        if !channel.isWritable { boundQueuedFrames() }
        notifyWritableStreams()
        if queuedBytes > 0 || !channel.isWritable { watchProgress() }
        closeIfOver()
    }

    /// Large enough for a full TLS record or several frames, small enough to stay in the cache.
    private static let writeBytes = 64 * 1024

    /// Appends what nghttp2 wants to send next; false when there is nothing.
    private func appendNextFrame() -> Bool {
        guard let frame = nextFrame() else { return false }
        if isOutWritten { prepareOut() }
        out.writeBytes(frame)
        return true
    }

    /// What nghttp2 wants to send next, valid until it is asked again.
    func nextFrame() -> UnsafeRawBufferPointer? {
        guard let session else { return nil }
        var frame: UnsafePointer<UInt8>?
        isInSession = true
        let length = nghttp2_session_mem_send(session, &frame)
        isInSession = false
        if length < 0 {
            close(reason: String(cString: nghttp2_strerror(Int32(length))))
            return nil
        }
        guard length > 0 else { return nil }
        return UnsafeRawBufferPointer(start: frame, count: length)
    }

    func setHasUnflushedWrites() {
        hasUnflushedWrites = true
    }

    private func writeOut(_ context: ChannelHandlerContext) {
        context.write(wrapOutboundOut(out), promise: nil)
        hasUnflushedWrites = true
        isOutWritten = true
    }

    /// Makes room for frames that follow what was written.
    ///
    /// While the channel holds the bytes this allocates, so it waits until there is such a frame:
    /// as a rule a flush is one write, and the next one finds the storage free.
    private func prepareOut() {
        out.clear()
        isOutWritten = false
    }

    /// A DATA frame whose payload is handed on without a copy.
    func writeReferenced(header: UnsafeRawBufferPointer, payload: ByteBuffer) {
        guard let context else { return }
        if isOutWritten { prepareOut() }
        out.writeBytes(header)
        writeOut(context)
        context.write(wrapOutboundOut(payload), promise: nil)
    }

    func becameWritable(_ stream: HTTP2Stream) {
        writableStreams.append(stream)
    }

    private func notifyWritableStreams() {
        guard !writableStreams.isEmpty else { return }
        let streams = writableStreams
        writableStreams.removeAll(keepingCapacity: true)
        for stream in streams {
            stream.delegate?.becameWritable()
        }
    }

    // MARK: - Ending

    /// Stops new streams, lets the ones in flight end, then closes; at `drainTimeout` it closes
    /// regardless.
    package func shutDownGracefully() {
        drain(within: configuration.drainTimeout, orElse: .drainTimeout)
    }

    /// - Parameter rule: what is counted when streams are left after `grace`.
    func drain(within grace: TimeAmount, orElse rule: EndingRule) {
        guard let session, let context else {
            // Accepted, but not active yet; or it broke a rule and is about to close.
            return close(reason: "shut down before it began")
        }
        guard !isDraining else { return hasten(within: grace, orElse: rule) }
        isDraining = true
        // RFC 9113, section 6.8: first a GOAWAY that refuses nothing, then, a round trip later, the
        // one that names the last stream; streams that crossed the first one on the wire are
        // served.
        nghttp2_submit_shutdown_notice(session)
        nghttp2_submit_ping(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), Self.drainPing)
        armDrainTimer(context, within: grace, orElse: rule)
        executor.batch { setNeedsFlush() }
    }

    /// A shutdown does not wait for the longer time that a connection drains of its own accord.
    private func hasten(within grace: TimeAmount, orElse rule: EndingRule) {
        guard let context, let drainTimer, let drainDeadline,
            context.eventLoop.now + grace < drainDeadline
        else { return }
        drainTimer.cancel()
        armDrainTimer(context, within: grace, orElse: rule)
    }

    static let drainPing: [UInt8] = Array("meridian".utf8)

    func drainRoundTripDone() {
        guard let session else { return }
        let last = nghttp2_session_get_last_proc_stream_id(session)
        nghttp2_submit_goaway(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), last, 0, nil, 0)
        setNeedsFlush()
    }

    /// Closes the connection now; every stream ends with `connectionLost`.
    package func close(reason: String) {
        guard closeReason == nil else { return }
        closeReason = reason
        isEnding = true
        // Closing the channel deletes the session, which nghttp2 must not lose inside its own
        // callback.
        if isInSession {
            setNeedsFlush()
        } else {
            context?.close(promise: nil)
        }
    }

    /// Closes when the socket has taken what was written: a plain close drops what it has not.
    private func closeWhenSent(reason: String) {
        guard !isEnding, let context else { return }
        isEnding = true
        // A peer that never reads must not keep the connection.
        if drainTimer == nil {
            armDrainTimer(context, within: configuration.drainTimeout, orElse: .drainTimeout)
        }
        let sent = context.eventLoop.makePromise(of: Void.self)
        sent.futureResult.assumeIsolated().whenComplete { _ in self.close(reason: reason) }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: sent)
    }

    private func armDrainTimer(
        _ context: ChannelHandlerContext,
        within grace: TimeAmount,
        orElse rule: EndingRule
    ) {
        let deadline = context.eventLoop.now + grace
        drainDeadline = deadline
        drainTimer = context.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) {
            self.counters.ended(by: rule)
            self.close(reason: "the drain timeout passed with \(self.streams.count) streams open")
        }
    }

    private func closeIfOver() {
        guard let session else { return }
        let isDrained =
            isDraining && streams.isEmpty
            && nghttp2_session_check_server_session(session) == 0
        let wantsNothing =
            nghttp2_session_want_read(session) == 0 && nghttp2_session_want_write(session) == 0
        if isDrained || wantsNothing {
            closeWhenSent(reason: isDraining ? "drained" : sessionEndReason())
        }
    }

    private func sessionEndReason() -> String {
        guard role == .client, !hasPeerSettings else { return "the session ended" }
        counters.peerIsNotHTTP2()
        return "the peer does not speak HTTP/2 (its first bytes are no SETTINGS frame)"
    }

    func peerIsDraining() {
        delegate?.connectionIsDraining(self)
        guard role == .client else { return }
        isDraining = true
        // What waits for a free stream will never be sent here. nghttp2 drops it only when it would
        // be its turn, which the calls in flight can put off for long.
        for stream in streams where !stream.hasSentHeaders {
            let delegate = stream.delegate
            stream.delegate = nil
            delegate?.closed(.unsent)
        }
    }

    /// From here on the session's queue is not sent any more.
    func beginEnding() {
        isEnding = true
    }

    func tearDown(reason: String) {
        lingerTimer?.cancel()
        guard let session else {
            // It ended with its GOAWAY already, and was told then.
            guard endingRule == nil else { return }
            // It never began: a TLS handshake has failed.
            delegate?.connectionClosed(self, reason: reason)
            return
        }
        self.session = nil
        nghttp2_session_del(session)
        keepaliveTimer?.cancel()
        drainTimer?.cancel()
        cancelLimitTimers()
        counters.connectionClosed()
        let orphans = streams
        streams = []
        queuedBytes = 0
        for stream in orphans {
            let delegate = stream.delegate
            stream.delegate = nil
            let wasSeen = role == .server || stream.hasSentHeaders
            delegate?.closed(wasSeen ? .connectionLost(reason) : .unsent)
        }
        delegate?.connectionClosed(self, reason: reason)
    }

    // MARK: - Keepalive

    private func startKeepalive() {
        guard let interval = configuration.keepaliveInterval, let context else { return }
        let now = context.eventLoop.now
        keepalive = Keepalive(interval: interval, timeout: configuration.keepaliveTimeout, now: now)
        armKeepalive(at: now + interval)
    }

    private func armKeepalive(at deadline: NIODeadline) {
        keepaliveTimer = context?.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) {
            self.keepaliveTimerFired()
        }
    }

    private func keepaliveTimerFired() {
        // gRPC servers answer PINGs on a connection without calls with "too_many_pings"
        // (gRFC A8), so a client keeps quiet there.
        let mayPing = role == .server || !streams.isEmpty
        guard let session, let context,
            let action = keepalive?.timerFired(now: context.eventLoop.now, mayPing: mayPing)
        else { return }
        switch action {
        case .wait(let deadline):
            armKeepalive(at: deadline)
        case .ping(let deadline):
            nghttp2_submit_ping(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), nil)
            armKeepalive(at: deadline)
            executor.batch { setNeedsFlush() }
        case .close:
            counters.keepaliveTimedOut()
            close(reason: StreamEnd.keepaliveReason)
        }
    }
}

// The context and the session never leave the event loop.
@available(*, unavailable)
extension HTTP2Connection: Sendable {}
