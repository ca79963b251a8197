import NIOCore

/// One message as its prefix announced it.
struct ReceivedMessage {
    var bytes: ByteBuffer
    let isCompressed: Bool
}

/// Cuts the DATA of a stream into messages (gRPC over HTTP/2, "Length-Prefixed-Message").
struct MessageDeframer {
    private enum State {
        /// Fewer than five bytes of the next prefix are in.
        case prefix([UInt8])
        /// The prefix is in; `missing` bytes of the message are not.
        case message(ReceivedMessage, missing: Int)
    }

    private struct Prefix {
        let length: Int
        let isCompressed: Bool
    }

    let maximumMessageBytes: Int
    /// What compressed messages are compressed with; without it none may come.
    var encoding: MessageEncoding?
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
        into messages: inout ShortQueue<ReceivedMessage>
    ) throws(GRPCError) {
        var rest = data[...]
        while !rest.isEmpty {
            switch state {
            case .prefix(var bytes):
                let wanted = GRPCFrame.prefixBytes - bytes.count
                if bytes.isEmpty, rest.count >= wanted {
                    let prefix = try read(rest.prefix(wanted))
                    rest = rest.dropFirst(wanted)
                    begin(prefix, rest: &rest, into: &messages)
                } else {
                    bytes.append(contentsOf: rest.prefix(wanted))
                    rest = rest.dropFirst(wanted)
                    guard bytes.count == GRPCFrame.prefixBytes else {
                        state = .prefix(bytes)
                        return
                    }
                    let prefix = try read(bytes[...])
                    begin(prefix, rest: &rest, into: &messages)
                }
            case .message(var message, let missing):
                // Leave the old payload before it is changed, or the write would copy it.
                state = .prefix([])
                let part = rest.prefix(missing)
                message.bytes.writeBytes(UnsafeRawBufferPointer(rebasing: part))
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
        _ prefix: Prefix,
        rest: inout Slice<UnsafeRawBufferPointer>,
        into messages: inout ShortQueue<ReceivedMessage>
    ) {
        state = .prefix([])
        let length = prefix.length
        if rest.count >= length {
            let bytes = ByteBuffer(bytes: UnsafeRawBufferPointer(rebasing: rest.prefix(length)))
            messages.append(ReceivedMessage(bytes: bytes, isCompressed: prefix.isCompressed))
            rest = rest.dropFirst(length)
        } else {
            let reserved = min(length, Self.maximumReservedBytes)
            let bytes = ByteBufferAllocator().buffer(capacity: reserved)
            state = .message(
                ReceivedMessage(bytes: bytes, isCompressed: prefix.isCompressed),
                missing: length
            )
        }
    }

    private func read(_ prefix: some Collection<UInt8>) throws(GRPCError) -> Prefix {
        let flag = prefix.first ?? 0
        guard flag <= 1 else {
            throw GRPCError(.internal, "a message came with compressed flag \(flag), not 0 or 1")
        }
        guard flag == 0 || encoding != nil else {
            throw GRPCError(.internal, "a compressed message came on a call without grpc-encoding")
        }
        let length = prefix.dropFirst().reduce(0) { $0 << 8 | Int($1) }
        guard length <= maximumMessageBytes else {
            throw GRPCError(
                .resourceExhausted,
                "the message has \(length) bytes, more than the limit of \(maximumMessageBytes)"
            )
        }
        return Prefix(length: length, isCompressed: flag == 1)
    }
}
