import CNghttp2

/// The session's callbacks, the same for every connection.
// SAFETY (@unchecked Sendable): they are filled in before they are stored and only read afterwards;
// nghttp2 copies them into each session.
private struct SessionTemplate: @unchecked Sendable {
    let callbacks: OpaquePointer?

    static let shared = SessionTemplate()

    private init() {
        var callbacks: OpaquePointer?
        nghttp2_session_callbacks_new(&callbacks)
        nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks) { _, frame, user in
            guard let frame else { return 0 }
            return withConnection(user) { $0.headersBegan(frame) }
        }
        nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks) { _, header, user in
            // The two types that the traffic consists of cost a comparison.
            guard let type = header?.pointee.type, type > UInt8(NGHTTP2_HEADERS.rawValue) else {
                return 0
            }
            return withConnection(user) { $0.controlFrameBegan(type) }
                ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE.rawValue
        }
        nghttp2_session_callbacks_set_on_header_callback(callbacks) {
            _,
            _,
            name,
            nameLength,
            value,
            valueLength,
            _,
            user in
            return withConnection(user) {
                $0.headerReceived(
                    UnsafeRawBufferPointer(start: name, count: nameLength),
                    UnsafeRawBufferPointer(start: value, count: valueLength)
                )
            }
        }
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks) { _, frame, user in
            guard let frame else { return 0 }
            withConnection(user) { $0.frameReceived(frame) }
            return 0
        }
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks) {
            session,
            _,
            streamID,
            bytes,
            count,
            _ in
            // The connection's window is given back at once: each stream's own window bounds what
            // is held.
            nghttp2_session_consume_connection(session, count)
            guard let stream = stream(session, streamID) else {
                nghttp2_session_consume_stream(session, streamID, count)
                return 0
            }
            stream.delegate?.received(data: UnsafeRawBufferPointer(start: bytes, count: count))
            return 0
        }
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks) {
            session,
            streamID,
            code,
            user in
            guard let stream = stream(session, streamID) else { return 0 }
            withConnection(user) {
                $0.streamClosed(stream, code: HTTP2ErrorCode(rawValue: code))
            }
            return 0
        }
        nghttp2_session_callbacks_set_on_frame_send_callback(callbacks) { session, frame, user in
            guard let frame else { return 0 }
            withConnection(user) { $0.frameSent(frame) }
            return 0
        }
        nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks) {
            session,
            frame,
            _,
            _ in
            // A header section that is too large to send would leave its stream open for ever.
            if let frame, frame.pointee.hd.type == UInt8(NGHTTP2_HEADERS.rawValue),
                frame.pointee.headers.cat != NGHTTP2_HCAT_REQUEST
            {
                nghttp2_submit_rst_stream(
                    session,
                    UInt8(NGHTTP2_FLAG_NONE.rawValue),
                    frame.pointee.hd.stream_id,
                    HTTP2ErrorCode.internalError.rawValue
                )
            }
            return 0
        }
        nghttp2_session_callbacks_set_send_data_callback(callbacks) {
            _,
            frame,
            header,
            length,
            source,
            user in
            guard let frame, let pointer = source?.pointee.ptr else { return 0 }
            let stream = Unmanaged<HTTP2Stream>.fromOpaque(pointer).takeUnretainedValue()
            assert(frame.pointee.data.padlen == 0, "we never ask for padding")
            withConnection(user) {
                $0.writeReferenced(
                    header: UnsafeRawBufferPointer(start: header, count: 9),
                    payload: stream.takeReferencedPayload(length)
                )
            }
            return 0
        }
        self.callbacks = callbacks
    }
}

/// The session's connection, without retaining it: its pipeline does, and it deletes the session
/// first.
@inline(__always)
private func withConnection<Result>(
    _ user: UnsafeMutableRawPointer?,
    _ body: (HTTP2Connection) -> Result
) -> Result {
    guard let user else { preconditionFailure("every session is made with its connection") }
    return Unmanaged<HTTP2Connection>.fromOpaque(user)._withUnsafeGuaranteedRef(body)
}

private func stream(_ session: OpaquePointer?, _ id: Int32) -> HTTP2Stream? {
    guard let pointer = nghttp2_session_get_stream_user_data(session, id) else { return nil }
    return Unmanaged<HTTP2Stream>.fromOpaque(pointer).takeUnretainedValue()
}

extension HTTP2Connection {
    /// A session with our SETTINGS queued.
    func makeSession() -> OpaquePointer? {
        let callbacks = SessionTemplate.shared.callbacks
        let options = makeOptions()
        defer { nghttp2_option_del(options) }
        let user = Unmanaged.passUnretained(self).toOpaque()
        var session: OpaquePointer?
        switch role {
        case .server: nghttp2_session_server_new2(&session, callbacks, user, options)
        case .client: nghttp2_session_client_new2(&session, callbacks, user, options)
        }
        var settings = [
            setting(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, UInt32(configuration.streamWindowBytes)),
            setting(
                NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,
                UInt32(configuration.maximumHeaderListBytes)
            ),
        ]
        switch role {
        case .server:
            // `writeSettings` puts the real number in its place.
            settings.append(setting(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, UInt32(Int32.max)))
        case .client:
            settings.append(setting(NGHTTP2_SETTINGS_ENABLE_PUSH, 0))
        }
        let none = UInt8(NGHTTP2_FLAG_NONE.rawValue)
        nghttp2_submit_settings(session, none, settings, settings.count)
        nghttp2_session_set_local_window_size(session, none, 0, configuration.connectionWindowBytes)
        return session
    }

    private func makeOptions() -> OpaquePointer? {
        var options: OpaquePointer?
        nghttp2_option_new(&options)
        // Windows are given back by whoever has read the bytes, so a reader that stops stops the
        // writer.
        nghttp2_option_set_no_auto_window_update(options, 1)
        // Closed streams are kept only for the priority tree of RFC 7540, which no gRPC client
        // uses.
        nghttp2_option_set_no_closed_streams(options, 1)
        nghttp2_option_set_max_outbound_ack(options, configuration.maximumQueuedAcknowledgements)
        // Resets are `AbuseGuard`'s to count.
        nghttp2_option_set_stream_reset_rate_limit(options, UInt64(Int64.max), UInt64(Int32.max))
        nghttp2_option_set_max_continuations(options, max(configuration.maximumContinuations, 0))
        return options
    }

    private func setting(_ id: nghttp2_settings_id, _ value: UInt32) -> nghttp2_settings_entry {
        nghttp2_settings_entry(settings_id: Int32(id.rawValue), value: value)
    }

    fileprivate func headersBegan(_ frame: UnsafePointer<nghttp2_frame>) -> Int32 {
        incomingHeaders.removeAll()
        incomingHeadersAreTooLarge = false
        pendingHeaders = frame.pointee.hd.stream_id
        guard frame.pointee.headers.cat == NGHTTP2_HCAT_REQUEST else { return 0 }
        guard hasRoomForStream else {
            pendingHeaders = 0
            return refuse(frame.pointee.hd.stream_id)
        }
        let stream = HTTP2Stream(id: frame.pointee.hd.stream_id, connection: self)
        stream.delegate = accept(stream)
        adopt(stream)
        nghttp2_session_set_stream_user_data(
            session,
            stream.id,
            Unmanaged.passUnretained(stream).toOpaque()
        )
        return 0
    }

    /// - Returns: for nghttp2, 0 to go on.
    fileprivate func headerReceived(
        _ name: UnsafeRawBufferPointer,
        _ value: UnsafeRawBufferPointer
    ) -> Int32 {
        let fieldSize = name.count + value.count + 32
        guard !incomingHeadersAreTooLarge else {
            surplusHeaderBytes += fieldSize
            guard surplusHeaderBytes > configuration.maximumDecodedHeaderBytes else { return 0 }
            end(for: .headerBlock)
            return NGHTTP2_ERR_CALLBACK_FAILURE.rawValue
        }
        let size = incomingHeaders.listSize + fieldSize
        guard size <= configuration.maximumHeaderListBytes else {
            incomingHeadersAreTooLarge = true
            surplusHeaderBytes = size
            counters.headerListTooLarge()
            return 0
        }
        incomingHeaders.append(name: name, value: value)
        return 0
    }

    fileprivate func frameReceived(_ frame: UnsafePointer<nghttp2_frame>) {
        let header = frame.pointee.hd
        switch nghttp2_frame_type(UInt32(header.type)) {
        case NGHTTP2_HEADERS:
            pendingHeaders = 0
            if let stream = stream(session, header.stream_id) {
                headersEnded(stream, endStream: header.endsStream)
            }
        case NGHTTP2_DATA:
            if header.endsStream {
                guard let stream = stream(session, header.stream_id) else { break }
                stream.hasRemoteEnded = true
                stream.delegate?.receivedEnd()
            } else if header.length == frame.pointee.data.padlen {
                emptyFrameReceived()
            }
        case NGHTTP2_SETTINGS:
            if header.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) == 0 {
                lifetime?.settingsReceived()
                hasPeerSettings = true
                delegate?.connectionIsReady(self)
            }
        case NGHTTP2_PING:
            if header.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) != 0 { pingAcknowledged(frame) }
        case NGHTTP2_GOAWAY:
            peerIsDraining()
        default:
            break
        }
    }

    private func headersEnded(_ stream: HTTP2Stream, endStream: Bool) {
        if endStream { stream.hasRemoteEnded = true }
        if incomingHeadersAreTooLarge {
            rejectHeaders(of: stream)
            return
        }
        stream.delegate?.received(headers: incomingHeaders.compacted(), endStream: endStream)
    }

    /// 431 tells a client what happened (RFC 6585, section 5); from a server there is nothing to
    /// answer.
    private func rejectHeaders(of stream: HTTP2Stream) {
        switch role {
        case .server: stream.respond(HeaderBlock([(":status", "431")]), endStream: true)
        case .client: stream.reset(.enhanceYourCalm)
        }
    }

    private func pingAcknowledged(_ frame: UnsafePointer<nghttp2_frame>) {
        let isDrainPing = withUnsafeBytes(of: frame.pointee.ping.opaque_data) {
            $0.elementsEqual(Self.drainPing)
        }
        if isDrainPing, isDraining { drainRoundTripDone() }
    }

    fileprivate func streamClosed(_ stream: HTTP2Stream, code: HTTP2ErrorCode) {
        switch code {
        case .noError: remove(stream, end: .finished)
        case .refusedStream where role == .client: remove(stream, end: .unprocessed)
        default: remove(stream, end: .reset(code))
        }
    }

    fileprivate func frameSent(_ frame: UnsafePointer<nghttp2_frame>) {
        let header = frame.pointee.hd
        if header.type == UInt8(NGHTTP2_DATA.rawValue) { abuse?.dataSent() }
        if role == .client, header.type == UInt8(NGHTTP2_HEADERS.rawValue) {
            stream(session, header.stream_id)?.hasSentHeaders = true
        } else if header.endsStream, role == .server, header.stream_id > 0,
            let stream = stream(session, header.stream_id), stream.resetsAfterEnd,
            !stream.hasRemoteEnded
        {
            stream.resetsAfterEnd = false
            submitReset(stream: stream, code: .noError)
        } else if header.type == UInt8(NGHTTP2_GOAWAY.rawValue),
            frame.pointee.goaway.error_code != 0
        {
            counters.protocolViolated()
        } else if header.type == UInt8(NGHTTP2_RST_STREAM.rawValue) {
            resetSent(HTTP2ErrorCode(rawValue: frame.pointee.rst_stream.error_code))
        }
    }
}

extension nghttp2_frame_hd {
    fileprivate var endsStream: Bool {
        (type == UInt8(NGHTTP2_DATA.rawValue) || type == UInt8(NGHTTP2_HEADERS.rawValue))
            && flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
    }
}
