import CAllocationCounter
import GRPC
import NIOCore
import Testing

/// What metrics, tracing and deadlines add to what the allocator is asked for.
///
/// Server and client share a thread here, so a call counts on both sides; the difference between
/// two runs is what the second one's configuration costs.
@Suite(.timeLimit(.minutes(10)), .enabled(if: allocation_counting_works()))
struct InterceptorAllocationTests {
    private static let calls = 1000

    /// Allocations of server and client for each unary call, in one loop.
    private func allocationsPerCall(
        _ method: String,
        server: [any ServerInterceptor] = [],
        client: [any ClientInterceptor] = [],
        timeout: Duration? = nil
    ) async throws -> Double {
        var configuration = GRPCServerConfiguration.testing
        configuration.interceptors = server
        var clientConfiguration = GRPCClientConfiguration.testing
        clientConfiguration.interceptors = client
        var perCall = 0.0
        try await Loopback.run(
            server: configuration,
            methods: { methods in
                methods.add(
                    "test.Echo",
                    "Inline",
                    .inlineUnary { bytes, _ in GRPCFrame(message: bytes) }
                )
                methods.add("test.Echo", "Async", .unary { bytes, _ in GRPCFrame(message: bytes) })
            },
            body: { loopback in
                let eventLoop = loopback.serverGroup.next()
                let client = GRPCClient(
                    addresses: [loopback.address],
                    configuration: clientConfiguration,
                    eventLoop: eventLoop
                )
                func call(_ times: Int) async throws {
                    for _ in 0..<times {
                        let _: Text = try await client.unary(
                            "/test.Echo/\(method)",
                            Text("hello"),
                            timeout: timeout
                        )
                    }
                }
                func count() async throws -> UInt64 {
                    try await eventLoop.submit { allocation_count_of_this_thread() }.get()
                }
                try await call(200)
                let before = try await count()
                try await call(Self.calls)
                perCall = Double(try await count() - before) / Double(Self.calls)
                await client.close()
            }
        )
        return perCall
    }

    @Test(arguments: ["Inline", "Async"])
    func `metrics on both sides allocate nothing`(method: String) async throws {
        let without = try await allocationsPerCall(method)
        let with = try await allocationsPerCall(
            method,
            server: [CallMetrics(.server)],
            client: [CallMetrics(.client)]
        )
        #expect(without > 1)
        #expect(with <= without + Self.metricsBudget)
    }

    @Test func `a deadline costs an async handler little more than an inline one`() async throws {
        // Both have timers and headers of a timeout; only the async handler gets a task local, for
        // which an optimised build takes two allocations. Timers vary, by one when the machine is busy.
        let inline = try await allocationsPerCall("Inline", timeout: .seconds(90))
        let inlineWithout = try await allocationsPerCall("Inline")
        let with = try await allocationsPerCall("Async", timeout: .seconds(90))
        let without = try await allocationsPerCall("Async")
        #expect(with - without <= inline - inlineWithout + 4.5)
    }

    @Test func `tracing on both sides stays within its budget`() async throws {
        let without = try await allocationsPerCall("Async")
        let tracing = Tracing(sampling: .none, sink: SpanBuffer())
        let with = try await allocationsPerCall("Async", server: [tracing], client: [tracing])
        #expect(with <= without + Self.tracingBudget)
    }

    // Measured and a little headroom. An optimised build takes none for metrics and 8.5 for tracing
    // (the two headers, there and back); without optimisation each generic call has its own.
    #if DEBUG
    private static let metricsBudget = 2.5
    private static let tracingBudget = 260.0
    #else
    private static let metricsBudget = 0.1
    private static let tracingBudget = 9.0
    #endif
}
