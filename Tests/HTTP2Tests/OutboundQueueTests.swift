import NIOCore
import Primitives
import Testing

@testable import HTTP2

struct OutboundQueueTests {
    private let limit = OutboundQueue.minimumReferencedBytes

    /// What frames of `frameBytes` carry until the queue has nothing more.
    private func drain(
        _ queue: inout OutboundQueue,
        frameBytes: Int
    ) -> (bytes: [UInt8], frames: [Int]) {
        var bytes: [UInt8] = []
        var frames: [Int] = []
        let frame = UnsafeMutableRawBufferPointer.allocate(byteCount: frameBytes, alignment: 1)
        defer { frame.deallocate() }
        while true {
            switch queue.fill(frame) {
            case .nothing:
                return (bytes, frames)
            case .copied(let count):
                bytes += frame[..<count]
                frames.append(count)
            case .referenced(let count):
                let slice = queue.takeReferenced(count)
                bytes += Array(slice.readableBytesView)
                frames.append(-count)
            }
        }
    }

    @Test func `small buffers share a frame`() {
        var queue = OutboundQueue()
        for part in ["one ", "two ", "three"] { queue.append(ByteBuffer(string: part)) }
        let result = drain(&queue, frameBytes: 100)
        #expect(String(decoding: result.bytes, as: UTF8.self) == "one two three")
        #expect(result.frames == [13])
        #expect(queue.isEmpty)
    }

    @Test func `a buffer that does not fit continues in the next frame`() {
        var queue = OutboundQueue()
        queue.append(ByteBuffer(string: "abcdefgh"))
        queue.append(ByteBuffer(string: "ij"))
        let result = drain(&queue, frameBytes: 3)
        #expect(String(decoding: result.bytes, as: UTF8.self) == "abcdefghij")
        #expect(result.frames == [3, 3, 3, 1])
    }

    @Test func `a large buffer goes out by reference and never shares a frame`() {
        var queue = OutboundQueue()
        queue.append(ByteBuffer(repeating: 1, count: 10))
        queue.append(ByteBuffer(repeating: 2, count: limit))
        queue.append(ByteBuffer(repeating: 3, count: 10))
        let result = drain(&queue, frameBytes: 16_384)
        #expect(result.frames == [10, -limit, 10])
    }

    @Test func `a large buffer's rest is copied once it is small`() {
        var queue = OutboundQueue()
        queue.append(ByteBuffer(repeating: 2, count: 16_384 + 100))
        let result = drain(&queue, frameBytes: 16_384)
        #expect(result.frames == [-16_384, 100])
    }

    @Test func `an empty buffer is not queued`() {
        var queue = OutboundQueue()
        queue.append(ByteBuffer())
        let isEmpty = queue.isEmpty
        queue.append(ByteBuffer(string: "x"))
        let result = drain(&queue, frameBytes: 10)
        #expect(isEmpty)
        #expect(result.frames == [1])
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `any sequence of buffers comes out as it went in`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var queue = OutboundQueue()
        var expected: [UInt8] = []
        var sent: [UInt8] = []
        for _ in 0..<30 {
            let count = Int.random(
                in: 0...(Bool.random(using: &random) ? 50 : 12_000),
                using: &random
            )
            let part = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            queue.append(ByteBuffer(bytes: part))
            expected += part
            // Frames are built between the writes too.
            if Bool.random(using: &random) {
                sent += drain(&queue, frameBytes: Int.random(in: 1...20_000, using: &random)).bytes
            }
            #expect(queue.count == expected.count - sent.count)
        }
        sent += drain(&queue, frameBytes: 16_384).bytes
        #expect(sent == expected)
        #expect(queue.isEmpty)
    }
}
