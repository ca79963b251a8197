import Testing

@testable import GRPC

struct LogLinearScaleTests {
    @Test(arguments: [
        LogLinearScale.microseconds, .bytes, LogLinearScale(maximumBits: 3, partBits: 2),
    ])
    func `each bucket begins just over the bound of the one before`(scale: LogLinearScale) throws {
        var lower: UInt64 = 0
        for bucket in 0..<scale.bucketCount - 1 {
            let upper = try #require(scale.upperBound(of: bucket))
            #expect(scale.bucket(of: lower + 1) == bucket)
            #expect(scale.bucket(of: upper) == bucket)
            #expect(scale.bucket(of: upper + 1) == bucket + 1)
            lower = upper
        }
        #expect(scale.upperBound(of: scale.bucketCount - 1) == nil)
    }

    @Test func `the ends of the range of values have a bucket`() {
        let scale = LogLinearScale.microseconds
        #expect(scale.bucket(of: 0) == 0)
        #expect(scale.upperBound(of: scale.bucketCount - 2) == 1 << 27)
        #expect(scale.bucket(of: 1 << 27 + 1) == scale.bucketCount - 1)
        #expect(scale.bucket(of: .max) == scale.bucketCount - 1)
    }

    @Test func `a bucket of the latency scale is a quarter wide at most`() throws {
        let scale = LogLinearScale.microseconds
        for bucket in 4..<scale.bucketCount - 1 {
            let lower = try #require(scale.upperBound(of: bucket - 1))
            let upper = try #require(scale.upperBound(of: bucket))
            #expect(Double(upper - lower) <= Double(lower) / 4)
        }
    }

    @Test func `every power of two is a bound`() {
        for bits in 0...27 {
            let scale = LogLinearScale.microseconds
            #expect(scale.upperBound(of: scale.bucket(of: 1 << bits)) == 1 << bits)
        }
    }

    @Test func `quantiles are the bounds that values don't exceed`() {
        var values = HistogramValues(scale: .microseconds)
        #expect(values.quantile(0.5) == nil)
        for value in 1...1000 as ClosedRange<UInt64> { values.record(value) }
        #expect(values.count == 1000)
        #expect(values.sum == 500_500)
        #expect(values.quantile(0) == 1)
        #expect(values.quantile(0.5) == 512)
        #expect(values.quantile(0.99) == 1024)
        #expect(values.quantile(1) == 1024)
        values.record(.max)
        #expect(values.quantile(1) == 1 << 27)
        #expect(values.count(upTo: 256) == 256)
    }
}

struct CallTalliesTests {
    private func traffic(sent: Int) -> CallTraffic {
        var traffic = CallTraffic()
        traffic.sent(GRPCFrame(bytes: [UInt8](repeating: 0, count: sent)))
        traffic.received(7 + GRPCFrame.prefixBytes, messages: 1)
        return traffic
    }

    @Test func `shards add up and methods keep apart`() throws {
        let tallies = CallTallies(methods: 2, shards: 4)
        for shard in 0..<9 {
            tallies.started(method: 1, shard: shard)
            tallies.ended(
                method: 1,
                shard: shard,
                shard == 8 ? .aborted : .ok,
                microseconds: 100,
                traffic: traffic(sent: 1000)
            )
        }
        tallies.started(method: 1, shard: 3)
        let values = try #require(tallies.values(of: 1))
        let ok = try #require(values.outcomes[0])
        #expect(tallies.values(of: 0) == nil)
        #expect(values.started == 10)
        #expect(values.outcomes.keys.sorted() == [0, 10])
        #expect(ok.duration.count == 8)
        #expect(ok.duration.sum == 800)
        #expect(ok.sentMessages == 8 && ok.receivedMessages == 8)
        #expect(ok.sentBytes.sum == 8000 && ok.receivedBytes.sum == 56)
    }

    @Test func `a code outside of the standard counts as unknown`() throws {
        let tallies = CallTallies(methods: 1, shards: 1)
        for code in [-1, 17, .max] {
            tallies.ended(
                method: 0,
                shard: 0,
                GRPCStatusCode(rawValue: code),
                microseconds: 1,
                traffic: CallTraffic()
            )
        }
        let values = try #require(tallies.values(of: 0))
        #expect(values.outcomes.keys.sorted() == [2])
        #expect(values.outcomes[2]?.duration.count == 3)
    }

    @Test func `threads that use the same counters lose nothing`() async throws {
        let tallies = CallTallies(methods: 3, shards: 2)
        await withDiscardingTaskGroup { group in
            for task in 0..<8 {
                group.addTask {
                    for call in 0..<5000 {
                        tallies.started(method: call % 3, shard: task)
                        tallies.ended(
                            method: call % 3,
                            shard: task,
                            GRPCStatusCode(rawValue: call % 17),
                            microseconds: UInt64(call),
                            traffic: CallTraffic()
                        )
                    }
                }
            }
        }
        let all = (0..<3).compactMap { tallies.values(of: $0) }
        let ended = all.flatMap { $0.outcomes.values }.reduce(0) { $0 + $1.duration.count }
        #expect(all.reduce(0) { $0 + $1.started } == 40_000)
        #expect(ended == 40_000)
    }
}

struct MethodNamesTests {
    @Test func `names get numbers in order and keep them up to the maximum`() {
        let names = MethodNames(maximum: 100)
        let first = (0..<100).map { names.number(of: "/test.Service/\($0)") }
        let over = names.number(of: "/test.Service/100")
        let again = (0..<100).map { names.number(of: "/test.Service/\($0)") }
        #expect(first == Array(0..<100))
        #expect(again == first)
        #expect(over == nil)
        #expect(names.all.count == 100)
    }

    @Test func `threads that add the same names agree on their numbers`() async {
        let names = MethodNames(maximum: 500)
        let found = await withTaskGroup(of: [Int?].self) { group in
            for task in 0..<8 {
                group.addTask {
                    var numbers = [Int?](repeating: nil, count: 500)
                    for step in 0..<500 {
                        let name = (step * 7 + task * 61) % 500
                        numbers[name] = names.number(of: "name \(name)")
                    }
                    return numbers
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(Set(found).count == 1)
        #expect(Set(found[0].compactMap { $0 }) == Set(0..<500))
    }
}

struct PrometheusTextTests {
    private func snapshot(_ side: CallMetricsSide) -> CallMetricsSnapshot {
        var outcome = OutcomeValues()
        for microseconds in [10, 16, 17, 1_500_000, 200_000_000] as [UInt64] {
            outcome.duration.record(microseconds)
            outcome.sentBytes.record(2048)
            outcome.receivedBytes.record(microseconds)
        }
        outcome.sentMessages = 9
        outcome.receivedMessages = 5
        let values = MethodValues(started: 7, outcomes: [0: outcome, 14: outcome])
        return CallMetricsSnapshot(
            side: side,
            methods: [CallMetricsSnapshot.Method(name: "a.\"B\"\\/C\n", values)]
        )
    }

    private static let method = #"grpc_method="a.\"B\"\\/C\n""#

    @Test func `bounds are inclusive and cumulative`() {
        let lines = snapshot(.server).prometheusText().split(separator: "\n").map(String.init)
        func value(_ name: String, _ bound: String) -> String? {
            let start = "\(name)_bucket{\(Self.method),grpc_status=\"OK\",le=\"\(bound)\"} "
            return lines.first { $0.hasPrefix(start) }.map { String($0.dropFirst(start.count)) }
        }
        let duration = "grpc_server_call_duration_seconds"
        let sent = "grpc_server_call_sent_total_compressed_message_size_bytes"
        #expect(value(duration, "0.000016") == "2")
        #expect(value(duration, "0.000032") == "3")
        #expect(value(duration, "2.097152") == "4")
        #expect(value(duration, "134.217728") == "4")
        #expect(value(duration, "+Inf") == "5")
        #expect(value(sent, "1024") == "0")
        #expect(value(sent, "2048") == "5")
        #expect(
            lines.contains("\(duration)_sum{\(Self.method),grpc_status=\"OK\"} 201.500043")
        )
        #expect(lines.contains("\(duration)_count{\(Self.method),grpc_status=\"UNAVAILABLE\"} 5"))
        #expect(lines.contains("grpc_server_call_started_total{\(Self.method)} 7"))
        // More ends than starts can be seen while calls go on; less than none is never said.
        #expect(lines.contains("grpc_server_calls_in_flight{\(Self.method)} 0"))
        #expect(lines.contains("grpc_server_msg_sent_total{\(Self.method),grpc_status=\"OK\"} 9"))
    }

    @Test func `a client's attempts have their own names and say the target`() {
        let text = snapshot(.client).prometheusText(target: "dns:///a\"b")
        let start = "grpc_client_attempt_started_total{\(Self.method),grpc_target="
        #expect(text.contains(start + #""dns:///a\"b"} 7"#))
        #expect(!text.contains("grpc_server"))
    }

    @Test func `each family is described once and bounded in lines`() {
        let text = snapshot(.server).prometheusText()
        let types = text.split(separator: "\n").filter { $0.hasPrefix("# TYPE ") }
        #expect(types.count == 7)
        #expect(Set(types).count == 7)
        #expect(text.hasSuffix("\n"))
    }
}

struct SpanBufferTests {
    private func span(_ number: Int) throws -> Span {
        Span(
            context: TraceContext(
                traceID: try #require(TraceContext.TraceID(high: 0, low: 1)),
                spanID: try #require(TraceContext.SpanID(UInt64(number + 1))),
                isSampled: true
            ),
            parent: nil,
            kind: .server,
            name: "\(number)",
            startUnixNanoseconds: 0,
            duration: .zero,
            status: .ok
        )
    }

    @Test func `a full buffer drops and counts, and room comes with taking`() throws {
        let buffer = SpanBuffer(maximumSpans: 3)
        for number in 0..<5 { buffer.record(try span(number)) }
        let some = buffer.take(atMost: 2).map(\.name)
        buffer.record(try span(5))
        let rest = buffer.take().map(\.name)
        #expect(some == ["0", "1"])
        #expect(rest == ["2", "5"])
        #expect(buffer.dropped == 2)
        #expect(buffer.take().isEmpty)
    }
}

struct CallDeadlineTests {
    @Test func `the earlier of the own and the inherited deadline holds`() throws {
        let soon = CallDeadline(timeout: .seconds(10)).time
        let own = try #require(CallDeadline(timeout: .seconds(5), inherited: soon))
        let inherited = try #require(CallDeadline(timeout: .seconds(50), inherited: soon))
        let only = try #require(CallDeadline(timeout: nil, inherited: soon))
        #expect(own.time < soon)
        #expect(own.error.message == "the deadline of 5.0 seconds passed")
        #expect(inherited.time == soon && only.time == soon)
        #expect(inherited.error.code == .deadlineExceeded)
        #expect(CallDeadline(timeout: nil, inherited: nil) == nil)
    }
}
