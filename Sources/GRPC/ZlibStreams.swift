import NIOCore
import NIOPosix

/// The zlib streams of one thread, made when the first message needs them and then reused.
///
/// A deflating stream takes about 260 KB and an inflating one 40 KB: too much for each call, and
/// making one costs more than a small message.
// SAFETY (@unchecked Sendable): `ofThisThread` is the only way to an instance outside of tests, and
// gives each thread its own.
final class ZlibStreams: @unchecked Sendable {
    /// Bytes that leave zlib at once.
    ///
    /// What is produced is counted chunk by chunk, so a message never takes more than its limit and
    /// one chunk.
    static let chunkBytes = 32 * 1024

    private static let ofThreads = ThreadSpecificVariable<ZlibStreams>()

    private let chunk = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: chunkBytes)
    private var deflating: [MessageEncoding: ZlibStream] = [:]
    private(set) var inflating: [MessageEncoding: ZlibStream] = [:]

    init() {}

    deinit { chunk.deallocate() }

    static var ofThisThread: ZlibStreams {
        if let streams = ofThreads.currentValue { return streams }
        let streams = ZlibStreams()
        ofThreads.currentValue = streams
        return streams
    }

    // MARK: - Compressing

    /// The same message, compressed if that makes it smaller.
    ///
    /// gRPC lets every message go as it is ("Compressed-Flag"), which is also the way out when
    /// there is no memory for a stream.
    func compress(_ frame: GRPCFrame, _ encoding: MessageEncoding) -> GRPCFrame {
        guard let stream = deflating[encoding] ?? ZlibStream(.deflating, encoding) else {
            return frame
        }
        deflating[encoding] = stream
        let compressed = frame.buffer.withUnsafeReadableBytes { bytes -> ByteBuffer? in
            compress(
                UnsafeRawBufferPointer(rebasing: bytes.dropFirst(GRPCFrame.prefixBytes)),
                stream
            )
        }
        return compressed.map { GRPCFrame(compressed: $0) } ?? frame
    }

    /// Nil when the result would not be smaller.
    private func compress(_ message: UnsafeRawBufferPointer, _ stream: ZlibStream) -> ByteBuffer? {
        stream.begin(message)
        var output = ByteBuffer()
        while true {
            let (produced, outcome) = stream.step(into: chunk)
            guard output.readableBytes + produced.count < message.count else { return nil }
            output.writeBytes(produced)
            switch outcome {
            case .more: continue
            case .end: return output
            case .starved, .failed: return nil
            }
        }
    }

    // MARK: - Decompressing

    /// The message that those bytes hold.
    ///
    /// Throws INTERNAL when they are not streams of the encoding from the first byte to the last,
    /// and RESOURCE_EXHAUSTED as soon as the message has more than `maximumBytes`.
    func decompress(
        _ message: ByteBuffer,
        _ encoding: MessageEncoding,
        maximumBytes: Int
    ) throws(GRPCError) -> ByteBuffer {
        guard let stream = inflating[encoding] ?? ZlibStream(.inflating, encoding) else {
            throw GRPCError(.resourceExhausted, "there is no memory to decompress the message")
        }
        inflating[encoding] = stream
        let result = message.withUnsafeReadableBytes { bytes in
            decompress(bytes, stream, encoding, maximumBytes: maximumBytes)
        }
        return try result.get()
    }

    private func decompress(
        _ bytes: UnsafeRawBufferPointer,
        _ stream: ZlibStream,
        _ encoding: MessageEncoding,
        maximumBytes: Int
    ) -> Result<ByteBuffer, GRPCError> {
        stream.begin(bytes)
        var output = ByteBuffer()
        while true {
            let (produced, outcome) = stream.step(into: chunk)
            guard output.readableBytes + produced.count <= maximumBytes else {
                return .failure(
                    GRPCError(
                        .resourceExhausted,
                        "the message has more than the limit of \(maximumBytes) bytes decompressed"
                    )
                )
            }
            output.writeBytes(produced)
            switch outcome {
            case .more:
                continue
            case .end where stream.unreadBytes == 0:
                return .success(output)
            case .end where encoding == .gzip:
                // Members may follow one another and count as one (RFC 1952, section 2.2).
                stream.startOver()
            case .end:
                return .failure(Self.invalid(encoding, "bytes follow its end"))
            case .starved:
                return .failure(Self.invalid(encoding, "it ends too early"))
            case .failed(let reason):
                return .failure(Self.invalid(encoding, reason))
            }
        }
    }

    private static func invalid(_ encoding: MessageEncoding, _ reason: String) -> GRPCError {
        GRPCError(.internal, "the message is not valid \(encoding.name): \(reason)")
    }
}
