import NIOCore
import Primitives
import Testing

@testable import GRPC

struct MessageDeframerTests {
    /// The messages that come of `chunks`, as text.
    private func messages(
        _ chunks: [[UInt8]],
        _ deframer: inout MessageDeframer
    ) throws -> [String] {
        var queue = ShortQueue<ReceivedMessage>()
        for chunk in chunks {
            try chunk.withUnsafeBytes { try deframer.received($0, into: &queue) }
        }
        var texts: [String] = []
        while let message = queue.popFirst() { texts.append(String(buffer: message.bytes)) }
        return texts
    }

    private func bytes(_ texts: [String]) -> [UInt8] {
        texts.flatMap { Array(GRPCFrame(bytes: Array($0.utf8)).buffer.readableBytesView) }
    }

    @Test func `every split of three messages into two chunks gives the same messages`() throws {
        let texts = ["first", "", "the third"]
        let all = bytes(texts)
        for split in 0...all.count {
            var deframer = MessageDeframer(maximumMessageBytes: 100)
            let found = try messages([Array(all[..<split]), Array(all[split...])], &deframer)
            #expect(found == texts, "split at \(split)")
            #expect(deframer.isAtBoundary)
        }
    }

    @Test func `every split into three chunks and single bytes give the same messages`() throws {
        let texts = ["ab", "", "c"]
        let all = bytes(texts)
        for first in 0...all.count {
            for second in first...all.count {
                var deframer = MessageDeframer(maximumMessageBytes: 100)
                let chunks = [
                    Array(all[..<first]), Array(all[first..<second]), Array(all[second...]),
                ]
                let found = try messages(chunks, &deframer)
                #expect(found == texts, "splits at \(first) and \(second)")
            }
        }
        var deframer = MessageDeframer(maximumMessageBytes: 100)
        let found = try messages(all.map { [$0] }, &deframer)
        #expect(found == texts)
    }

    @Test func `a message larger than the reserved room grows`() throws {
        let text = String(repeating: "x", count: 200_000)
        var deframer = MessageDeframer(maximumMessageBytes: 200_000)
        let all = bytes([text])
        let chunks = stride(from: 0, to: all.count, by: 16_384).map {
            Array(all[$0..<min($0 + 16_384, all.count)])
        }
        let found = try messages(chunks, &deframer)
        #expect(found == [text])
    }

    @Test func `a boundary is only between messages`() throws {
        var deframer = MessageDeframer(maximumMessageBytes: 100)
        let all = bytes(["abc"])
        var boundaries: [Bool] = []
        for byte in all {
            _ = try messages([[byte]], &deframer)
            boundaries.append(deframer.isAtBoundary)
        }
        #expect(boundaries == [false, false, false, false, false, false, false, true])
    }

    @Test func `a message of exactly the limit passes and one more byte does not`() throws {
        var deframer = MessageDeframer(maximumMessageBytes: 3)
        let found = try messages([bytes(["abc"])], &deframer)
        #expect(found == ["abc"])
        let error = #expect(throws: GRPCError.self) { try messages([bytes(["abcd"])], &deframer) }
        #expect(error?.code == .resourceExhausted)
        #expect(error?.message == "the message has 4 bytes, more than the limit of 3")
    }

    @Test func `the limit holds before the message's bytes are there`() throws {
        var deframer = MessageDeframer(maximumMessageBytes: 1000)
        let error = #expect(throws: GRPCError.self) {
            try messages([[0, 0xFF, 0xFF], [0xFF, 0xFF]], &deframer)
        }
        #expect(error?.code == .resourceExhausted)
    }

    @Test func `the flag of each message is kept when there is an encoding`() throws {
        var deframer = MessageDeframer(maximumMessageBytes: 100)
        deframer.encoding = .gzip
        var queue = ShortQueue<ReceivedMessage>()
        let all: [UInt8] = [1, 0, 0, 0, 1, 9, 0, 0, 0, 0, 1, 9, 1, 0, 0, 0, 2, 9, 9]
        for byte in all {
            try withUnsafeBytes(of: byte) { try deframer.received($0, into: &queue) }
        }
        let flags = [queue.popFirst(), queue.popFirst(), queue.popFirst()].map(\.?.isCompressed)
        #expect(flags == [true, false, true])
    }

    @Test func `a flag that is neither 0 nor 1 is refused`() throws {
        var deframer = MessageDeframer(maximumMessageBytes: 100)
        deframer.encoding = .gzip
        let error = #expect(throws: GRPCError.self) {
            try messages([[2, 0, 0, 0, 1, 9]], &deframer)
        }
        #expect(error?.message == "a message came with compressed flag 2, not 0 or 1")
    }

    @Test func `a compressed message without an encoding is refused`() throws {
        var deframer = MessageDeframer(maximumMessageBytes: 1000)
        let error = #expect(throws: GRPCError.self) {
            try messages([[1, 0, 0, 0, 1, 9]], &deframer)
        }
        #expect(error?.code == .internal)
    }
}
