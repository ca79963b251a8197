import Logging
package import NIOCore

/// TLS for one connection, between the socket and HTTP/2.
///
/// Handlers behind it see `channelActive` when the handshake is over, and nothing at all of a
/// connection whose handshake fails but `errorCaught` and `channelInactive`. Their writes are
/// gathered until a flush, so that records are full and leave in one write.
///
///     idle ── active ──▶ handshaking ── done ──▶ open ── close_notify or close ──▶ closing
///                             └───── failure ─────┴──▶ failed
///
/// In `closing` and `failed` nothing is read any more; what is left is to let the socket go.
package final class TLSHandler: ChannelDuplexHandler {
    package typealias InboundIn = ByteBuffer
    package typealias InboundOut = ByteBuffer
    package typealias OutboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    private enum State {
        case idle
        case handshaking
        case open
        case closing
        /// The alert is on its way; `isLingering` while the peer has time to read it.
        case failed(isLingering: Bool)
    }

    private let limits: TLSLimits
    private let permitsMissingALPN: Bool
    private let counters: TLSCounters
    private let logger: Logger?
    private let now: @Sendable () -> Int64
    private let scratch: TLSScratch
    private var engine: TLSEngine?
    private var state = State.idle
    private var context: ChannelHandlerContext?
    private var timer: Scheduled<Void>?
    /// Plain bytes that wait for a flush, or for the end of the handshake.
    private var gathered = ByteBuffer()
    private var flushPromise: EventLoopPromise<Void>?
    /// Set once the first byte was that of a TLS record.
    private var isTLS = false

    /// The peer by its certificate; nil before the handshake is over and for a peer without one.
    package private(set) var peerIdentity: PeerIdentity?

    init(
        _ engine: TLSEngine,
        scratch: TLSScratch,
        limits: TLSLimits,
        permitsMissingALPN: Bool,
        counters: TLSCounters,
        logger: Logger?,
        now: @escaping @Sendable () -> Int64
    ) {
        engine.maximumKeyUpdates = limits.maximumKeyUpdates
        self.engine = engine
        self.scratch = scratch
        self.limits = limits
        self.permitsMissingALPN = permitsMissingALPN
        self.counters = counters
        self.logger = logger
        self.now = now
    }

    /// True until the handshake has ended, well or not.
    package var isHandshaking: Bool {
        switch state {
        case .idle, .handshaking: true
        case .open, .closing, .failed: false
        }
    }

    /// The version and the cipher, for a log; nil while there are none.
    package var parameters: String? {
        openEngine?.parameters
    }

    var openEngine: TLSEngine? {
        if case .open = state { engine } else { nil }
    }

    // MARK: - The channel's events

    package func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { begin(context) }
    }

    package func handlerRemoved(context: ChannelHandlerContext) {
        stopTimer()
        failWrites(ChannelError.ioOnClosedChannel)
        self.context = nil
        // Whoever still holds the handler, as a call does for the identity, needs no more of it.
        engine = nil
    }

    package func channelActive(context: ChannelHandlerContext) {
        // Passed on when the handshake is over.
        begin(context)
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard let engine, isReading else { return }
        let buffer = unwrapInboundIn(data)
        guard isTLSRecord(buffer, context) else { return }
        engine.setInput(buffer)
        if case .handshaking = state { continueHandshake(engine, context) }
        if case .open = state { readPlain(engine, context) }
        engine.dropInput()
        sendRecords(engine, context)
    }

    package func channelInactive(context: ChannelHandlerContext) {
        switch state {
        case .handshaking:
            fail(
                TLSFailure(
                    .handshakeTruncated,
                    "the peer closed the connection during the handshake"
                ),
                context
            )
        case .open:
            // HTTP/2 has an end of its own, and many a peer leaves TLS's out, so this is counted
            // and told to the connection, but no one is woken.
            let failure = TLSFailure(
                .truncated,
                "the peer closed the connection without close_notify"
            )
            counters.failed(failure.reason)
            state = .closing
            context.fireErrorCaught(failure)
        case .idle, .closing, .failed: break
        }
        stopTimer()
        failWrites(ChannelError.ioOnClosedChannel)
        context.fireChannelInactive()
    }

    private var isReading: Bool {
        switch state {
        case .handshaking, .open: true
        case .idle, .closing, .failed: false
        }
    }

    // MARK: - The handshake

    private func begin(_ context: ChannelHandlerContext) {
        guard case .idle = state, let engine else { return }
        state = .handshaking
        counters.handshakeStarted()
        let timeout = limits.handshakeTimeout
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: timeout) {
            guard case .handshaking = self.state, let context = self.context else { return }
            self.fail(
                TLSFailure(
                    .handshakeTimeout,
                    "the handshake took more than \(timeout.nanoseconds / 1_000_000) ms"
                ),
                context
            )
        }
        // A client speaks first; a server has nothing to say yet.
        if case .client = engine.role {
            continueHandshake(engine, context)
            sendRecords(engine, context)
        }
    }

    /// A plaintext peer is told apart before OpenSSL guesses what its bytes could mean.
    private func isTLSRecord(_ buffer: ByteBuffer, _ context: ChannelHandlerContext) -> Bool {
        guard !isTLS, let first = buffer.getInteger(at: buffer.readerIndex, as: UInt8.self) else {
            return true
        }
        isTLS = first == Self.handshakeRecord || first == Self.alertRecord
        if !isTLS {
            fail(TLSFailure(.notTLS, "the peer does not speak TLS"), context)
        }
        return isTLS
    }

    /// Content types of RFC 8446, section 5.1.
    private static let alertRecord: UInt8 = 21
    private static let handshakeRecord: UInt8 = 22

    private func continueHandshake(_ engine: TLSEngine, _ context: ChannelHandlerContext) {
        let step = engine.handshake()
        // What came with the end of the handshake and is not read yet is data.
        guard engine.bytesReceived - engine.unreadInput <= limits.maximumHandshakeBytes else {
            return fail(
                TLSFailure(
                    .handshakeTooLong,
                    "the handshake took more than \(limits.maximumHandshakeBytes) bytes"
                ),
                context
            )
        }
        switch step {
        case .needsInput: break
        case .failed(let failure): fail(failure, context)
        case .done: finishHandshake(engine, context)
        }
    }

    private func finishHandshake(_ engine: TLSEngine, _ context: ChannelHandlerContext) {
        let refusal = engine.refusalAfterHandshake(
            permitsMissingALPN: permitsMissingALPN,
            now: now()
        )
        if let refusal {
            engine.sendCloseNotify()
            return fail(refusal, context)
        }
        stopTimer()
        counters.handshakeCompleted(isResumed: engine.isResumed)
        peerIdentity = engine.peerIdentity()
        state = .open
        let early = gathered
        gathered = ByteBuffer()
        if early.readableBytes > 0 { encrypt(early, engine, context) }
        context.fireChannelActive()
        if gathered.readableBytes > 0 || flushPromise != nil { flush(context: context) }
    }

    // MARK: - Reading

    private func readPlain(_ engine: TLSEngine, _ context: ChannelHandlerContext) {
        OpenSSLErrors.clear()
        var plain = scratch.takePlain()
        plain.clear(minimumCapacity: TLSEngine.maximumRecordBytes)
        // Whoever reads the bytes may close the connection.
        reading: while case .open = state {
            switch engine.read(into: &plain) {
            case .bytes:
                if plain.readableBytes >= Self.readBytes { deliver(&plain, context) }
            case .needsInput:
                break reading
            case .closed:
                deliver(&plain, context)
                closeAfterPeer(engine, context)
            case .failed(let failure):
                deliver(&plain, context)
                fail(failure, context)
            }
            if let failure = offence(engine) {
                deliver(&plain, context)
                fail(failure, context)
            }
        }
        deliver(&plain, context)
        if let failure = offence(engine) { fail(failure, context) }
        scratch.putPlain(plain)
    }

    /// What is handed on at once.
    private static let readBytes = 48 * 1024

    private func deliver(_ plain: inout ByteBuffer, _ context: ChannelHandlerContext) {
        guard plain.readableBytes > 0, case .open = state else { return }
        context.fireChannelRead(wrapInboundOut(plain))
        plain.clear(minimumCapacity: TLSEngine.maximumRecordBytes)
    }

    /// What TLS allows and no honest peer of ours does.
    private func offence(_ engine: TLSEngine) -> TLSFailure? {
        if engine.refusedRenegotiation {
            return TLSFailure(.renegotiation, "the peer wants to renegotiate")
        }
        if engine.hasTooManyKeyUpdates {
            return TLSFailure(
                .keyUpdateFlood,
                "the peer changed its keys more than \(limits.maximumKeyUpdates) times without data"
            )
        }
        return nil
    }

    // MARK: - Writing

    package func write(
        context: ChannelHandlerContext,
        data: NIOAny,
        promise: EventLoopPromise<Void>?
    ) {
        let buffer = unwrapOutboundIn(data)
        switch state {
        case .open:
            join(promise)
            if let engine { encrypt(buffer, engine, context) }
        case .idle, .handshaking:
            var buffer = buffer
            guard gathered.readableBytes + buffer.readableBytes <= limits.maximumEarlyBytes else {
                promise?.fail(
                    TLSError(.refused, "too much was written before the TLS handshake was over")
                )
                return
            }
            join(promise)
            gathered.writeBuffer(&buffer)
        case .closing, .failed:
            promise?.fail(ChannelError.ioOnClosedChannel)
        }
    }

    package func flush(context: ChannelHandlerContext) {
        guard case .open = state, let engine else { return }
        encryptGathered(engine, context)
        guard case .open = state else { return }
        let promise = flushPromise
        flushPromise = nil
        if engine.outputBytes > 0 {
            writeRecords(engine, context, promise)
        } else if let promise {
            // Kept behind the records that were written before.
            context.write(wrapOutboundOut(ByteBuffer()), promise: promise)
        }
        context.flush()
        returnRecords(engine)
    }

    /// One promise stands for all the writes of a flush: they leave together or not at all.
    private func join(_ promise: EventLoopPromise<Void>?) {
        guard let promise else { return }
        if let flushPromise {
            flushPromise.futureResult.cascade(to: promise)
        } else {
            flushPromise = promise
        }
    }

    /// Takes bytes over: full records are made at once, the rest waits for more.
    ///
    /// Nothing keeps a reference to the writer's buffer, so the writer can use it again.
    private func encrypt(
        _ buffer: ByteBuffer,
        _ engine: TLSEngine,
        _ context: ChannelHandlerContext
    ) {
        var rest = buffer
        if gathered.readableBytes > 0 {
            let room = TLSEngine.maximumRecordBytes - gathered.readableBytes
            if var part = rest.readSlice(length: min(room, rest.readableBytes)) {
                gathered.writeBuffer(&part)
            }
            if gathered.readableBytes == TLSEngine.maximumRecordBytes {
                encryptGathered(engine, context)
            }
        }
        let full = rest.readableBytes - rest.readableBytes % TLSEngine.maximumRecordBytes
        if full > 0, let records = rest.readSlice(length: full) {
            write(records, engine, context)
        }
        if rest.readableBytes > 0 {
            if gathered.readableBytes == 0 {
                gathered = scratch.takeGather()
                gathered.clear(minimumCapacity: TLSEngine.maximumRecordBytes)
            }
            gathered.writeBuffer(&rest)
        }
        // The channel has to know what waits, or it would seem writable for ever.
        if engine.outputBytes >= Self.writeBytes { writeRecords(engine, context, nil) }
    }

    private func encryptGathered(_ engine: TLSEngine, _ context: ChannelHandlerContext) {
        guard gathered.readableBytes > 0 else { return }
        write(gathered, engine, context)
        scratch.putGather(gathered)
        gathered = ByteBuffer()
    }

    private func write(
        _ buffer: ByteBuffer,
        _ engine: TLSEngine,
        _ context: ChannelHandlerContext
    ) {
        guard case .open = state else { return }
        OpenSSLErrors.clear()
        if let failure = buffer.withUnsafeReadableBytes(engine.write) { fail(failure, context) }
    }

    /// Records that are handed to the channel without waiting for the flush.
    private static let writeBytes = 64 * 1024

    private func writeRecords(
        _ engine: TLSEngine,
        _ context: ChannelHandlerContext,
        _ promise: EventLoopPromise<Void>?
    ) {
        let records = engine.takeOutput()
        context.write(wrapOutboundOut(records), promise: promise)
        written = records
    }

    /// The last buffer that was written: as a rule the flush has emptied it, so its storage can be
    /// used again.
    private var written = ByteBuffer()

    private func returnRecords(_ engine: TLSEngine) {
        scratch.putRecords(written)
        written = ByteBuffer()
    }

    /// Sends what the engine has to say of itself: handshake messages, tickets, alerts.
    private func sendRecords(_ engine: TLSEngine, _ context: ChannelHandlerContext) {
        guard engine.outputBytes > 0 else { return }
        writeRecords(engine, context, nil)
        context.flush()
        returnRecords(engine)
    }

    private func failWrites(_ error: any Error) {
        gathered = ByteBuffer()
        let promise = flushPromise
        flushPromise = nil
        promise?.fail(error)
    }

    // MARK: - Ending

    package func close(
        context: ChannelHandlerContext,
        mode: CloseMode,
        promise: EventLoopPromise<Void>?
    ) {
        guard mode != .input else { return context.close(mode: mode, promise: promise) }
        switch state {
        case .open:
            if let engine { sayGoodbye(engine, context) }
        case .idle, .handshaking:
            state = .closing
            stopTimer()
        case .closing: break
        case .failed(let isLingering):
            guard !isLingering else {
                // The alert's timer closes, or the peer does.
                if let promise { context.channel.closeFuture.cascade(to: promise) }
                return
            }
        }
        failWrites(ChannelError.ioOnClosedChannel)
        context.close(mode: mode, promise: promise)
    }

    /// Sends what is gathered, and close_notify behind it.
    private func sayGoodbye(_ engine: TLSEngine, _ context: ChannelHandlerContext) {
        encryptGathered(engine, context)
        guard case .open = state else { return }
        state = .closing
        engine.sendCloseNotify()
        let promise = flushPromise
        flushPromise = nil
        if engine.outputBytes > 0 {
            writeRecords(engine, context, promise)
        } else {
            promise?.succeed()
        }
        context.flush()
        returnRecords(engine)
    }

    /// HTTP/2 has no use for a connection that is half closed (RFC 9113, section 9.1).
    private func closeAfterPeer(_ engine: TLSEngine, _ context: ChannelHandlerContext) {
        guard case .open = state else { return }
        sayGoodbye(engine, context)
        failWrites(ChannelError.ioOnClosedChannel)
        context.close(promise: nil)
    }

    private func fail(_ failure: TLSFailure, _ context: ChannelHandlerContext) {
        if case .failed = state { return }
        let hasAlert = (engine?.outputBytes ?? 0) > 0 && context.channel.isActive
        state = .failed(isLingering: hasAlert)
        stopTimer()
        counters.failed(failure.reason)
        logger?.info(
            "a TLS connection failed",
            metadata: [
                "remote_address": "\(context.remoteAddress.map { "\($0)" } ?? "unknown")",
                "reason": "\(failure.reason.rawValue)",
                "error": "\(failure.detail)",
            ]
        )
        failWrites(failure)
        if hasAlert, let engine { sendRecords(engine, context) }
        context.fireErrorCaught(failure)
        guard hasAlert else { return context.close(promise: nil) }
        // A plain close with bytes unread makes the kernel reset the connection, and the peer would
        // never see the alert: so only our direction is closed, and the rest when the peer has.
        context.close(mode: .output, promise: nil)
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: limits.alertLingerTimeout) {
            self.state = .failed(isLingering: false)
            self.context?.close(promise: nil)
        }
    }

    private func stopTimer() {
        timer?.cancel()
        timer = nil
    }
}

// The context and the engine never leave the event loop.
@available(*, unavailable)
extension TLSHandler: Sendable {}
