import GRPC
import HTTP2
import NIOCore
import Synchronization
import Testing

/// A reader that stops reading stops the writer, whatever the writer has to say.
@Suite(.timeLimit(.minutes(10)))
struct BackPressureTests {
    private static let chunk = GRPCFrame(bytes: [UInt8](repeating: 7, count: 32 * 1024))
    private static let chunkBytes = chunk.buffer.readableBytes

    /// What can be on its way at most: the reader's window, the writer's queue up to its watermark and the one
    /// message that lifts it above, and the message that the reader has not asked for.
    private static var boundBytes: Int {
        let configuration = HTTP2Configuration()
        return Int(configuration.streamWindowBytes) + configuration.writeHighWatermarkBytes + 2
            * chunkBytes
    }

    /// Waits until `counter` has not changed over many round trips on the same connection.
    private func settledValue(_ counter: Counter, _ loopback: Loopback) async throws -> Int {
        var last = -1
        var unchanged = 0
        while unchanged < 50 {
            let _: Text = try await loopback.client.unary("/test.Echo/Unary", Text("x"))
            let now = counter.bytes.load(ordering: .relaxed)
            unchanged = now == last ? unchanged + 1 : 0
            last = now
        }
        return last
    }

    private final class Counter: Sendable {
        let bytes = Atomic<Int>(0)
    }

    /// Writes for as long as it is let, and counts what it got rid of.
    private static func flood(counting written: Counter) -> MethodHandler {
        .streaming { call in
            while true {
                try await call.write(chunk)
                written.bytes.wrappingAdd(chunkBytes, ordering: .relaxed)
            }
        }
    }

    @Test func `a client that does not read stops the server's handler`() async throws {
        let written = Counter()
        try await Loopback.run(
            methods: { methods in
                EchoMethods.register(in: &methods)
                methods.add("test.Flood", "Write", Self.flood(counting: written))
            },
            body: { loopback in
                let call = try await loopback.client.open("/test.Flood/Write")
                let first = try await settledValue(written, loopback)
                var read = 0
                while read < 20 * 1024 * 1024 {
                    read += try #require(try await call.next()).readableBytes + 5
                }
                let second = try await settledValue(written, loopback)
                call.cancel()
                #expect(first > Int(HTTP2Configuration().streamWindowBytes) - Self.chunkBytes)
                #expect(first <= Self.boundBytes)
                #expect(second >= read)
                #expect(second - read <= Self.boundBytes)
            }
        )
    }

    @Test func `a handler that does not read stops the client`() async throws {
        let gate = Mailbox<Void>()
        let readBytes = Mailbox<Int>()
        try await Loopback.run(
            methods: { methods in
                EchoMethods.register(in: &methods)
                methods.add(
                    "test.Flood",
                    "Read",
                    .streaming { call in
                        _ = await gate.next()
                        var read = 0
                        while let message = try await call.next() {
                            read += message.readableBytes + 5
                        }
                        readBytes.send(read)
                    }
                )
            },
            body: { loopback in
                let written = Counter()
                let call = try await loopback.client.open("/test.Flood/Read")
                let writer = Task {
                    // Far more than fits, so only the end of the test ends it.
                    while written.bytes.load(ordering: .relaxed) < 20 * 1024 * 1024 {
                        try await call.write(Self.chunk)
                        written.bytes.wrappingAdd(Self.chunkBytes, ordering: .relaxed)
                    }
                    await call.finishWriting()
                }
                let stopped = try await settledValue(written, loopback)
                gate.send(())
                try await writer.value
                let read = await readBytes.next()
                let end = try await call.next()
                #expect(stopped <= Self.boundBytes)
                #expect(read == written.bytes.load(ordering: .relaxed))
                #expect(end == nil)
            }
        )
    }

    @Test func `an inline handler that looks at isWritable is told when to go on`() async throws {
        let written = Counter()
        try await Loopback.run(
            methods: { methods in
                EchoMethods.register(in: &methods)
                methods.add("test.Flood", "Inline", .inlineStreaming { InlineFlood($0, written) })
            },
            body: { loopback in
                let call = try await loopback.client.open("/test.Flood/Inline")
                try await call.write("go")
                let stopped = try await settledValue(written, loopback)
                var read = 0
                while read < 5 * 1024 * 1024 {
                    read += try #require(try await call.next()).readableBytes + 5
                }
                call.cancel()
                #expect(stopped <= Self.boundBytes)
            }
        )
    }

    @Test func `an inline handler that wants no messages gets them and the end later`() async throws
    {
        let served = Counter()
        try await Loopback.run(
            methods: { methods in
                EchoMethods.register(in: &methods)
                methods.add("test.Flood", "Hold", .inlineStreaming { InlineHold($0, served) })
            },
            body: { loopback in
                let call = try await loopback.client.open("/test.Flood/Hold")
                for _ in 0..<100 { try await call.write("go") }
                await call.finishWriting()
                let stopped = try await settledValue(served, loopback)
                var read = 0
                while let answer = try await call.next() { read += answer.readableBytes + 5 }
                #expect(stopped <= Self.boundBytes)
                #expect(read == 100 * Self.chunkBytes)
            }
        )
    }

    @Test func `fifty streams that nobody reads do not stop a call`() async throws {
        let written = Counter()
        try await Loopback.run(
            methods: { methods in
                EchoMethods.register(in: &methods)
                methods.add("test.Flood", "Write", Self.flood(counting: written))
            },
            body: { loopback in
                var calls: [ClientCall] = []
                for _ in 0..<50 {
                    calls.append(try await loopback.client.open("/test.Flood/Write"))
                }
                let stopped = try await settledValue(written, loopback)
                let answer: Text = try await loopback.client.unary("/test.Echo/Unary", Text("x"))
                for call in calls { call.cancel() }
                #expect(stopped <= 50 * Self.boundBytes)
                #expect(answer.value == "echo x")
            }
        )
    }

    /// Answers each message with a chunk, and takes the next one when that has left.
    private final class InlineHold: InlineStreamHandler {
        private let call: ServerCall
        private let served: Counter

        init(_ call: ServerCall, _ served: Counter) {
            self.call = call
            self.served = served
        }

        var wantsMessages: Bool { call.isWritable }

        func received(_ message: MessageBytes) throws {
            call.send(BackPressureTests.chunk)
            served.bytes.wrappingAdd(BackPressureTests.chunkBytes, ordering: .relaxed)
        }

        func receivedEnd() throws { call.finish(.ok) }
        func becameWritable() {}
        func closed() {}
    }

    private final class InlineFlood: InlineStreamHandler {
        private let call: ServerCall
        private let written: Counter

        init(_ call: ServerCall, _ written: Counter) {
            self.call = call
            self.written = written
        }

        func received(_ message: MessageBytes) throws { flood() }
        func receivedEnd() throws {}
        func becameWritable() { flood() }
        func closed() {}

        private func flood() {
            while call.isWritable {
                call.send(BackPressureTests.chunk)
                written.bytes.wrappingAdd(BackPressureTests.chunkBytes, ordering: .relaxed)
            }
        }
    }
}
