import NIOCore

/// Cuts the DATA of a stream into messages (gRPC over HTTP/2, "Length-Prefixed-Message").
struct MessageDeframer {
    private enum State {
        /// Fewer than five bytes of the next prefix are in.
        case prefix([UInt8])
        /// The prefix is in; `missing` bytes of the message are not.
        case message(ByteBuffer, missing: Int)
    }

    private let maximumMessageBytes: Int
    private var state = State.prefix([])

    /// So much room is made for a message before its bytes arrive; a prefix alone must not cost the
    /// limit.
    private static let maximumReservedBytes = 64 * 1024

    init(maximumMessageBytes: Int) {
        self.maximumMessageBytes = maximumMessageBytes
    }

    /// True when no message has been begun: the stream may end here.
    var isAtBoundary: Bool {
        if case .prefix(let bytes) = state { return bytes.isEmpty }
        return false
    }

    /// Appends each message that is complete with these bytes.
    mutating func received(
        _ data: UnsafeRawBufferPointer,
        into messages: inout ShortQueue<ByteBuffer>
    ) throws(GRPCError) {
        var rest = data[...]
        while !rest.isEmpty {
            switch state {
            case .prefix(var bytes):
                let wanted = GRPCFrame.prefixBytes - bytes.count
                if bytes.isEmpty, rest.count >= wanted {
                    let length = try messageLength(rest.prefix(wanted))
                    rest = rest.dropFirst(wanted)
                    begin(length, rest: &rest, into: &messages)
                } else {
                    bytes.append(contentsOf: rest.prefix(wanted))
                    rest = rest.dropFirst(wanted)
                    guard bytes.count == GRPCFrame.prefixBytes else {
                        state = .prefix(bytes)
                        return
                    }
                    let length = try messageLength(bytes[...])
                    begin(length, rest: &rest, into: &messages)
                }
            case .message(var message, let missing):
                // Leave the old payload before it is changed, or the write would copy it.
                state = .prefix([])
                let part = rest.prefix(missing)
                message.writeBytes(UnsafeRawBufferPointer(rebasing: part))
                rest = rest.dropFirst(part.count)
                if part.count == missing {
                    messages.append(message)
                } else {
                    state = .message(message, missing: missing - part.count)
                }
            }
        }
    }

    private mutating func begin(
        _ length: Int,
        rest: inout Slice<UnsafeRawBufferPointer>,
        into messages: inout ShortQueue<ByteBuffer>
    ) {
        state = .prefix([])
        if rest.count >= length {
            messages.append(
                ByteBuffer(bytes: UnsafeRawBufferPointer(rebasing: rest.prefix(length)))
            )
            rest = rest.dropFirst(length)
        } else {
            let reserved = min(length, Self.maximumReservedBytes)
            state = .message(ByteBufferAllocator().buffer(capacity: reserved), missing: length)
        }
    }

    private func messageLength(_ prefix: some Collection<UInt8>) throws(GRPCError) -> Int {
        guard prefix.first == 0 else {
            throw GRPCError(.internal, "a compressed message came on a call without grpc-encoding")
        }
        let length = prefix.dropFirst().reduce(0) { $0 << 8 | Int($1) }
        guard length <= maximumMessageBytes else {
            throw GRPCError(
                .resourceExhausted,
                "the message has \(length) bytes, more than the limit of \(maximumMessageBytes)"
            )
        }
        return length
    }
}
