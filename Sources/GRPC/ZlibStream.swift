import CZlib
import NIOCore

/// One zlib stream, used for one message after the other.
final class ZlibStream {
    enum Direction {
        case deflating
        case inflating
    }

    /// What a step has come to.
    enum Outcome {
        /// The chunk is full: go on.
        case more
        /// The stream is complete; what is left of the input is no part of it.
        case end
        /// The input ended before the stream did.
        case starved
        case failed(String)
    }

    private let direction: Direction
    /// zlib keeps the address of this, so it must not move.
    private let stream: UnsafeMutablePointer<z_stream>

    /// Nil when there is no memory for it.
    init?(_ direction: Direction, _ encoding: MessageEncoding) {
        self.direction = direction
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        let size = Int32(MemoryLayout<z_stream>.size)
        // 16 more means gzip's header and trailer instead of zlib's.
        let windowBits = encoding == .gzip ? MAX_WBITS + 16 : MAX_WBITS
        let result =
            switch direction {
            case .deflating:
                deflateInit2_(
                    stream,
                    Z_DEFAULT_COMPRESSION,
                    Z_DEFLATED,
                    windowBits,
                    Self.memoryLevel,
                    Z_DEFAULT_STRATEGY,
                    ZLIB_VERSION,
                    size
                )
            case .inflating:
                inflateInit2_(stream, windowBits, ZLIB_VERSION, size)
            }
        guard result == Z_OK else {
            stream.deallocate()
            return nil
        }
    }

    /// zlib's own default, which it has no name for.
    private static let memoryLevel: Int32 = 8

    deinit {
        switch direction {
        case .deflating: deflateEnd(stream)
        case .inflating: inflateEnd(stream)
        }
        stream.deallocate()
    }

    /// Bytes of the input that the stream has not read.
    var unreadBytes: Int { Int(stream.pointee.avail_in) }

    /// Bytes that the stream has come to so far.
    var producedBytes: Int { Int(stream.pointee.total_out) }

    /// Begins a stream with all of its input, which must stay where it is until the last step.
    func begin(_ input: UnsafeRawBufferPointer) {
        startOver()
        // zlib reads only; its interface is older than `const`.
        stream.pointee.next_in = UnsafeMutablePointer(
            mutating: input.bindMemory(to: UInt8.self).baseAddress
        )
        // A message has at most 4 GiB, by the four bytes of its length.
        stream.pointee.avail_in = uInt(clamping: input.count)
    }

    /// Begins another stream with what is left of the input.
    func startOver() {
        switch direction {
        case .deflating: deflateReset(stream)
        case .inflating: inflateReset(stream)
        }
    }

    /// Produces up to one chunk.
    func step(
        into chunk: UnsafeMutableBufferPointer<UInt8>
    ) -> (produced: UnsafeRawBufferPointer, outcome: Outcome) {
        stream.pointee.next_out = chunk.baseAddress
        stream.pointee.avail_out = uInt(clamping: chunk.count)
        let result =
            switch direction {
            case .deflating: deflate(stream, Z_FINISH)
            case .inflating: inflate(stream, Z_NO_FLUSH)
            }
        let room = Int(stream.pointee.avail_out)
        let produced = UnsafeRawBufferPointer(
            rebasing: UnsafeRawBufferPointer(chunk)[..<(chunk.count - room)]
        )
        switch result {
        case Z_STREAM_END: return (produced, .end)
        case Z_OK: return (produced, room == 0 ? .more : .starved)
        case Z_BUF_ERROR: return (produced, .starved)
        default:
            let reason = stream.pointee.msg.map { String(cString: $0) } ?? "zlib error \(result)"
            return (produced, .failed(reason))
        }
    }
}
