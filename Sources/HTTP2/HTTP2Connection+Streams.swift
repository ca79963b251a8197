import CNghttp2

/// What streams ask of their connection's session.
extension HTTP2Connection {
    /// Opens a stream with a request's header section.
    ///
    /// Nil when the connection is closing or has used up its stream ids: use another one.
    package func open(
        _ headers: HeaderBlock,
        endStream: Bool,
        delegate: any HTTP2StreamDelegate
    ) -> HTTP2Stream? {
        guard let session, !isDraining, !isEnding else { return nil }
        let stream = HTTP2Stream(id: 0, connection: self)
        stream.delegate = delegate
        let user = Unmanaged.passUnretained(stream).toOpaque()
        let id = headers.withNameValuePairs { pairs in
            stream.withDataSource(hasBody: !endStream) { source in
                nghttp2_submit_request(session, nil, pairs.baseAddress, pairs.count, source, user)
            }
        }
        guard id > 0 else { return nil }
        stream.id = id
        adopt(stream)
        setNeedsFlush()
        return stream
    }

    func adopt(_ stream: HTTP2Stream) {
        stream.index = streams.count
        streams.append(stream)
        streamsSoFar += 1
        counters.streamOpened()
    }

    func remove(_ stream: HTTP2Stream, end: StreamEnd) {
        guard let last = streams.popLast() else { return }
        if last !== stream {
            last.index = stream.index
            streams[stream.index] = last
        }
        if stream.queuedBytes > 0 { unqueued(stream.queuedBytes) }
        if stream.id == pendingHeaders { pendingHeaders = 0 }
        if case .reset = end { counters.streamReset() }
        let delegate = stream.delegate
        stream.delegate = nil
        delegate?.closed(end)
    }

    func submitResponse(_ headers: HeaderBlock, on stream: HTTP2Stream, hasBody: Bool) {
        guard let session else { return }
        _ = headers.withNameValuePairs { pairs in
            stream.withDataSource(hasBody: hasBody) { source in
                nghttp2_submit_response(session, stream.id, pairs.baseAddress, pairs.count, source)
            }
        }
        setNeedsFlush()
    }

    func submitTrailers(_ trailers: HeaderBlock, on stream: HTTP2Stream) {
        guard let session else { return }
        _ = trailers.withNameValuePairs { pairs in
            nghttp2_submit_trailer(session, stream.id, pairs.baseAddress, pairs.count)
        }
    }

    func submitReset(stream: HTTP2Stream, code: HTTP2ErrorCode) {
        guard let session else { return }
        nghttp2_submit_rst_stream(
            session,
            UInt8(NGHTTP2_FLAG_NONE.rawValue),
            stream.id,
            code.rawValue
        )
        setNeedsFlush()
    }

    func resume(_ stream: HTTP2Stream) {
        guard let session else { return }
        nghttp2_session_resume_data(session, stream.id)
    }

    func consume(_ bytes: Int, of stream: HTTP2Stream) {
        guard let session, bytes > 0 else { return }
        nghttp2_session_consume_stream(session, stream.id, bytes)
        flushIfNeeded()
    }
}

extension HTTP2Stream {
    /// Calls `body` with where nghttp2 gets the stream's DATA from, or nil when there is none to
    /// come.
    func withDataSource<Result>(
        hasBody: Bool,
        _ body: (UnsafePointer<nghttp2_data_provider>?) -> Result
    ) -> Result {
        guard hasBody else { return body(nil) }
        var source = nghttp2_data_provider(
            source: nghttp2_data_source(ptr: Unmanaged.passUnretained(self).toOpaque()),
            read_callback: { _, _, frame, length, flags, source, _ in
                guard let pointer = source?.pointee.ptr, let flags else { return 0 }
                let stream = Unmanaged<HTTP2Stream>.fromOpaque(pointer).takeUnretainedValue()
                return stream.fillFrame(
                    UnsafeMutableRawBufferPointer(start: frame, count: length),
                    flags: &flags.pointee
                )
            }
        )
        return withUnsafePointer(to: &source, body)
    }
}

extension HeaderBlock {
    /// The fields as nghttp2 takes them; nghttp2 copies what it needs before the call returns.
    func withNameValuePairs<Result>(
        _ body: (UnsafeMutableBufferPointer<nghttp2_nv>) -> Result
    ) -> Result {
        withUnsafeTemporaryAllocation(of: nghttp2_nv.self, capacity: max(count, 1)) { pairs in
            var index = 0
            forEach { name, value in
                pairs[index] = nghttp2_nv(
                    name: UnsafeMutablePointer(
                        mutating: name.bindMemory(to: UInt8.self).baseAddress
                    ),
                    value: UnsafeMutablePointer(
                        mutating: value.bindMemory(to: UInt8.self).baseAddress
                    ),
                    namelen: name.count,
                    valuelen: value.count,
                    flags: UInt8(NGHTTP2_NV_FLAG_NONE.rawValue)
                )
                index += 1
            }
            return body(UnsafeMutableBufferPointer(rebasing: pairs[..<index]))
        }
    }
}
