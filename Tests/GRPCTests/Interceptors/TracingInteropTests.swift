import GRPC
import Testing

/// Interceptors as grpcio sees them.
@Suite(.timeLimit(.minutes(10)))
struct TracingInteropTests {
    @Test func `grpcio sends a trace and sees what interceptors add and refuse`() async throws {
        let sink = SpanBuffer()
        var configuration = GRPCServerConfiguration.testing
        configuration.interceptors = [Tracing(sink: sink, seed: 1), Answering()]
        try await Loopback.run(
            server: configuration,
            methods: { EchoMethods.register(in: &$0) },
            body: { loopback in
                let client = try PythonProcess(
                    "grpcio_tracing_client.py",
                    ["\(loopback.address)"]
                )
                var lines: [String] = []
                while let line = await client.lines.next() { lines.append(line) }
                let spans = sink.take()
                try #require(spans.count == 3)
                #expect(
                    lines == [
                        "OK \(spans[0].context.parent);a=1,b=2 None",
                        "OK \(spans[1].context.parent); None",
                        "PERMISSION_DENIED \(spans[2].context.parent); yes",
                    ]
                )
                let first = spans[0].context.parent
                #expect(first.hasPrefix("00-4bf92f3577b34da6a3ce929d0e0e4736-"))
                #expect(first.hasSuffix("-01"))
                #expect(spans[0].parent == TraceContext.SpanID(0x00f0_67aa_0ba9_02b7))
                // Upper case is malformed: a trace of its own.
                #expect(spans[1].context.traceID != spans[0].context.traceID)
                #expect(spans[1].parent == nil)
                #expect(spans.map(\.status) == [.ok, .ok, .permissionDenied])
            }
        )
    }
}

/// Says in a trailer what the trace is, and refuses some.
private final class Answering: ServerInterceptor {
    func started(_ call: ServerCall) throws {
        if let trace = call.context.trace {
            call.trailers.add("x-trace", "\(trace.parent);\(trace.state.text)")
        }
        guard let banned = call.metadata.texts("x-banned").first else { return }
        var metadata = Metadata()
        metadata.add("x-refused", banned)
        throw GRPCError(.permissionDenied, "banned", metadata: metadata)
    }
}
