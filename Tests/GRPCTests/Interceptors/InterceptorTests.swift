import GRPC
import NIOCore
import NIOPosix
import Primitives
import Synchronization
import Testing

/// Interceptors of a real server and a real client.
@Suite(.timeLimit(.minutes(10)))
struct InterceptorTests {
    private func server(_ interceptors: any ServerInterceptor...) -> GRPCServerConfiguration {
        var configuration = GRPCServerConfiguration.testing
        configuration.interceptors = interceptors
        return configuration
    }

    private func client(_ interceptors: any ClientInterceptor...) -> GRPCClientConfiguration {
        var configuration = GRPCClientConfiguration.testing
        configuration.interceptors = interceptors
        return configuration
    }

    @Test func `a server's interceptors are told in order and at the end in reverse`() async throws
    {
        let log = EventLog()
        let configuration = server(ServerRecorder("a", log), ServerRecorder("b", log))
        try await Loopback.run(
            server: configuration,
            methods: { methods in
                methods.unary("test.Echo", "Unary") { (request: Text, _) in
                    log.add("handler")
                    return request
                }
            },
            body: { loopback in
                let _: Text = try await loopback.client.unary("/test.Echo/Unary", Text("12345"))
            }
        )
        #expect(
            log.events == [
                "a started /test.Echo/Unary 0", "b started /test.Echo/Unary 0", "a received 7",
                "b received 7", "a before", "b before", "handler", "a sent 7", "b sent 7",
                "b after", "a after", "b ended OK", "a ended OK",
            ]
        )
    }

    @Test func `a client's interceptors are told in order and at the end in reverse`() async throws
    {
        let log = EventLog()
        try await Loopback.run(
            client: client(ClientRecorder("a", log), ClientRecorder("b", log)),
            methods: { EchoMethods.register(in: &$0) },
            body: { loopback in
                let call = try await loopback.client.open("/test.Echo/UnaryBytes")
                try await call.write("123")
                await call.finishWriting()
                let answers = try await call.readAll()
                #expect(answers == ["123"])
            }
        )
        #expect(
            log.events == [
                "a started /test.Echo/UnaryBytes", "b started /test.Echo/UnaryBytes", "a sent 3",
                "b sent 3", "a received 3", "b received 3", "b ended OK 3 3", "a ended OK 3 3",
            ]
        )
    }

    @Test(arguments: ["InlineBytes", "Bytes"])
    func `each message of a stream is seen with its size`(method: String) async throws {
        let log = EventLog()
        try await Loopback.run(
            server: server(ServerRecorder("s", log)),
            methods: { EchoMethods.register(in: &$0) },
            body: { loopback in
                let call = try await loopback.client.open("/test.Echo/\(method)")
                for size in [0, 1, 70_000] {
                    try await call.write(String(repeating: "x", count: size))
                    _ = try await call.next()
                }
                await call.finishWriting()
                _ = try await call.readAll()
            }
        )
        let messages = log.events.filter { $0.contains("received") || $0.contains("sent") }
        #expect(
            messages == [
                "s received 0", "s sent 0", "s received 1", "s sent 1", "s received 70000",
                "s sent 70000",
            ]
        )
    }

    @Test(arguments: ["Unary", "Inline", "Chat", "InlineBytes", "Nothing"])
    func `an interceptor can refuse a call of any kind`(method: String) async throws {
        let log = EventLog()
        let refusing = Refusing(GRPCError(.unauthenticated, "who are you?"))
        let configuration = server(
            ServerRecorder("before", log),
            refusing,
            ServerRecorder("after", log)
        )
        try await Loopback.run(
            server: configuration,
            methods: { EchoMethods.register(in: &$0) },
            body: { loopback in
                let error = await grpcError {
                    let _: Text = try await loopback.client.unary(
                        "/test.Echo/\(method)",
                        Text("x")
                    )
                }
                #expect(error?.status == GRPCStatus(.unauthenticated, "who are you?"))
            }
        )
        let place = log.events.first.map { $0.split(separator: " ").last.map(String.init) ?? "" }
        #expect(place != nil && (place == "none") == (method == "Nothing"))
        // Who comes after the refusal is not told, and who came before is told once of the end.
        #expect(log.events.count == 2)
        #expect(log.events.last == "before ended UNAUTHENTICATED")
    }

    @Test func `an error that is not for clients is not told to them`() async throws {
        try await Loopback.run(
            server: server(Refusing(UnexpectedError())),
            methods: { EchoMethods.register(in: &$0) },
            body: { loopback in
                let error = await grpcError {
                    let _: Text = try await loopback.client.unary("/test.Echo/Unary", Text("x"))
                }
                #expect(error?.status == GRPCStatus(.internal, "internal error"))
            }
        )
    }

    @Test(arguments: ["Unary", "Inline", "Expand", "Fail"])
    func `an interceptor adds to the headers and the trailers`(method: String) async throws {
        try await Loopback.run(
            server: server(Marking()),
            methods: { EchoMethods.register(in: &$0) },
            body: { loopback in
                let call = try await loopback.client.open("/test.Echo/\(method)")
                try await call.write(GRPCFrame(Text("x")))
                await call.finishWriting()
                _ = try? await call.readAll()
                let metadata = await call.metadata
                let isFailure = method == "Fail"
                // Without a message, headers and trailers are one section.
                let initial = isFailure ? metadata.trailing : metadata.initial
                #expect(initial.texts("x-initial-mark") == ["/test.Echo/\(method)"])
                #expect(metadata.trailing.texts("x-early") == ["1"])
                #expect(
                    metadata.trailing.texts("x-late") == [isFailure ? "FAILED_PRECONDITION" : "OK"]
                )
            }
        )
    }

    @Test func `what an interceptor attaches reaches async and inline handlers`() async throws {
        try await Loopback.run(
            server: server(Attaching()),
            methods: { methods in
                methods.unary("test.Who", "Async") { (_: Text, call) in
                    Text(call.attachments[Attaching.User.self]?.name ?? "nobody")
                }
                methods.inlineUnary("test.Who", "Inline") { (_: Text, call) in
                    Text(call.attachments[Attaching.User.self]?.name ?? "nobody")
                }
            },
            body: { loopback in
                for method in ["Async", "Inline"] {
                    var metadata = Metadata()
                    metadata.add("x-user", "ann")
                    let known: Text = try await loopback.client.unary(
                        "/test.Who/\(method)",
                        Text(),
                        metadata: metadata
                    )
                    let unknown: Text = try await loopback.client.unary(
                        "/test.Who/\(method)",
                        Text()
                    )
                    #expect(known.value == "ann")
                    #expect(unknown.value == "nobody")
                }
            }
        )
    }

    @Test func `an interceptor around a handler sees and replaces its error`() async throws {
        try await Loopback.run(
            server: server(Translating()),
            methods: { EchoMethods.register(in: &$0) },
            body: { loopback in
                let error = await grpcError {
                    let _: Text = try await loopback.client.unary("/test.Echo/Crash", Text("x"))
                }
                #expect(error?.status == GRPCStatus(.aborted, "translated"))
            }
        )
    }

    @Test func `a client that leaves and a deadline that passes end their calls once`() async throws
    {
        let log = EventLog()
        try await Loopback.run(
            server: server(ServerRecorder("s", log)),
            methods: { methods in
                methods.add(
                    "test.Echo",
                    "Wait",
                    .streaming { call in
                        try await call.write(GRPCFrame(bytes: [1]))
                        try await waitForCancellation()
                    }
                )
            },
            body: { loopback in
                let left = try await loopback.client.open("/test.Echo/Wait")
                _ = try await left.next()
                left.cancel()
                let late = try await loopback.client.open(
                    "/test.Echo/Wait",
                    timeout: .milliseconds(500)
                )
                let error = await grpcError { while try await late.next() != nil {} }
                #expect(error?.code == .deadlineExceeded)
            }
        )
        // Whose deadline timer is first does not matter: there is one end.
        let ends = log.events.filter { $0.hasPrefix("s ended") }
        #expect(ends.count == log.events.count { $0.hasPrefix("s started") })
        #expect(ends.first == "s ended CANCELLED")
    }

    @Test func `a client's interceptor can refuse a call and add to its metadata`() async throws {
        let log = EventLog()
        try await Loopback.run(
            client: client(ClientRecorder("first", log), Guarding()),
            methods: { EchoMethods.register(in: &$0) },
            body: { loopback in
                let call = try await loopback.client.open("/test.Echo/Metadata")
                try await call.write(GRPCFrame(Text("x")))
                await call.finishWriting()
                _ = try await call.readAll()
                let added = await call.metadata.initial.texts("x-initial")
                let error = await grpcError { _ = try await loopback.client.open("/secret/Method") }
                #expect(added == ["guarded"])
                #expect(error == GRPCError(.permissionDenied, "not from here"))
            }
        )
        #expect(
            log.events.suffix(2) == [
                "first started /secret/Method", "first ended PERMISSION_DENIED 0 0",
            ]
        )
    }

    @Test func `a call that finds no server is told to the client's interceptors`() async throws {
        let log = EventLog()
        let address = try RefusingAddress()
        let client = GRPCClient(
            addresses: [address.address],
            configuration: client(ClientRecorder("c", log)),
            eventLoop: MultiThreadedEventLoopGroup.singleton.next()
        )
        let error = await grpcError { _ = try await client.open("/test.Echo/Unary") }
        await client.close()
        #expect(error?.code == .unavailable)
        #expect(log.events == ["c started /test.Echo/Unary", "c ended UNAVAILABLE 0 0"])
    }
}

/// What interceptors were told, in order.
private final class EventLog: Sendable {
    private let lines = Mutex<[String]>([])
    var events: [String] { lines.withLock { $0 } }
    func add(_ line: String) { lines.withLock { $0.append(line) } }
}

private final class ServerRecorder: ServerMessageInterceptor, ServerHandlerInterceptor {
    private let name: String
    private let log: EventLog

    init(_ name: String, _ log: EventLog) {
        self.name = name
        self.log = log
    }

    func started(_ call: ServerCall) {
        log.add("\(name) started \(call.path) \(call.methodIndex.map { "\($0)" } ?? "none")")
    }

    func ended(_ call: ServerCall, _ status: GRPCStatus) { log.add("\(name) ended \(status.code)") }
    func received(messageBytes: Int, _ call: ServerCall) {
        log.add("\(name) received \(messageBytes)")
    }
    func sent(messageBytes: Int, _ call: ServerCall) { log.add("\(name) sent \(messageBytes)") }

    func around(_ call: ServerCall, _ handler: () async throws -> Void) async throws {
        log.add("\(name) before")
        defer { log.add("\(name) after") }
        try await handler()
    }
}

private final class ClientRecorder: ClientMessageInterceptor {
    private let name: String
    private let log: EventLog

    init(_ name: String, _ log: EventLog) {
        self.name = name
        self.log = log
    }

    func started(_ call: ClientCall, _ metadata: inout Metadata) {
        log.add("\(name) started \(call.path)")
    }

    func ended(_ call: ClientCall, _ status: GRPCStatus) {
        let traffic = call.traffic
        log.add("\(name) ended \(status.code) \(traffic.sentBytes) \(traffic.receivedBytes)")
    }

    func sent(messageBytes: Int, _ call: ClientCall) { log.add("\(name) sent \(messageBytes)") }
    func received(messageBytes: Int, _ call: ClientCall) {
        log.add("\(name) received \(messageBytes)")
    }
}

private struct UnexpectedError: Error {}

private final class Refusing: ServerInterceptor {
    private let error: any Error

    init(_ error: any Error) {
        self.error = error
    }

    func started(_ call: ServerCall) throws { throw error }
}

private final class Marking: ServerInterceptor {
    func started(_ call: ServerCall) {
        call.initialMetadata.add("x-initial-mark", call.path)
        call.trailers.add("x-early", "1")
    }

    func ended(_ call: ServerCall, _ status: GRPCStatus) {
        call.trailers.add("x-late", "\(status.code)")
    }
}

private final class Attaching: ServerInterceptor {
    struct User: Sendable {
        let name: String
    }

    func started(_ call: ServerCall) {
        guard let name = call.metadata.texts("x-user").first else { return }
        call.attachments[User.self] = User(name: name)
    }
}

private final class Translating: ServerHandlerInterceptor {
    func started(_ call: ServerCall) {}

    func around(_ call: ServerCall, _ handler: () async throws -> Void) async throws {
        do {
            try await handler()
        } catch {
            throw GRPCError(.aborted, "translated")
        }
    }
}

private final class Guarding: ClientInterceptor {
    func started(_ call: ClientCall, _ metadata: inout Metadata) throws {
        guard call.path.hasPrefix("/test.") else {
            throw GRPCError(.permissionDenied, "not from here")
        }
        metadata.add("x-text", "guarded")
    }
}
