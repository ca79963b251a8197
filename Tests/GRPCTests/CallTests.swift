import GRPC
import NIOCore
import Testing

/// Our client and our server, over a socket.
@Suite(.timeLimit(.minutes(10)))
struct CallTests {
    private func withEcho(_ body: (Loopback) async throws -> Void) async throws {
        try await Loopback.run(methods: { EchoMethods.register(in: &$0) }, body: body)
    }

    @Test func `a unary call is answered by an async and by an inline handler`() async throws {
        try await withEcho { loopback in
            let async: Text = try await loopback.client.unary("/test.Echo/Unary", Text("one"))
            let inline: Text = try await loopback.client.unary("/test.Echo/Inline", Text("two"))
            #expect(async.value == "echo one")
            #expect(inline.value == "inline two")
        }
    }

    @Test func `calls that run together keep apart`() async throws {
        try await withEcho { loopback in
            let answers = try await withThrowingTaskGroup(of: (Int, String).self) { group in
                for number in 0..<500 {
                    group.addTask {
                        let answer: Text = try await loopback.client.unary(
                            "/test.Echo/Unary",
                            Text("\(number)")
                        )
                        return (number, answer.value)
                    }
                }
                return try await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
            }
            #expect(answers.count == 500)
            #expect(answers.allSatisfy { $0.value == "echo \($0.key)" })
            #expect(loopback.server.counters["grpc_calls_ok"] == 500)
            #expect(loopback.server.counters["http2_connections_accepted"] == 1)
        }
    }

    @Test func `a client streams and gets one answer`() async throws {
        try await withEcho { loopback in
            let call = try await loopback.client.open("/test.Echo/Collect")
            for text in ["a", "b", "c"] { try await call.write(GRPCFrame(Text(text))) }
            await call.finishWriting()
            let answer = try await call.next().map { try Text(grpcMessage: $0) }
            let end = try await call.next()
            #expect(answer?.value == "a,b,c")
            #expect(end == nil)
        }
    }

    @Test func `a server streams`() async throws {
        try await withEcho { loopback in
            let call = try await loopback.client.open("/test.Echo/Expand")
            try await call.write(GRPCFrame(Text("a,b,c")))
            await call.finishWriting()
            var texts: [String] = []
            while let message = try await call.next() {
                texts.append(try Text(grpcMessage: message).value)
            }
            #expect(texts == ["a", "b", "c"])
        }
    }

    @Test(arguments: ["Chat", "Bytes", "InlineBytes"])
    func `both sides talk in turns`(method: String) async throws {
        try await withEcho { loopback in
            let call = try await loopback.client.open("/test.Echo/\(method)")
            var answers: [String] = []
            for number in 0..<100 {
                try await call.write(GRPCFrame(Text("\(number)")))
                let answer = try #require(try await call.next())
                answers.append(try Text(grpcMessage: answer).value)
            }
            await call.finishWriting()
            let end = try await call.next()
            #expect(answers == (0..<100).map { method == "Chat" ? "echo \($0)" : "\($0)" })
            #expect(end == nil)
        }
    }

    @Test func `an empty stream is answered by its end`() async throws {
        try await withEcho { loopback in
            let call = try await loopback.client.open("/test.Echo/Bytes")
            await call.finishWriting()
            let answers = try await call.readAll()
            #expect(answers == [])
        }
    }

    @Test(arguments: [0, 1, 16_379, 16_384, 300_000, 4 * 1024 * 1024])
    func `a message of any size up to the limit passes`(bytes: Int) async throws {
        try await withEcho { loopback in
            let call = try await loopback.client.open("/test.Echo/UnaryBytes")
            let payload = (0..<bytes).map { UInt8(truncatingIfNeeded: $0 / 251) }
            try await call.write(GRPCFrame(bytes: payload))
            await call.finishWriting()
            let answer = try #require(try await call.next())
            #expect(answer.readableBytes == bytes)
            #expect(answer == ByteBuffer(bytes: payload))
        }
    }

    @Test func `metadata crosses both ways`() async throws {
        try await withEcho { loopback in
            var metadata = Metadata()
            metadata.add("x-text", "hello")
            metadata.add("x-text", "again")
            metadata.add("x-data-bin", [1, 2, 0])
            let call = try await loopback.client.open("/test.Echo/Metadata", metadata: metadata)
            try await call.write(GRPCFrame(Text("x")))
            await call.finishWriting()
            while try await call.next() != nil {}
            let answer = await call.metadata
            #expect(answer.initial.texts("x-initial") == ["hello", "again"])
            #expect(answer.initial.binaries("x-initial-bin") == [[1, 2, 0]])
            #expect(answer.trailing.texts("x-trailing") == ["the end"])
            #expect(answer.trailing.binaries("x-trailing-bin") == [[0, 2, 1]])
        }
    }

    @Test func `a status crosses with its text and its metadata`() async throws {
        try await withEcho { loopback in
            let text = "für 5 € gibt es 100 % \n nichts"
            let error = await grpcError {
                let _: Text = try await loopback.client.unary("/test.Echo/Fail", Text(text))
            }
            #expect(error?.status == GRPCStatus(.failedPrecondition, text))
            #expect(error?.metadata.texts("x-reason") == ["asked for"])
            #expect(error?.metadata.binaries("x-detail-bin") == [[0, 1, 255]])
        }
    }

    @Test func `a very long status text is cut and still arrives`() async throws {
        try await withEcho { loopback in
            let text = String(repeating: "€", count: 100_000)
            let error = await grpcError {
                let _: Text = try await loopback.client.unary("/test.Echo/Fail", Text(text))
            }
            #expect(error?.code == .failedPrecondition)
            #expect(error?.message == String(repeating: "€", count: 4096 / 9))
        }
    }

    @Test func `an error after a message comes after the message`() async throws {
        try await withEcho { loopback in
            let call = try await loopback.client.open("/test.Echo/FailLate")
            try await call.write(GRPCFrame(Text("first")))
            await call.finishWriting()
            let message = try await call.next().map { try Text(grpcMessage: $0) }
            let error = await grpcError { _ = try await call.next() }
            #expect(message?.value == "first")
            #expect(error == GRPCError(.dataLoss, "later"))
        }
    }

    @Test func `an unexpected error reaches the client without its text`() async throws {
        try await withEcho { loopback in
            let error = await grpcError {
                let _: Text = try await loopback.client.unary("/test.Echo/Crash", Text("x"))
            }
            #expect(error == GRPCError(.internal, "internal error"))
            #expect(loopback.server.counters["grpc_calls_failed"] == 1)
        }
    }

    @Test(arguments: [
        ("/test.Echo/Nothing", "unknown method Nothing of service test.Echo"),
        ("/test.Nothing/Unary", "unknown service test.Nothing"),
    ])
    func `what is not served is unimplemented`(path: String, message: String) async throws {
        try await withEcho { loopback in
            let error = await grpcError {
                let _: Text = try await loopback.client.unary(path, Text("x"))
            }
            #expect(error == GRPCError(.unimplemented, message))
        }
    }

    @Test func `a message that does not decode is an invalid argument`() async throws {
        try await withEcho { loopback in
            let call = try await loopback.client.open("/test.Echo/Unary")
            try await call.write(GRPCFrame(bytes: [0xFF, 0xFF, 0xFF]))
            await call.finishWriting()
            let error = await grpcError { _ = try await call.next() }
            #expect(error?.code == .invalidArgument)
        }
    }

    @Test func `a message over the server's limit is refused by the server`() async throws {
        var configuration = GRPCServerConfiguration.testing
        configuration.maximumMessageBytes = 1000
        try await Loopback.run(server: configuration, methods: { EchoMethods.register(in: &$0) }) {
            loopback in
            for method in ["Bytes", "UnaryBytes", "InlineBytes"] {
                let call = try await loopback.client.open("/test.Echo/\(method)")
                try await call.write(GRPCFrame(bytes: [UInt8](repeating: 1, count: 1001)))
                await call.finishWriting()
                let error = await grpcError { _ = try await call.next() }
                #expect(error?.code == .resourceExhausted, "\(method)")
                #expect(error?.message == "the message has 1001 bytes, more than the limit of 1000")
            }
        }
    }

    @Test func `a message over the client's limit is refused by the client`() async throws {
        var configuration = GRPCClientConfiguration.testing
        configuration.maximumMessageBytes = 1000
        try await Loopback.run(client: configuration, methods: { EchoMethods.register(in: &$0) }) {
            loopback in
            let call = try await loopback.client.open("/test.Echo/Bytes")
            try await call.write(GRPCFrame(bytes: [UInt8](repeating: 1, count: 1001)))
            let error = await grpcError { _ = try await call.next() }
            #expect(error?.code == .resourceExhausted)
        }
    }

    @Test func `a port in use is named in one line`() async throws {
        try await withEcho { loopback in
            let second = GRPCServer(
                address: loopback.address,
                methods: MethodTable(),
                group: loopback.serverGroup,
                logger: .silent
            )
            let error = await #expect(throws: ServerStartError.self) { try await second.start() }
            #expect(
                error?.description
                    == "cannot listen on \(loopback.address): the address is in use by another process"
            )
        }
    }
}
