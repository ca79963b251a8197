import GRPC
import NIOCore
import Primitives
import Testing

/// Metrics of a real server and a real client, against what is known to have happened.
@Suite(.timeLimit(.minutes(10)))
struct CallMetricsLoopbackTests {
    private static let seed: UInt64 = 20_240_607

    private enum Outcome: CaseIterable {
        case ok, error, crash, unknownMethod, cancelled, late

        var code: GRPCStatusCode {
            switch self {
            case .ok: .ok
            case .error: .failedPrecondition
            case .crash: .internal
            case .unknownMethod: .unimplemented
            case .cancelled: .cancelled
            case .late: .deadlineExceeded
            }
        }
    }

    private static func methods(_ methods: inout MethodTable) {
        EchoMethods.register(in: &methods)
        methods.add(
            "test.Echo",
            "Wait",
            .streaming { call in
                try await call.write(GRPCFrame(bytes: [1]))
                try await waitForCancellation()
            }
        )
    }

    private static func make(_ outcome: Outcome, _ client: GRPCClient) async throws {
        func unary(_ method: String) async throws {
            let _: Text = try await client.unary("/test.Echo/\(method)", Text("hello"))
        }
        switch outcome {
        case .ok: try await unary("Unary")
        case .error: try await unary("Fail")
        case .crash: try await unary("Crash")
        case .unknownMethod: try await unary("Nothing")
        case .cancelled:
            let call = try await client.open("/test.Echo/Wait")
            _ = try await call.next()
            call.cancel()
            _ = try await call.next()
        case .late:
            let call = try await client.open("/test.Echo/Wait", timeout: .milliseconds(50))
            while try await call.next() != nil {}
        }
    }

    @Test func `counters add up to the calls that were made`() async throws {
        let serverMetrics = CallMetrics(.server)
        let clientMetrics = CallMetrics(.client)
        var server = GRPCServerConfiguration.testing
        server.interceptors = [serverMetrics]
        var client = GRPCClientConfiguration.testing
        client.interceptors = [clientMetrics]
        var planned: [GRPCStatusCode: UInt64] = [:]
        var plans: [[Outcome]] = []
        var random = SeededRandom(seed: Self.seed)
        for _ in 0..<20 {
            let plan = (0..<40).map { _ in Outcome.allCases.randomElement(using: &random) ?? .ok }
            for outcome in plan { planned[outcome.code, default: 0] += 1 }
            plans.append(plan)
        }
        var counters: [String: UInt64] = [:]
        try await Loopback.run(server: server, client: client, methods: Self.methods) { loopback in
            await withDiscardingTaskGroup { group in
                for plan in plans {
                    group.addTask {
                        for outcome in plan {
                            let error = await grpcError {
                                try await Self.make(outcome, loopback.client)
                            }
                            #expect((error?.code ?? .ok) == outcome.code, "seed \(Self.seed)")
                        }
                    }
                }
            }
            counters = loopback.server.counters
        }
        // With the connections closed, every call has ended on both sides.
        let made = clientMetrics.snapshot
        let served = serverMetrics.snapshot
        #expect(made.codes == planned)
        #expect(made.started == 800 && made.inFlight == 0 && served.inFlight == 0)
        for code in [.ok, .failedPrecondition, .internal, .unimplemented] as [GRPCStatusCode] {
            #expect(served.codes[code] == planned[code])
        }
        // A call that is given up at once may not leave the client; the server ends those that do
        // as cancelled or, by its own timer, as late.
        #expect(served.started <= 800 && served.started == counters["grpc_calls_started"])
        #expect(served.codes[.cancelled, default: 0] >= planned[.cancelled, default: 0])
        #expect(served["other"]?.started == planned[.unimplemented])
        #expect(served["other"]?.outcomes.map(\.code) == [.unimplemented])
        let ok = try #require(made["test.Echo/Unary"]?.outcomes.first)
        let okServed = try #require(served["test.Echo/Unary"]?.outcomes.first)
        #expect(ok.sentBytes == okServed.receivedBytes && ok.sentBytes.sum == 7 * ok.count)
        #expect(ok.receivedBytes == okServed.sentBytes && ok.receivedBytes.sum == 12 * ok.count)
        #expect(ok.sentMessages == ok.count && okServed.sentMessages == ok.count)
        #expect(ok.receivedMessages == ok.count && okServed.receivedMessages == ok.count)
        #expect(ok.duration.count == ok.count && ok.duration.sum > okServed.duration.sum)
    }

    @Test func `a call that is served is in flight`() async throws {
        let metrics = CallMetrics(.server)
        var server = GRPCServerConfiguration.testing
        server.interceptors = [metrics]
        try await Loopback.run(server: server, methods: Self.methods) { loopback in
            let call = try await loopback.client.open("/test.Echo/Wait")
            _ = try await call.next()
            let during = metrics.snapshot["test.Echo/Wait"]
            #expect(during?.started == 1 && during?.inFlight == 1 && during?.ended == 0)
        }
        let after = try #require(metrics.snapshot["test.Echo/Wait"])
        #expect(after.inFlight == 0 && after.outcomes.map(\.code) == [.cancelled])
    }

    @Test func `methods over a client's maximum are counted together`() async throws {
        var limits = CallMetrics.Limits()
        limits.maximumMethods = 2
        let metrics = CallMetrics(.client, limits: limits)
        var client = GRPCClientConfiguration.testing
        client.interceptors = [metrics]
        try await Loopback.run(client: client, methods: Self.methods) { loopback in
            for method in ["Unary", "Inline", "Fail", "Crash", "Unary"] {
                let _: Text? = try? await loopback.client.unary("/test.Echo/\(method)", Text("x"))
            }
        }
        let snapshot = metrics.snapshot
        #expect(snapshot.methods.map(\.name) == ["other", "test.Echo/Inline", "test.Echo/Unary"])
        #expect(snapshot.methods.map(\.started) == [2, 1, 2])
        #expect(snapshot["other"]?.outcomes.map(\.code) == [.failedPrecondition, .internal])
    }

    @Test func `methods over a server's maximum are counted together`() async throws {
        var limits = CallMetrics.Limits()
        limits.maximumMethods = 2
        let metrics = CallMetrics(.server, limits: limits)
        var server = GRPCServerConfiguration.testing
        server.interceptors = [metrics]
        try await Loopback.run(server: server, methods: Self.methods) { loopback in
            for method in ["Unary", "Inline", "Fail", "Nothing"] {
                let _: Text? = try? await loopback.client.unary("/test.Echo/\(method)", Text("x"))
            }
        }
        #expect(metrics.snapshot["other"]?.started == 2)
        #expect(metrics.snapshot.started == 4)
    }
}

extension CallMetricsSnapshot {
    fileprivate var codes: [GRPCStatusCode: UInt64] {
        methods.flatMap(\.outcomes).reduce(into: [:]) { $0[$1.code, default: 0] += $1.count }
    }

    fileprivate var started: UInt64 { methods.reduce(0) { $0 + $1.started } }
    fileprivate var inFlight: UInt64 { methods.reduce(0) { $0 + $1.inFlight } }
}
