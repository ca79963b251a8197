import GRPC
import NIOCore
import NIOPosix
import Primitives
import Testing

/// Against grpcio, which no one here wrote.
@Suite(.timeLimit(.minutes(10)))
struct InteropTests {
    @Test func `grpcio can call our server in every way`() async throws {
        let cancelled = Mailbox<Void>()
        let wait = MethodHandler.streaming { call in
            if call.path.hasSuffix("WaitAfterMessage"), let message = try await call.next() {
                try await call.write(GRPCFrame(message: message))
            }
            defer { cancelled.send(()) }
            try await waitForCancellation()
        }
        try await Loopback.run(
            methods: { methods in
                EchoMethods.register(in: &methods)
                methods.add("test.Echo", "Wait", wait)
                methods.add("test.Echo", "WaitAfterMessage", wait)
                methods.add(
                    "test.Echo",
                    "Early",
                    .streaming { call in
                        _ = try await call.next()
                        throw GRPCError(.outOfRange, "enough")
                    }
                )
            },
            body: { loopback in
                let client = try PythonProcess("grpcio_client.py", ["\(loopback.address)"])
                var failures: [String] = []
                var scenarios = 0
                while let line = await client.lines.next() {
                    scenarios += 1
                    if !line.hasSuffix(" ok") { failures.append(line) }
                }
                #expect(failures == [])
                #expect(scenarios == 13)
                // The cancellation has reached its handler.
                await cancelled.next()
            }
        )
    }

    private func withServer(_ body: (GRPCClient, Mailbox<String>) async throws -> Void) async throws
    {
        let process = try PythonProcess("grpcio_server.py")
        let port = try #require(await process.lines.next().flatMap { UInt16($0) })
        let client = GRPCClient(
            addresses: [EndpointAddress(host: "127.0.0.1", port: port)],
            configuration: .testing,
            eventLoop: MultiThreadedEventLoopGroup.singleton.next()
        )
        let result: Result<Void, any Error>
        do { result = .success(try await body(client, process.lines)) } catch {
            result = .failure(error)
        }
        await client.close()
        process.endInput()
        try result.get()
    }

    /// One message there and all messages back.
    private func call(
        _ client: GRPCClient,
        _ method: String,
        _ request: String,
        timeout: Duration? = nil
    ) async throws -> [String] {
        let call = try await client.open("/test.Echo/\(method)", timeout: timeout)
        try await call.write(request)
        await call.finishWriting()
        return try await call.readAll()
    }

    @Test func `our client can call a grpcio server in every way`() async throws {
        try await withServer { client, _ in
            let answer = try await call(client, "Echo", "hello")
            let chat = try await client.open("/test.Echo/Chat")
            var turns: [String] = []
            for number in 0..<50 {
                try await chat.write("\(number)")
                turns.append(try await chat.next().map { String(buffer: $0) } ?? "none")
            }
            await chat.finishWriting()
            let end = try await chat.next()
            let collecting = try await client.open("/test.Echo/Count")
            for _ in 0..<100 { try await collecting.write(String(repeating: "x", count: 50_000)) }
            await collecting.finishWriting()
            let total = try await collecting.readAll()
            let flood = try await call(client, "Flood", "50")
            #expect(answer == ["hello"])
            #expect(turns == (0..<50).map(String.init) && end == nil)
            #expect(total == ["5000000"])
            #expect(flood.count == 50 && flood.allSatisfy { $0.utf8.count == 100_000 })
        }
    }

    @Test func `a message over a window passes to a grpcio server and back`() async throws {
        try await withServer { client, _ in
            let text = String(repeating: "0123456789", count: 400_000)
            let answer = try await call(client, "Echo", text)
            #expect(answer == [text])
        }
    }

    @Test func `metadata and statuses of a grpcio server are read`() async throws {
        try await withServer { client, _ in
            var metadata = Metadata()
            metadata.add("x-text", "hello")
            metadata.add("x-data-bin", [0, 1, 254, 255])
            let with = try await client.open("/test.Echo/Metadata", metadata: metadata)
            try await with.write("x")
            await with.finishWriting()
            let answers = try await with.readAll()
            let received = await with.metadata
            let failed = await grpcError { _ = try await call(client, "Fail", "für 5 € 100 %") }
            let unknown = await grpcError { _ = try await call(client, "Nothing", "x") }
            #expect(answers == ["x"])
            #expect(received.initial.texts("x-text") == ["hello"])
            #expect(received.initial.binaries("x-data-bin") == [[0, 1, 254, 255]])
            #expect(received.trailing.texts("x-end") == ["yes"])
            #expect(received.trailing.binaries("x-end-bin") == [[0, 255]])
            #expect(failed?.status == GRPCStatus(.aborted, "für 5 € 100 %"))
            #expect(failed?.metadata.texts("x-reason") == ["asked for"])
            #expect(unknown?.code == .unimplemented)
        }
    }

    @Test func `cancellation reaches a grpcio server and a deadline holds without it`() async throws
    {
        try await withServer { client, lines in
            let waiting = try await client.open("/test.Echo/Wait")
            try await waiting.write("x")
            await waiting.finishWriting()
            let message = try await waiting.next()
            waiting.cancel()
            let events = [await lines.next(), await lines.next()]
            // Whether the server sees anything of this call before its deadline is a matter of luck.
            let late = await grpcError {
                _ = try await call(client, "Wait", "x", timeout: .milliseconds(300))
            }
            #expect(late?.code == .deadlineExceeded)
            #expect(events == ["waiting", "ended"])
            #expect(message.map { String(buffer: $0) } == "first")
        }
    }

    @Test func `a grpcio server that ends a call early stops our writer`() async throws {
        try await withServer { client, _ in
            let early = try await client.open("/test.Echo/Early")
            let frame = GRPCFrame(bytes: [UInt8](repeating: 1, count: 50_000))
            let write = await grpcError { while true { try await early.write(frame) } }
            let read = await grpcError { _ = try await early.next() }
            #expect(write?.code == .outOfRange)
            #expect(read == GRPCError(.outOfRange, "enough"))
        }
    }
}
