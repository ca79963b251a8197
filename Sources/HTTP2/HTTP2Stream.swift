import CNghttp2
package import NIOCore

/// Who is told what happens on a stream.
///
/// Every call is made on the connection's event loop.
package protocol HTTP2StreamDelegate: AnyObject {
    /// A header section is complete: the request's, the response's (also informational ones) or the
    /// trailers.
    func received(headers: HeaderBlock, endStream: Bool)
    /// Bytes of DATA, valid during the call only; give them back to the peer's window with
    /// `consume`.
    func received(data: UnsafeRawBufferPointer)
    /// The peer will send no more DATA.
    ///
    /// Not called when the headers already ended the stream.
    func receivedEnd()
    /// The queue has fallen below the high watermark after it had been above.
    func becameWritable()
    /// The stream is over; nothing follows.
    func closed(_ end: StreamEnd)
}

/// One HTTP/2 stream, confined to its connection's event loop.
package final class HTTP2Stream {
    package internal(set) var id: Int32
    /// Strong, because an `unowned` reference costs a checked retain at each use; the connection
    /// lets go of its streams when they close or it does, which breaks the cycle.
    package let connection: HTTP2Connection
    package var delegate: (any HTTP2StreamDelegate)?

    /// The position in the connection's list, so that leaving it costs no search.
    var index = 0
    var hasRemoteEnded = false
    /// A client's request has gone out: whatever comes now, the server may have seen it.
    var hasSentHeaders = false
    var resetsAfterEnd = false

    private var outbound = OutboundQueue()
    /// nghttp2 was told that there is nothing to send; it must be woken when there is.
    private var isDeferred = false
    private var wasAboveWatermark = false

    init(id: Int32, connection: HTTP2Connection) {
        self.id = id
        self.connection = connection
    }

    /// Bytes that wait for the peer's window or the socket.
    package var queuedBytes: Int { outbound.count }

    /// False while the writer should wait for `becameWritable`.
    package var isWritable: Bool {
        outbound.count <= connection.configuration.writeHighWatermarkBytes
    }

    /// True when the end of our side is on its way: what was queued before it has been sent.
    package var hasLocalEnded: Bool {
        if case .sent = outbound.end { true } else { false }
    }

    /// Sends the response's header section.
    ///
    /// With `endStream` nothing may follow.
    package func respond(_ headers: HeaderBlock, endStream: Bool = false) {
        if endStream {
            outbound.end = .sent
            resetIfRemoteIsOpen()
        }
        connection.submitResponse(headers, on: self, hasBody: !endStream)
    }

    /// Queues bytes of DATA.
    package func send(_ buffer: ByteBuffer) {
        outbound.append(buffer)
        connection.queued(buffer.readableBytes)
        if !isWritable { wasAboveWatermark = true }
        resume()
    }

    /// Ends our side once the queue is empty, with a trailer section if one is given.
    package func finish(trailers: HeaderBlock? = nil) {
        guard case .open = outbound.end else { return }
        outbound.end = trailers.map { .trailers($0) } ?? .endStream
        resetIfRemoteIsOpen()
        resume()
    }

    /// Ends the stream at once, in both directions.
    package func reset(_ code: HTTP2ErrorCode) {
        outbound.end = .sent
        connection.submitReset(stream: self, code: code)
    }

    /// Gives `bytes` of received DATA back to the peer's window.
    package func consume(_ bytes: Int) {
        connection.consume(bytes, of: self)
    }

    private func resume() {
        if isDeferred {
            isDeferred = false
            connection.resume(self)
        }
        connection.setNeedsFlush()
    }

    /// A server that has answered before it read the whole request tells the client to stop sending
    /// (RFC 9113, section 8.1).
    private func resetIfRemoteIsOpen() {
        if connection.role == .server, !hasRemoteEnded { resetsAfterEnd = true }
    }

    // MARK: - Called by the session while it builds frames

    /// What nghttp2's data source is told; `flags` are its NGHTTP2_DATA_FLAGs.
    func fillFrame(_ frame: UnsafeMutableRawBufferPointer, flags: inout UInt32) -> Int {
        let length: Int
        switch outbound.fill(frame) {
        case .nothing: length = 0
        case .copied(let count):
            connection.unqueued(count)
            length = count
        case .referenced(let count):
            flags |= NGHTTP2_DATA_FLAG_NO_COPY.rawValue
            // The bytes leave the queue when the frame is written, just after this; the end can't
            // come yet unless they are the last ones.
            if count < outbound.count { return count }
            length = count
        }
        if wasAboveWatermark, isWritable {
            wasAboveWatermark = false
            connection.becameWritable(self)
        }
        let isLast = flags & NGHTTP2_DATA_FLAG_NO_COPY.rawValue != 0 || outbound.isEmpty
        guard isLast else { return length }
        switch outbound.end {
        case .endStream:
            outbound.end = .sent
            flags |= NGHTTP2_DATA_FLAG_EOF.rawValue
        case .trailers(let trailers):
            outbound.end = .sent
            flags |= NGHTTP2_DATA_FLAG_EOF.rawValue | NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue
            connection.submitTrailers(trailers, on: self)
        case .open, .sent:
            if length == 0 {
                isDeferred = true
                return Int(NGHTTP2_ERR_DEFERRED.rawValue)
            }
        }
        return length
    }

    /// The payload of a frame that `fillFrame` announced as referenced.
    func takeReferencedPayload(_ length: Int) -> ByteBuffer {
        let payload = outbound.takeReferenced(length)
        connection.unqueued(length)
        if wasAboveWatermark, isWritable {
            wasAboveWatermark = false
            connection.becameWritable(self)
        }
        return payload
    }
}
