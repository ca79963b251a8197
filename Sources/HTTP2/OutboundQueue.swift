import CNghttp2
import DequeModule
import NIOCore

/// The bytes that one stream still has to send, and how it ends.
struct OutboundQueue {
    enum End {
        /// More may come.
        case open
        /// END_STREAM with the last DATA frame.
        case endStream
        /// A trailer section ends the stream.
        case trailers(HeaderBlock)
        /// The end has been handed to nghttp2.
        case sent
    }

    /// What one DATA frame is filled with.
    enum NextFrame {
        /// Nothing to send now.
        case nothing
        /// So many bytes were copied into the frame.
        case copied(Int)
        /// So many bytes go out by reference, from `takeReferenced`.
        case referenced(Int)
    }

    /// From this size on, a chunk is handed to the socket as it is instead of being copied into the
    /// frame.
    ///
    /// Below it the extra entry in the vector of `writev` costs more than the copy.
    static let minimumReferencedBytes = 4096

    // Nearly every unary call sends one buffer: it sits here and `rest` never allocates.
    private var head = ByteBuffer()
    private var rest = Deque<ByteBuffer>()
    private(set) var count = 0
    var end = End.open

    var isEmpty: Bool { count == 0 }

    mutating func append(_ buffer: ByteBuffer) {
        guard buffer.readableBytes > 0 else { return }
        if count == 0 {
            head = buffer
        } else {
            rest.append(buffer)
        }
        count += buffer.readableBytes
    }

    /// Fills one frame with as much as fits, over the borders of the queued buffers.
    mutating func fill(_ frame: UnsafeMutableRawBufferPointer) -> NextFrame {
        guard count > 0 else { return .nothing }
        if head.readableBytes >= Self.minimumReferencedBytes {
            return .referenced(min(head.readableBytes, frame.count))
        }
        var filled = 0
        while count > 0, filled < frame.count, head.readableBytes < Self.minimumReferencedBytes {
            let length = min(head.readableBytes, frame.count - filled)
            head.readWithUnsafeReadableBytes { bytes in
                UnsafeMutableRawBufferPointer(rebasing: frame[filled...])
                    .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<length]))
                return length
            }
            filled += length
            taken(length)
        }
        return .copied(filled)
    }

    /// The next `length` bytes, which must be readable in one buffer, sharing its storage.
    mutating func takeReferenced(_ length: Int) -> ByteBuffer {
        guard let slice = head.readSlice(length: length) else {
            preconditionFailure(
                "a referenced frame is never longer than the buffer it was measured on"
            )
        }
        taken(length)
        return slice
    }

    private mutating func taken(_ length: Int) {
        count -= length
        if head.readableBytes == 0 {
            head = rest.popFirst() ?? ByteBuffer()
        }
    }
}
