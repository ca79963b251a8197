import CNghttp2
import NIOCore

/// What a server sends has to be HTTP/2, whatever it was sent.
struct OutputChecker {
    private var buffer = ByteBuffer()
    private var block: [UInt8] = []
    private var expectsContinuation = false
    private let inflater = HeaderInflater()

    var isBetweenFrames: Bool { buffer.readableBytes == 0 && !expectsContinuation }

    mutating func append(_ bytes: ByteBuffer) {
        buffer.writeImmutableBuffer(bytes)
    }

    /// Takes the frames that are complete.
    mutating func check() {
        while let head = buffer.getBytes(at: buffer.readerIndex, length: 9) {
            let length = head[0..<3].reduce(0) { $0 << 8 | Int($1) }
            guard let payload = buffer.getBytes(at: buffer.readerIndex + 9, length: length) else {
                break
            }
            buffer.moveReaderIndex(forwardBy: 9 + length)
            let stream = head[5...8].reduce(0) { $0 << 8 | UInt32($1) }
            check(type: head[3], flags: head[4], stream: stream, payload)
        }
        buffer.discardReadBytes()
    }

    private mutating func check(type: UInt8, flags: UInt8, stream: UInt32, _ payload: [UInt8]) {
        precondition(expectsContinuation == (type == 9), "frame \(type) in a header block")
        switch type {
        case 0: precondition(stream > 0, "DATA on stream 0")
        case 1, 9:
            precondition(stream > 0 && flags & 0x28 == 0, "HEADERS with padding or priority")
            block += payload
            expectsContinuation = flags & 4 == 0
            if !expectsContinuation {
                inflater.inflate(block)
                block = []
            }
        case 3: precondition(stream > 0 && payload.count == 4, "malformed RST_STREAM")
        case 4: precondition(stream == 0 && payload.count % 6 == 0, "malformed SETTINGS")
        case 6: precondition(stream == 0 && payload.count == 8, "malformed PING")
        case 7: precondition(stream == 0 && payload.count >= 8, "malformed GOAWAY")
        case 8: precondition(payload.count == 4, "malformed WINDOW_UPDATE")
        default: preconditionFailure("a server sends no frame of type \(type)")
        }
    }
}

/// nghttp2's decompression, as a client has it.
private final class HeaderInflater {
    private let inflater: OpaquePointer?

    init() {
        var inflater: OpaquePointer?
        nghttp2_hd_inflate_new(&inflater)
        self.inflater = inflater
    }

    deinit {
        nghttp2_hd_inflate_del(inflater)
    }

    func inflate(_ block: [UInt8]) {
        block.withUnsafeBufferPointer { bytes in
            var rest = bytes[...]
            while true {
                var pair = nghttp2_nv()
                var flags: Int32 = 0
                let input = UnsafeBufferPointer(rebasing: rest)
                let read = nghttp2_hd_inflate_hd2(
                    inflater,
                    &pair,
                    &flags,
                    input.baseAddress,
                    input.count,
                    1
                )
                precondition(read >= 0, "a client could not decompress this header block")
                rest = rest.dropFirst(read)
                if flags & Int32(NGHTTP2_HD_INFLATE_FINAL.rawValue) != 0 { break }
            }
        }
        nghttp2_hd_inflate_end_headers(inflater)
    }
}
