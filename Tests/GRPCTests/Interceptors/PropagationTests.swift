import GRPC
import NIOCore
import Testing

/// What a server call hands on to the calls that are made while it is served.
@Suite(.timeLimit(.minutes(10)))
struct PropagationTests {
    /// What each server of a chain saw of the call that reached it.
    private struct Sighting: Sendable {
        let server: String
        let context: CallContext?
        /// The request's `grpc-timeout`, read, and its trace headers.
        let timeout: String?
        let traceparent: String?
        let tracestate: String?

        init(_ server: String, _ call: ServerCall) {
            self.server = server
            self.context = CallContext.current
            var headers: [String: String] = [:]
            call.forEachHeader { name, value in
                headers[String(decoding: name, as: UTF8.self)] = String(
                    decoding: value,
                    as: UTF8.self
                )
            }
            self.timeout = headers["grpc-timeout"]
            self.traceparent = headers["traceparent"]
            self.tracestate = headers["tracestate"]
        }

        /// In microseconds, the unit that timeouts from a tenth of a second to 99 seconds have.
        var microseconds: Int? {
            guard let timeout, timeout.hasSuffix("u") else { return nil }
            return Int(timeout.dropLast())
        }
    }

    /// Three servers: A's method calls B, B's calls C, and C runs `last`.
    private func withChain(
        tracing: Tracing? = nil,
        timeoutOfB: Duration? = nil,
        last: @escaping @Sendable (ServerCall) async throws -> Void = { _ in },
        _ body: (GRPCClient, Mailbox<Sighting>) async throws -> Void
    ) async throws {
        let sightings = Mailbox<Sighting>()
        var server = GRPCServerConfiguration.testing
        var client = GRPCClientConfiguration.testing
        if let tracing {
            server.interceptors = [tracing]
            client.interceptors = [tracing]
        }
        func run(
            _ name: String,
            _ handler: @escaping @Sendable (ServerCall) async throws -> Void,
            _ client: GRPCClientConfiguration,
            _ body: (Loopback) async throws -> Void
        ) async throws {
            try await Loopback.run(
                server: server,
                client: client,
                methods: { methods in
                    methods.unary("test.Chain", name) { (request: Text, call) in
                        sightings.send(Sighting(name, call))
                        try await handler(call)
                        return request
                    }
                },
                body: body
            )
        }
        try await run("C", last, client) { c in
            let toC: @Sendable (ServerCall) async throws -> Void = { _ in
                let _: Text = try await c.client.unary(
                    "/test.Chain/C",
                    Text("x"),
                    timeout: timeoutOfB
                )
            }
            try await run("B", toC, client) { b in
                let toB: @Sendable (ServerCall) async throws -> Void = { _ in
                    let _: Text = try await b.client.unary("/test.Chain/B", Text("x"))
                }
                // The outermost client is the test's and does not trace.
                try await run("A", toB, .testing) { a in try await body(a.client, sightings) }
            }
        }
    }

    private func call(
        _ client: GRPCClient,
        _ headers: [(String, String)] = [],
        timeout: Duration? = nil
    ) async throws {
        var metadata = Metadata()
        for (name, value) in headers { metadata.add(name, value) }
        let _: Text = try await client.unary(
            "/test.Chain/A",
            Text("x"),
            metadata: metadata,
            timeout: timeout
        )
    }

    private func next(_ sightings: Mailbox<Sighting>) async throws -> Sighting {
        try #require(await sightings.next())
    }

    // MARK: - Deadlines

    @Test func `a deadline shrinks from call to call`() async throws {
        try await withChain { client, sightings in
            try await call(client, timeout: .seconds(90))
            let a = try await next(sightings)
            let b = try await next(sightings)
            let c = try await next(sightings)
            let times = [90_000_000, a.microseconds, b.microseconds, c.microseconds]
            #expect([a.server, b.server, c.server] == ["A", "B", "C"])
            #expect(times.allSatisfy { $0 != nil })
            #expect(times.compactMap { $0 } == times.compactMap { $0 }.sorted(by: >))
            #expect(c.context?.deadline != nil && c.context?.trace == nil)
        }
    }

    @Test func `a timeout of a call's own shortens the deadline and never lengthens it`()
        async throws
    {
        for (own, expected) in [(60, 60), (95, 80)] {
            try await withChain(timeoutOfB: .seconds(own)) { client, sightings in
                try await call(client, timeout: .seconds(80))
                _ = try await next(sightings)
                let b = try #require(try await next(sightings).microseconds)
                let c = try #require(try await next(sightings).microseconds)
                #expect(b > 60_000_000)
                #expect(c <= expected * 1_000_000 && c < b)
            }
        }
    }

    @Test func `a call without a deadline hands none on and binds nothing`() async throws {
        try await withChain { client, sightings in
            try await call(client)
            for _ in 0..<3 {
                let sighting = try await next(sightings)
                #expect(sighting.timeout == nil && sighting.context == nil)
            }
        }
    }

    @Test func `a client can be told to inherit no deadline`() async throws {
        var configuration = GRPCClientConfiguration.testing
        configuration.inheritsDeadlines = false
        let context = CallContext(deadline: .now() + .seconds(90))
        try await Loopback.run(
            client: configuration,
            methods: { methods in
                methods.unary("test.Chain", "A") { (_: Text, call) in
                    Text(call.deadline == nil ? "none" : "some")
                }
            },
            body: { loopback in
                let answer: Text = try await CallContext.$current.withValue(context) {
                    try await loopback.client.unary("/test.Chain/A", Text())
                }
                #expect(answer.value == "none")
            }
        )
    }

    @Test func `an inherited deadline that has passed fails the call at once`() async throws {
        let context = CallContext(deadline: .now() - .nanoseconds(1))
        try await Loopback.run(
            methods: { EchoMethods.register(in: &$0) },
            body: { loopback in
                let error = await grpcError {
                    try await CallContext.$current.withValue(context) {
                        _ = try await loopback.client.open("/test.Echo/Unary")
                    }
                }
                #expect(error?.code == .deadlineExceeded)
                #expect(loopback.server.counters["grpc_calls_started"] == 0)
            }
        )
    }

    @Test func `the deadline of the first call ends the last one`() async throws {
        let ended = Mailbox<Void>()
        try await withChain { _ in
            defer { ended.send(()) }
            try await waitForCancellation()
        } _: { client, sightings in
            // Without a deadline the call would hang: only the one of the first call is there.
            let error = await grpcError { try await call(client, timeout: .milliseconds(800)) }
            #expect(error?.code == .deadlineExceeded)
            // On a slow machine the deadline may pass before the last call begins.
            var last: Sighting?
            for _ in 0..<3 where last?.server != "C" { last = await sightings.next() }
            await ended.next()
        }
    }

    @Test func `a cancellation of the first call reaches the last one`() async throws {
        let ended = Mailbox<Void>()
        try await withChain { _ in
            defer { ended.send(()) }
            try await waitForCancellation()
        } _: { client, sightings in
            let first = Task { try await call(client) }
            for _ in 0..<3 { _ = try await next(sightings) }
            first.cancel()
            await ended.next()
            let error = await grpcError { try await first.value }
            #expect(error?.code == .cancelled)
        }
    }

    // MARK: - Traces

    private static let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"

    private func tracing(_ sink: SpanBuffer, _ sampling: Tracing.Sampling = .all) -> Tracing {
        Tracing(sampling: sampling, sink: sink, seed: 5, unixNanoseconds: { 1_000_000_000_000 })
    }

    @Test func `a trace goes through the chain with a span for each side of each call`()
        async throws
    {
        let sink = SpanBuffer()
        try await withChain(tracing: tracing(sink)) { client, sightings in
            try await call(
                client,
                [("traceparent", "\(Self.parent)-01"), ("tracestate", "a=1, b@c=2")]
            )
            for _ in 0..<2 { _ = try await next(sightings) }
            let last = try await next(sightings)
            let spans = sink.take()
            // In the order in which they end: from the last server to the first.
            #expect(spans.map(\.name) == ["C", "C", "B", "B", "A"].map { "test.Chain/\($0)" })
            #expect(spans.map(\.kind) == [.server, .client, .server, .client, .server])
            #expect(Set(spans.map(\.context.traceID)).count == 1)
            #expect(Set(spans.map(\.context.spanID)).count == 5)
            #expect(spans.dropLast().map(\.parent) == spans.dropFirst().map(\.context.spanID))
            #expect(spans.last?.parent == TraceContext.SpanID(0x00f0_67aa_0ba9_02b7))
            #expect(spans.allSatisfy { $0.status == .ok && $0.duration > .zero })
            #expect(spans.allSatisfy { $0.startUnixNanoseconds < 1_000_000_000_000 })
            #expect(last.traceparent == spans[1].context.parent)
            #expect(last.traceparent?.hasPrefix("00-4bf92f3577b34da6a3ce929d0e0e4736-") == true)
            #expect(last.tracestate == "a=1,b@c=2")
            #expect(last.context?.trace == spans[0].context)
        }
    }

    @Test func `a trace that is not sampled goes on without spans`() async throws {
        let sink = SpanBuffer()
        try await withChain(tracing: tracing(sink)) { client, sightings in
            try await call(client, [("traceparent", "\(Self.parent)-00")])
            for _ in 0..<2 { _ = try await next(sightings) }
            let last = try await next(sightings)
            #expect(last.traceparent?.hasPrefix("00-4bf92f3577b34da6a3ce929d0e0e4736-") == true)
            #expect(last.traceparent?.hasSuffix("-00") == true)
            #expect(sink.take().isEmpty)
        }
    }

    @Test(arguments: [
        [], [("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7")],
        [("traceparent", "\(parent)-01"), ("traceparent", "\(parent)-01")],
        [("tracestate", "a=1")],
    ])
    func `without one valid traceparent a new trace begins`(
        headers: [(String, String)]
    )
        async throws
    {
        let sink = SpanBuffer()
        try await withChain(tracing: tracing(sink)) { client, sightings in
            try await call(client, headers)
            for _ in 0..<2 { _ = try await next(sightings) }
            let last = try await next(sightings)
            let spans = sink.take()
            #expect(last.traceparent?.contains("4bf92f3577b34da6") == false)
            #expect(last.tracestate == nil)
            #expect(spans.count == 5 && spans.last?.parent == nil)
            #expect(Set(spans.map(\.context.traceID)).count == 1)
        }
    }

    @Test func `a malformed tracestate leaves the trace and goes`() async throws {
        try await withChain(tracing: tracing(SpanBuffer())) { client, sightings in
            try await call(client, [("traceparent", "\(Self.parent)-01"), ("tracestate", "A=1")])
            for _ in 0..<2 { _ = try await next(sightings) }
            let last = try await next(sightings)
            #expect(last.traceparent?.hasPrefix("00-4bf92f3577b34da6a3ce929d0e0e4736-") == true)
            #expect(last.tracestate == nil)
        }
    }

    @Test func `of new traces as many are sampled as the setting says`() async throws {
        let sink = SpanBuffer()
        try await withChain(tracing: tracing(sink, .none)) { client, sightings in
            try await call(client)
            #expect(sink.take().isEmpty)
            #expect(try await next(sightings).context?.trace?.isSampled == false)
        }
        try await withChain(tracing: tracing(sink, .oneIn(4))) { client, _ in
            for _ in 0..<200 { try await call(client) }
            // The ids follow from the seed, so the number is always the same.
            let sampled = sink.take().count / 5
            #expect((30...70).contains(sampled))
        }
    }

    @Test func `metadata that has a traceparent keeps it`() async throws {
        var configuration = GRPCClientConfiguration.testing
        let sink = SpanBuffer()
        configuration.interceptors = [tracing(sink)]
        let parent = "\(Self.parent)-01"
        try await Loopback.run(
            client: configuration,
            methods: { methods in
                methods.unary("test.Chain", "A") { (_: Text, call) in
                    Text(call.metadata.texts("traceparent").joined(separator: ","))
                }
            },
            body: { loopback in
                var metadata = Metadata()
                metadata.add("traceparent", parent)
                let answer: Text = try await loopback.client.unary(
                    "/test.Chain/A",
                    Text(),
                    metadata: metadata
                )
                #expect(answer.value == parent)
                #expect(sink.take().isEmpty)
            }
        )
    }

    @Test func `an inline handler finds the context on its call`() async throws {
        var configuration = GRPCServerConfiguration.testing
        configuration.interceptors = [tracing(SpanBuffer())]
        try await Loopback.run(
            server: configuration,
            methods: { methods in
                methods.inlineUnary("test.Chain", "A") { (_: Text, call) in
                    let found = call.context.deadline != nil && CallContext.current == nil
                    return Text(found ? call.context.trace?.parent ?? "" : "wrong")
                }
            },
            body: { loopback in
                var metadata = Metadata()
                metadata.add("traceparent", "\(Self.parent)-01")
                let answer: Text = try await loopback.client.unary(
                    "/test.Chain/A",
                    Text(),
                    metadata: metadata,
                    timeout: .seconds(90)
                )
                #expect(answer.value.hasPrefix("00-4bf92f3577b34da6a3ce929d0e0e4736-"))
                #expect(!answer.value.hasPrefix(Self.parent))
            }
        )
    }
}
