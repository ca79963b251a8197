import NIOCore
import Testing

@testable import GRPC

struct MessageInboxTests {
    private func receive(_ bytes: [UInt8], _ inbox: inout MessageInbox) throws -> Int {
        try bytes.withUnsafeBytes { try inbox.received($0) }
    }

    private func message(_ text: String) -> [UInt8] {
        Array(GRPCFrame(bytes: Array(text.utf8)).buffer.readableBytesView)
    }

    /// What `next` says, with errors as their text.
    private func next(_ inbox: inout MessageInbox) -> String {
        switch inbox.next() {
        case .message(let message, let consume): "\(String(buffer: message)) \(consume)"
        case .end: "end"
        case .fail(let error): "fail \(error)"
        case .wait: "wait"
        }
    }

    @Test func `the window is held back while a complete message waits`() throws {
        var inbox = MessageInbox(maximumMessageBytes: 100)
        let first = try receive(message("one"), &inbox)
        let second = try receive(message("three"), &inbox)
        let reads = [next(&inbox), next(&inbox), next(&inbox)]
        #expect(first == 0 && second == 0)
        #expect(reads == ["one 0", "three 18", "wait"])
    }

    @Test func `a part of a message is never held back`() throws {
        var inbox = MessageInbox(maximumMessageBytes: 100)
        let bytes = message("message")
        let given = try bytes.map { try receive([$0], &inbox) }
        #expect(given == [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0])
        #expect(next(&inbox) == "message 1")
    }

    @Test func `a part behind a waiting message is given back when that is read`() throws {
        var inbox = MessageInbox(maximumMessageBytes: 100)
        let held = try receive(message("one") + message("two").prefix(6), &inbox)
        let read = next(&inbox)
        let rest = try receive(Array(message("two").suffix(2)), &inbox)
        #expect(held == 0)
        #expect(read == "one 14")
        #expect(rest == 0)
        #expect(next(&inbox) == "two 2")
    }

    @Test func `all bytes are given back exactly once`() throws {
        var inbox = MessageInbox(maximumMessageBytes: 100)
        var received = 0
        var given = 0
        for round in 0..<50 {
            let bytes = message(String(repeating: "x", count: round))
            let (head, tail) = (bytes.prefix(round % 7), bytes.dropFirst(round % 7))
            for part in [Array(head), Array(tail)] where !part.isEmpty {
                received += part.count
                given += try receive(part, &inbox)
            }
            guard round % 3 == 0 else { continue }
            while case .message(_, let consume) = inbox.next() { given += consume }
        }
        while case .message(_, let consume) = inbox.next() { given += consume }
        #expect(given == received)
    }

    @Test func `what was queued can be read after the end`() throws {
        var inbox = MessageInbox(maximumMessageBytes: 100)
        _ = try receive(message("last"), &inbox)
        try inbox.ended()
        let reads = [next(&inbox), next(&inbox), next(&inbox)]
        #expect(reads == ["last 9", "end", "end"])
    }

    @Test func `what was queued can be read before the error that ended the call`() throws {
        var inbox = MessageInbox(maximumMessageBytes: 100)
        _ = try receive(message("last"), &inbox)
        try inbox.ended(with: GRPCError(.aborted, "enough"))
        let reads = [next(&inbox), next(&inbox)]
        #expect(reads == ["last 9", "fail ABORTED: enough"])
    }

    @Test func `a failure drops what was queued`() throws {
        var inbox = MessageInbox(maximumMessageBytes: 100)
        _ = try receive(message("lost"), &inbox)
        inbox.fail(GRPCError(.cancelled, "gone"))
        #expect(next(&inbox) == "fail CANCELLED: gone")
    }

    @Test func `bytes after the failure are given back unread`() throws {
        var inbox = MessageInbox(maximumMessageBytes: 100)
        inbox.fail(GRPCError(.cancelled, "gone"))
        let given = try receive(message("late"), &inbox)
        #expect(given == 9)
        #expect(next(&inbox) == "fail CANCELLED: gone")
    }

    @Test func `an end inside a message is an error`() throws {
        var inbox = MessageInbox(maximumMessageBytes: 100)
        _ = try receive([0, 0, 0], &inbox)
        let error = #expect(throws: GRPCError.self) { try inbox.ended() }
        #expect(error?.message == "the stream ended inside a message")
    }

    @Test func `a reader that waits gets the message and the window is given back`() async throws {
        let given = Box(0)
        let text = try await withUnsafeThrowingContinuation { continuation in
            var inbox = MessageInbox(maximumMessageBytes: 100)
            inbox.wait(continuation)
            given.value = (try? self.receive(self.message("now"), &inbox)) ?? -1
        }
        #expect(text.map { String(buffer: $0) } == "now")
        #expect(given.value == 8)
    }

    @Test func `a reader that waits gets nil at the end and the error of a failure`() async throws {
        let end: ByteBuffer? = try await withUnsafeThrowingContinuation { continuation in
            var inbox = MessageInbox(maximumMessageBytes: 100)
            inbox.wait(continuation)
            try? inbox.ended()
        }
        let error = await #expect(throws: GRPCError.self) {
            let _: ByteBuffer? = try await withUnsafeThrowingContinuation { continuation in
                var inbox = MessageInbox(maximumMessageBytes: 100)
                inbox.wait(continuation)
                inbox.fail(GRPCError(.dataLoss, "lost"))
            }
        }
        #expect(end == nil)
        #expect(error?.code == .dataLoss)
    }

    /// A value that a closure on the same task changes.
    private final class Box {
        var value: Int
        init(_ value: Int) { self.value = value }
    }
}
