import HTTP2
import NIOCore
import Primitives
import Testing

@testable import GRPC

struct ZlibStreamsTests {
    private let streams = ZlibStreams()

    /// The bytes of a message that compresses, with `count` bytes.
    private static func text(_ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: $0 % 13 + $0 / 1000) }
    }

    /// What a compressed message looks like behind its prefix.
    private func compress(_ bytes: [UInt8], _ encoding: MessageEncoding = .gzip) -> [UInt8] {
        let frame = streams.compress(GRPCFrame(bytes: bytes), encoding)
        return Array(frame.buffer.readableBytesView.dropFirst(GRPCFrame.prefixBytes))
    }

    private func decompress(
        _ bytes: [UInt8],
        _ encoding: MessageEncoding = .gzip,
        maximumBytes: Int = 1 << 20
    ) throws -> [UInt8] {
        let message = try streams.decompress(
            ByteBuffer(bytes: bytes),
            encoding,
            maximumBytes: maximumBytes
        )
        return Array(message.readableBytesView)
    }

    /// "hello", as Python's gzip module and its zlib module write it.
    private static let foreign: [MessageEncoding: [UInt8]] = [
        .gzip: [
            0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0xff, 0xcb, 0x48, 0xcd, 0xc9,
            0xc9, 0x07, 0x00, 0x86, 0xa6, 0x10, 0x36, 0x05, 0x00, 0x00, 0x00,
        ],
        .deflate: [
            0x78, 0x9c, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x06, 0x2c, 0x02, 0x15,
        ],
    ]

    @Test(arguments: MessageEncoding.allCases)
    func `what others have compressed is read`(encoding: MessageEncoding) throws {
        let bytes = try #require(Self.foreign[encoding])
        let message = try decompress(bytes, encoding)
        #expect(message == Array("hello".utf8))
    }

    // Around the chunk's size, where one step becomes two.
    @Test(arguments: [
        100, 1000, ZlibStreams.chunkBytes - 1, ZlibStreams.chunkBytes, ZlibStreams.chunkBytes + 1,
        10 * ZlibStreams.chunkBytes,
    ])
    func `a message comes back as it was, in both encodings`(count: Int) throws {
        let message = Self.text(count)
        for encoding in MessageEncoding.allCases {
            let compressed = compress(message, encoding)
            let back = try decompress(compressed, encoding)
            #expect(compressed.count < count)
            #expect(back == message)
        }
    }

    @Test func `a compressed frame says so in its prefix, with its length`() {
        let frame = streams.compress(GRPCFrame(bytes: Self.text(1000)), .gzip).buffer
        let prefix = Array(frame.readableBytesView.prefix(GRPCFrame.prefixBytes))
        let length = frame.readableBytes - GRPCFrame.prefixBytes
        #expect(prefix == [1, 0, 0, UInt8(length >> 8), UInt8(length & 0xFF)])
    }

    @Test func `a large message that stays large takes several chunks`() throws {
        // Half random: compresses, but not below a chunk.
        var random = SeededRandom(seed: 1)
        let message = (0..<(6 * ZlibStreams.chunkBytes)).map { _ in
            UInt8.random(in: 0...15, using: &random)
        }
        let compressed = compress(message)
        let back = try decompress(compressed)
        #expect(compressed.count > 2 * ZlibStreams.chunkBytes && compressed.count < message.count)
        #expect(back == message)
    }

    @Test(arguments: [0, 1, 10])
    func `a message that would not become smaller goes as it is`(count: Int) {
        var random = SeededRandom(seed: 2)
        let message = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
        let frame = GRPCFrame(bytes: message)
        let sent = streams.compress(frame, .gzip)
        #expect(sent.buffer == frame.buffer)
    }

    @Test func `random bytes of several chunks go as they are`() {
        var random = SeededRandom(seed: 3)
        let message = (0..<(3 * ZlibStreams.chunkBytes)).map { _ in
            UInt8.random(in: 0...255, using: &random)
        }
        let frame = GRPCFrame(bytes: message)
        let sent = streams.compress(frame, .gzip)
        #expect(sent.buffer == frame.buffer)
    }

    @Test(arguments: MessageEncoding.allCases)
    func `a stream of an empty message is read and no bytes are no stream`(
        encoding: MessageEncoding
    ) throws {
        let stream = try #require(ZlibStream(.deflating, encoding))
        let chunk = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 100)
        defer { chunk.deallocate() }
        stream.begin(UnsafeRawBufferPointer(start: nil, count: 0))
        let empty = Array(stream.step(into: chunk).produced)
        let message = try decompress(empty, encoding)
        let error = #expect(throws: GRPCError.self) { try decompress([], encoding) }
        #expect(message.isEmpty)
        #expect(error?.code == .internal)
    }

    @Test(arguments: MessageEncoding.allCases)
    func `a message that is cut anywhere is an error`(encoding: MessageEncoding) throws {
        let compressed = compress(Self.text(500), encoding)
        for count in 0..<compressed.count {
            let error = #expect(throws: GRPCError.self, "\(count) bytes") {
                try decompress(Array(compressed.prefix(count)), encoding)
            }
            #expect(error?.code == .internal)
            #expect(
                error?.message == "the message is not valid \(encoding.name): it ends too early"
            )
        }
        // The stream that failed is as good as new.
        let back = try decompress(compressed, encoding)
        #expect(back == Self.text(500))
    }

    @Test(arguments: MessageEncoding.allCases)
    func `a changed bit is an error or changes nothing`(encoding: MessageEncoding) throws {
        let message = Self.text(300)
        let compressed = compress(message, encoding)
        var errors = 0
        for bit in 0..<(compressed.count * 8) {
            var changed = compressed
            changed[bit / 8] ^= 1 << (bit % 8)
            // gzip's header has fields that mean nothing for the message: time, system, flags.
            do {
                let back = try decompress(changed, encoding)
                #expect(back == message, "bit \(bit)")
            } catch let error as GRPCError {
                #expect(error.code == .internal, "bit \(bit)")
                errors += 1
            }
        }
        #expect(errors > (compressed.count - 10) * 8)
    }

    @Test func `the one format is no valid message of the other`() throws {
        let gzip = compress(Self.text(300), .gzip)
        let deflate = compress(Self.text(300), .deflate)
        let errors = [
            #expect(throws: GRPCError.self) { try decompress(gzip, .deflate) },
            #expect(throws: GRPCError.self) { try decompress(deflate, .gzip) },
        ]
        #expect(errors.map { $0?.code } == [.internal, .internal])
    }

    @Test func `bytes behind the end are an error`() throws {
        for encoding in MessageEncoding.allCases {
            let compressed = compress(Self.text(300), encoding)
            for garbage in [[0], [0, 0, 0, 0], Array("x".utf8), [0x1f], [0x1f, 0x8b]] as [[UInt8]] {
                let error = #expect(throws: GRPCError.self) {
                    try decompress(compressed + garbage, encoding)
                }
                #expect(error?.code == .internal)
            }
        }
    }

    @Test func `members of gzip that follow one another are one message`() throws {
        let parts = [Self.text(100), Self.text(50_000), Self.text(70)]
        let all = parts.flatMap { compress($0, .gzip) }
        let message = try decompress(all)
        let zlib = parts.flatMap { compress($0, .deflate) }
        let error = #expect(throws: GRPCError.self) { try decompress(zlib, .deflate) }
        #expect(message == parts.flatMap { $0 })
        #expect(error?.message == "the message is not valid deflate: bytes follow its end")
    }

    @Test func `the limit counts all members together`() throws {
        let two = compress(Self.text(100)) + compress(Self.text(100))
        let message = try decompress(two, maximumBytes: 200)
        let error = #expect(throws: GRPCError.self) { try decompress(two, maximumBytes: 199) }
        #expect(message.count == 200)
        #expect(error?.code == .resourceExhausted)
    }

    @Test(arguments: [1000, ZlibStreams.chunkBytes, 3 * ZlibStreams.chunkBytes])
    func `a message of exactly the limit passes and one more byte does not`(limit: Int) throws {
        let message = try decompress(compress(Self.text(limit)), maximumBytes: limit)
        let error = #expect(throws: GRPCError.self) {
            try decompress(compress(Self.text(limit + 1)), maximumBytes: limit)
        }
        #expect(message.count == limit)
        #expect(error?.code == .resourceExhausted)
        #expect(
            error?.message == "the message has more than the limit of \(limit) bytes decompressed"
        )
    }

    @Test(arguments: MessageEncoding.allCases)
    func `a bomb is stopped a chunk behind the limit`(encoding: MessageEncoding) throws {
        // A thousandth of what it stands for.
        let bomb = compress([UInt8](repeating: 0, count: 64 << 20), encoding)
        let limit = 1 << 20
        let error = #expect(throws: GRPCError.self) {
            try decompress(bomb, encoding, maximumBytes: limit)
        }
        let produced = try #require(streams.inflating[encoding]).producedBytes
        #expect(bomb.count < 100_000)
        #expect(error?.code == .resourceExhausted)
        #expect(produced > limit && produced <= limit + ZlibStreams.chunkBytes)
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `random bytes and random changes never come out as another message`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let message = Self.text(Int.random(in: 0...2000, using: &random))
        let compressed = compress(message)
        for _ in 0..<200 {
            var bytes = compressed
            for _ in 0...Int.random(in: 0...3, using: &random) where !bytes.isEmpty {
                let at = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0...2, using: &random) {
                case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: at)
                default: bytes.insert(UInt8.random(in: 0...255, using: &random), at: at)
                }
            }
            if let back = try? decompress(bytes, maximumBytes: 4000) {
                #expect(back == message, "seed \(seed)")
            }
            let noise = (0..<Int.random(in: 0...100, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            _ = try? decompress([0x1f, 0x8b, 8, 0] + noise, maximumBytes: 4000)
        }
        let back = try decompress(Self.foreign[.gzip] ?? [])
        #expect(back == Array("hello".utf8), "seed \(seed)")
    }
}

struct MessageEncodingTests {
    private func accepts(_ fields: [(name: String, value: String)]) -> [String] {
        MessageEncoding.allCases.filter { $0.isAccepted(by: HeaderBlock(fields)) }.map(\.name)
    }

    @Test(arguments: [
        ("gzip", ["gzip"]), ("identity,deflate,gzip", ["gzip", "deflate"]),
        ("identity, gzip", ["gzip"]), (" gzip\t, br", ["gzip"]), ("identity", []), ("", []),
        (",,", []), ("gzipped,xgzip", []), ("GZIP", []),
    ])
    func `the peer's list is read item by item`(list: String, expected: [String]) {
        #expect(accepts([("grpc-accept-encoding", list)]) == expected)
    }

    @Test func `without the field nothing is accepted, and several fields count together`() {
        #expect(accepts([("accept-encoding", "gzip")]) == [])
        #expect(
            accepts([("grpc-accept-encoding", "gzip"), ("grpc-accept-encoding", "deflate")])
                == ["gzip", "deflate"]
        )
    }
}
