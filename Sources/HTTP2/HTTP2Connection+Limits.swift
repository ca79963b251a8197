import CNghttp2
import NIOCore

/// How a connection defends itself: the decisions are those of `AbuseGuard`, `ConnectionLifetime` and
/// `ProgressWatch`.
extension HTTP2Connection {
    /// Ends the connection for breaking `rule`, at the end of the event loop's batch: callers may be
    /// inside nghttp2.
    func end(for rule: EndingRule) {
        guard endingRule == nil else { return }
        endingRule = rule
        counters.ended(by: rule)
        setNeedsFlush()
    }

    /// Says GOAWAY, lets go of everything that the connection holds, and closes a little later.
    ///
    /// The frame is written by hand: whatever the session has queued is no longer wanted. What the
    /// peer still sends is read and dropped, as a socket that is closed with unread bytes resets,
    /// and the GOAWAY with it.
    func sayGoodbye(_ rule: EndingRule, _ context: ChannelHandlerContext) {
        guard let session else { return }
        // The session has said its own GOAWAY and only waits for the socket.
        guard !isEnding else { return close(reason: rule.text.description) }
        let last = nghttp2_session_get_last_proc_stream_id(session)
        let text = rule.text
        var frame = ByteBuffer()
        let length = UInt32(8 + text.utf8CodeUnitCount)
        // Length and type in one.
        frame.writeInteger(length << 8 | UInt32(NGHTTP2_GOAWAY.rawValue))
        frame.writeInteger(UInt8(0))
        frame.writeInteger(UInt32(0))
        frame.writeInteger(UInt32(bitPattern: last))
        frame.writeInteger(rule.code.rawValue)
        frame.writeStaticString(text)
        beginEnding()
        context.writeAndFlush(wrapOutboundOut(frame), promise: nil)
        let reason = text.description
        tearDown(reason: reason)
        lingerTimer = context.eventLoop.assumeIsolated().scheduleTask(
            in: configuration.goodbyeLinger
        ) {
            self.close(reason: reason)
        }
    }

    // MARK: - What the peer does

    private func judge(_ event: AbuseGuard.Event) -> EndingRule? {
        guard let rule = abuse?.happened(event, now: eventLoop.now) else { return nil }
        end(for: rule)
        return rule
    }

    /// A frame other than DATA and HEADERS; false when it is one too many.
    func controlFrameBegan(_ type: UInt8) -> Bool {
        let event: AbuseGuard.Event? =
            switch nghttp2_frame_type(UInt32(type)) {
            case NGHTTP2_PRIORITY: .priority
            case NGHTTP2_RST_STREAM: .reset
            case NGHTTP2_SETTINGS: .settings
            case NGHTTP2_PING: .ping
            case NGHTTP2_WINDOW_UPDATE: .windowUpdate
            // nghttp2 counts them for each header block.
            case NGHTTP2_CONTINUATION: nil
            default: .otherFrame
            }
        return event.map { judge($0) == nil } ?? true
    }

    /// DATA came without data and without an end.
    func emptyFrameReceived() {
        _ = judge(.emptyFrame)
    }

    /// False when a new stream has to be refused.
    var hasRoomForStream: Bool {
        streams.count < Int(configuration.maximumConcurrentStreams)
            && queuedBytes <= configuration.queuedBytesRefusingStreams
    }

    /// The answer to nghttp2 for a stream that there is no room for.
    func refuse(_ streamID: Int32) -> Int32 {
        counters.streamRefused()
        if judge(.refusedStream) != nil { return NGHTTP2_ERR_CALLBACK_FAILURE.rawValue }
        nghttp2_submit_rst_stream(
            session,
            UInt8(NGHTTP2_FLAG_NONE.rawValue),
            streamID,
            HTTP2ErrorCode.refusedStream.rawValue
        )
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue
    }

    /// We reset a stream: with these codes it was nghttp2, and the peer's fault.
    func resetSent(_ code: HTTP2ErrorCode) {
        switch code {
        case .protocolError, .flowControlError, .streamClosed, .frameSizeError:
            _ = judge(.streamError)
        default: break
        }
    }

    /// The rule behind an error of nghttp2's that ends the connection, if it is one of ours.
    func rule(forSessionError code: Int) -> EndingRule? {
        switch nghttp2_error(Int32(truncatingIfNeeded: code)) {
        case NGHTTP2_ERR_FLOODED: .acknowledgementBacklog
        case NGHTTP2_ERR_TOO_MANY_CONTINUATIONS: .continuationFlood
        default: nil
        }
    }

    // MARK: - Our SETTINGS

    /// Writes our SETTINGS, with the number of streams that we mean.
    ///
    /// nghttp2 ends the connection of a peer that opens more streams than its own SETTINGS allow.
    /// A gRPC client expects that the one stream is refused, so nghttp2 is told a number that nobody
    /// reaches, and `headersBegan` counts.
    func writeSettings(_ context: ChannelHandlerContext) {
        guard let frame = nextFrame() else { return }
        var bytes = ByteBuffer(bytes: frame)
        // Nine bytes of frame header, then entries of two bytes of id and four of value.
        var entry = 9
        while let id = bytes.getInteger(at: entry, as: UInt16.self) {
            if id == UInt16(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS.rawValue) {
                bytes.setInteger(configuration.maximumConcurrentStreams, at: entry + 2)
            }
            entry += 6
        }
        context.write(wrapOutboundOut(bytes), promise: nil)
        setHasUnflushedWrites()
    }

    // MARK: - Time

    /// - Precondition: called once, when the channel is active.
    func startLimits(_ context: ChannelHandlerContext) {
        let now = context.eventLoop.now
        abuse = AbuseGuard(configuration.floods, now: now)
        guard role == .server else { return }
        var random = SystemRandomNumberGenerator()
        let lifetime = ConnectionLifetime(configuration, now: now, using: &random)
        if let look = lifetime.nextLook(after: now) { armLifetime(at: look) }
        self.lifetime = lifetime
    }

    func cancelLimitTimers() {
        lifetimeTimer?.cancel()
        headerTimer?.cancel()
        progressTimer?.cancel()
    }

    private func armLifetime(at deadline: NIODeadline) {
        lifetimeTimer = eventLoop.assumeIsolated().scheduleTask(deadline: deadline) {
            self.lifetimeTimerFired()
        }
    }

    private func lifetimeTimerFired() {
        let action = lifetime?.timerFired(
            now: eventLoop.now,
            openStreams: streams.count,
            streamsSoFar: streamsSoFar
        )
        switch action {
        case .wait(let deadline): armLifetime(at: deadline)
        case .end(let rule): executor.batch { end(for: rule) }
        case .drain(let rule, let grace):
            guard !isDraining else { return }
            counters.ended(by: rule)
            drain(within: grace, orElse: rule == .age ? .ageGrace : .drainTimeout)
        case .rest, nil: break
        }
    }

    /// A read has ended inside a header block: the rest must come in time.
    func watchHeaderBlock() {
        guard role == .server, headerTimer == nil, pendingHeaders != 0 else { return }
        let watched = pendingHeaders
        headerTimer = eventLoop.assumeIsolated().scheduleTask(in: configuration.headerTimeout) {
            self.headerTimer = nil
            if self.pendingHeaders == watched {
                self.executor.batch { self.end(for: .headerTimeout) }
            } else {
                self.watchHeaderBlock()
            }
        }
    }

    /// Something was left after all that could be sent has been.
    func watchProgress() {
        guard role == .server, progressTimer == nil, session != nil else { return }
        let watch = ProgressWatch(configuration, now: eventLoop.now, bytesTaken: bytesTaken)
        armProgress(watch, at: watch.firstLook())
    }

    private func armProgress(_ watch: ProgressWatch, at deadline: NIODeadline) {
        progressTimer = eventLoop.assumeIsolated().scheduleTask(deadline: deadline) {
            var watch = watch
            let action = watch.looked(
                now: self.eventLoop.now,
                queuedBytes: self.queuedBytes,
                isWritable: self.isChannelWritable,
                bytesTaken: self.bytesTaken
            )
            switch action {
            case .rest: self.progressTimer = nil
            case .lookAgain(let deadline): self.armProgress(watch, at: deadline)
            case .end(let rule): self.executor.batch { self.end(for: rule) }
            }
        }
    }

    // MARK: - What waits to be sent

    func queued(_ bytes: Int) {
        queuedBytes += bytes
        if queuedBytes > configuration.maximumQueuedBytes { end(for: .queuedBytes) }
    }

    /// Bytes have left a stream's queue, into a frame or with the stream.
    func unqueued(_ bytes: Int) {
        queuedBytes -= bytes
        bytesTaken += UInt64(bytes)
    }

    /// The socket takes no more for now.
    func boundQueuedFrames() {
        guard let session else { return }
        if nghttp2_session_get_outbound_queue_size(session) > configuration.maximumQueuedFrames {
            end(for: .frameBacklog)
        }
    }
}
