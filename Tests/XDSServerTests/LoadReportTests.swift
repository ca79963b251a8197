import CAllocationCounter
import EnvoyAPI
import GRPC
import Loads
import Logging
import NIOCore
import NIOPosix
import Primitives
import SwiftProtobuf
import Testing

@testable import XDSServer

private typealias Request = Envoy_Service_LoadStats_V3_LoadStatsRequest
private typealias Response = Envoy_Service_LoadStats_V3_LoadStatsResponse
private typealias Stats = Envoy_Config_Endpoint_V3_ClusterStats

/// Streams of load reports, over a socket.
@Suite struct LoadReportTests {
    @Test func `a client is asked for all clusters, each endpoint apart`() async throws {
        let configuration = LoadReportConfiguration(interval: .milliseconds(2_500))
        try await LoadReportPair.with(configuration) { pair in
            let stream = try await pair.open()
            try await stream.send { $0.node.id = "one" }
            let response = try await stream.next()
            #expect(response.sendAllClusters)
            #expect(response.clusters == [])
            #expect(response.reportEndpointGranularity)
            #expect(response.loadReportingInterval.seconds == 2)
            #expect(response.loadReportingInterval.nanos == 500_000_000)
        }
    }

    @Test func `several clients report at once, and one that goes takes its share with it`()
        async throws
    {
        try await LoadReportPair.with { pair in
            let streams = [try await pair.begin("a"), try await pair.begin("b")]
            for (stream, inFlight) in zip(streams, [UInt64(2), 3]) {
                try await stream.send { $0.clusterStats = [.sample(inFlight: inFlight)] }
            }
            let load = try await pair.endpoint { $0.load.inFlight == 5 }
            #expect(load.load.counts == RequestCounts(issued: 20, succeeded: 14, failed: 6))
            #expect(load.reporters == 2)
            #expect(load.metrics.map(\.name) == ["utilization"])
            #expect(load.metrics.map(\.sum.mean) == [0.5])
            streams[1].call.cancel()
            let left = try await pair.endpoint { $0.load.inFlight == 2 }
            #expect(left.load.counts.issued == 20)
            #expect(left.reporters == 1)
            #expect(pair.service.counters["lrs_streams"] == 1)
            #expect(pair.service.counters["lrs_reports"] == 2)
        }
    }

    @Test func `gRPC's utilizations are metrics of their locality`() async throws {
        try await LoadReportPair.with { pair in
            let stream = try await pair.begin("one")
            try await stream.send {
                $0.clusterStats = [
                    .with {
                        $0.clusterName = "reports"
                        $0.upstreamLocalityStats = [
                            .with {
                                $0.locality.region = "eu"
                                $0.totalIssuedRequests = 4
                                $0.cpuUtilization.numRequestsFinishedWithMetric = 4
                                $0.cpuUtilization.totalMetricValue = 1
                            }
                        ]
                    }
                ]
            }
            let cluster = try await pair.cluster { $0.load.counts.issued == 4 }
            #expect(cluster.localities.map(\.key) == [LoadLocality(Locality(region: "eu"))])
            #expect(cluster.localities[0].metrics.map(\.name) == ["cpu_utilization"])
            #expect(cluster.localities[0].metrics.map(\.sum.mean) == [0.25])
        }
    }

    @Test func `a report in the first request is of a time that nobody asked for`() async throws {
        try await LoadReportPair.with { pair in
            let stream = try await pair.open()
            try await stream.send {
                $0.node.id = "one"
                $0.clusterStats = [.sample(inFlight: 1)]
            }
            _ = try await stream.next()
            try await stream.send { $0.clusterStats = [.sample(inFlight: 2)] }
            let load = try await pair.endpoint { $0.load.inFlight == 2 }
            #expect(load.load.counts.issued == 10)
        }
    }

    @Test(arguments: ["", String(repeating: "n", count: 257)])
    func `a first request without a proper node id is refused`(id: String) async throws {
        try await LoadReportPair.with { pair in
            let stream = try await pair.open()
            try await stream.send { $0.node.id = id }
            let failure = await stream.failure()
            #expect(failure?.code == .invalidArgument)
            #expect(failure?.message.hasPrefix("node.id: expected") == true)
            #expect(pair.service.counters["lrs_violations"] == 1)
        }
    }

    @Test func `more reporters than there may be are refused`() async throws {
        let configuration = LoadReportConfiguration(limits: LoadLimits(maximumReporters: 1))
        try await LoadReportPair.with(configuration) { pair in
            _ = try await pair.begin("one")
            let second = try await pair.open()
            try await second.send { $0.node.id = "two" }
            let failure = await second.failure()
            #expect(failure?.code == .resourceExhausted)
            #expect(failure?.message == "maximumReporters is 1")
        }
    }

    /// A field that is cut off, a field 0, a group, a varint that never ends, and statistics that are none.
    @Test(
        arguments: [
            [0x12, 0x05, 0x01], [0x02, 0x00], [0x0B], Array(repeating: 0xFF, count: 12),
            [0x12, 0x02, 0x0A, 0x7F],
            [0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
        ] as [[UInt8]]
    )
    func `bytes that are no protobuf end their stream alone`(bytes: [UInt8]) async throws {
        try await LoadReportPair.with { pair in
            let other = try await pair.begin("one")
            let stream = try await pair.begin("two")
            try await stream.call.write(GRPCFrame(bytes: bytes))
            let failure = await stream.failure()
            #expect(failure?.code == .invalidArgument)
            try await other.send { $0.clusterStats = [.sample(inFlight: 1)] }
            _ = try await pair.endpoint { $0.load.inFlight == 1 }
        }
    }

    @Test func `garbage in a report is left out and counted, the rest of it counts`() async throws {
        try await LoadReportPair.with { pair in
            let stream = try await pair.begin("one")
            try await stream.send {
                var negative = Stats.sample(inFlight: 1)
                negative.clusterName = "negative"
                negative.totalDroppedRequests = UInt64(bitPattern: -1)
                var port = Stats.sample(inFlight: 0)
                port.upstreamLocalityStats[0].upstreamEndpointStats[0].address.socketAddress
                    .portValue = 70_000
                var nobody = Stats.sample(inFlight: 1)
                nobody.clusterName = "nobody-knows"
                $0.clusterStats = [negative, port, nobody, .sample(inFlight: 1)]
            }
            let load = try await pair.endpoint { $0.load.inFlight == 1 }
            #expect(load.load.counts.issued == 10)
            #expect(pair.service.counters["lrs_entries_malformed"] == 2)
            #expect(pair.service.snapshot().clusters.map(\.name) == ["nobody-knows", "reports"])
            #expect(
                pair.service.snapshot(clusters: ["reports"]).clusters.map(\.name) == ["reports"]
            )
        }
    }
}

/// What a report costs beside its content.
@Suite struct LoadReportDecoderTests {
    /// The node of an Envoy 1.40 has 516 extensions, and 61 kB.
    private static func report(withNode: Bool) throws -> ByteBuffer {
        let stats = Request.with {
            $0.clusterStats = (0..<4).map { _ in Stats.sample(inFlight: 1) }
        }
        var bytes: [UInt8] = []
        if withNode {
            var node: [UInt8] = []
            for number in 0..<516 {
                // Field 9 of Node: an Extension with its name and type, as 119 bytes.
                let name = "envoy.filters.http.extension_\(number)".utf8
                let extensionBytes: [UInt8] =
                    [0x0A, UInt8(name.count)] + name
                    + [0x12, UInt8(115 - name.count)]
                    + Array(repeating: 0x61, count: 115 - name.count)
                node += [0x4A, UInt8(extensionBytes.count)] + extensionBytes
            }
            var length = node.count
            bytes.append(0x0A)
            while length > 0x7F {
                bytes.append(UInt8(length & 0x7F) | 0x80)
                length >>= 7
            }
            bytes += [UInt8(length)] + node
        }
        bytes += try stats.serializedBytes() as [UInt8]
        return ByteBuffer(bytes: bytes)
    }

    @Test func `a node is stepped over`() throws {
        let bare = try LoadReportDecoder.report(in: Self.report(withNode: false), known: [])
        let message = try Self.report(withNode: true)
        let whole = try LoadReportDecoder.report(in: message, known: [])
        #expect(message.readableBytes > 61_000)
        #expect(whole == bare)
        #expect(whole.clusters.count == 4)
    }

    @Test(.enabled(if: allocation_counting_works()))
    func `a node of 61 kB costs no allocation`() throws {
        func allocations(_ message: ByteBuffer) throws -> UInt64 {
            _ = try LoadReportDecoder.report(in: message, known: [])
            let before = allocation_count_of_this_thread()
            let report = try LoadReportDecoder.report(in: message, known: [])
            let after = allocation_count_of_this_thread()
            #expect(report.clusters.count == 4)
            return after - before
        }
        let bare = try allocations(Self.report(withNode: false))
        let whole = try allocations(Self.report(withNode: true))
        #expect(bare > 0)
        #expect(whole == bare)
    }

    @Test func `a node of 61 kB costs no time to speak of`() throws {
        let messages = [
            try Self.report(withNode: false), try Self.report(withNode: true),
        ]
        // The best of many is what neither a busy machine nor the order of turns can spoil.
        var best = [Duration.seconds(60), .seconds(60)]
        for _ in 0..<200 {
            for (index, message) in messages.enumerated() {
                let time = try ContinuousClock().measure {
                    _ = try LoadReportDecoder.report(in: message, known: [])
                }
                best[index] = min(best[index], time)
            }
        }
        // Walking over the node's 516 extensions alone would be several times the rest.
        #expect(best[1] < best[0] * 2)
    }
}

extension Envoy_Config_Endpoint_V3_ClusterStats {
    /// Ten requests to one endpoint, three of which failed.
    fileprivate static func sample(inFlight: UInt64) -> Self {
        .with {
            $0.clusterName = "reports"
            $0.loadReportInterval.seconds = 10
            $0.upstreamLocalityStats = [
                .with {
                    $0.locality.region = "eu"
                    $0.totalIssuedRequests = 10
                    $0.totalSuccessfulRequests = 7
                    $0.totalErrorRequests = 3
                    $0.totalRequestsInProgress = inFlight
                    $0.upstreamEndpointStats = [
                        .with {
                            $0.address.socketAddress.address = "10.0.0.1"
                            $0.address.socketAddress.portValue = 9_001
                            $0.totalIssuedRequests = 10
                            $0.totalSuccessfulRequests = 7
                            $0.totalErrorRequests = 3
                            $0.totalRequestsInProgress = inFlight
                            $0.loadMetricStats = [
                                .with {
                                    $0.metricName = "utilization"
                                    $0.numRequestsFinishedWithMetric = 10
                                    $0.totalMetricValue = 5
                                }
                            ]
                        }
                    ]
                }
            ]
        }
    }
}

/// The service on a free port of the loopback interface, and a client.
private struct LoadReportPair: Sendable {
    let service: LoadReportService
    let client: GRPCClient

    static func with(
        _ configuration: LoadReportConfiguration = LoadReportConfiguration(),
        _ body: (LoadReportPair) async throws -> Void
    ) async throws {
        let silent = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
        let service = try LoadReportService(configuration: configuration, logger: silent) {
            ["reports"]
        }
        var methods = MethodTable()
        service.register(in: &methods)
        try await ServedMethods.with(methods) { client in
            try await body(LoadReportPair(service: service, client: client))
        }
    }

    func open() async throws -> DiscoveryCall<Request, Response> {
        let method = "/envoy.service.load_stats.v3.LoadReportingService/StreamLoadStats"
        return DiscoveryCall(call: try await client.open(method, timeout: .seconds(300)))
    }

    /// A stream that has been asked for reports.
    func begin(_ node: String) async throws -> DiscoveryCall<Request, Response> {
        let stream = try await open()
        try await stream.send { $0.node.id = node }
        _ = try await stream.next()
        return stream
    }

    /// The cluster, as soon as it is so.
    func cluster(when isSo: (ClusterLoad) -> Bool) async throws -> ClusterLoad {
        for _ in 0..<6_000 {
            if let cluster = service.snapshot().cluster(named: "reports"), isSo(cluster) {
                return cluster
            }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw NotReported(snapshot: service.snapshot())
    }

    func endpoint(when isSo: (EndpointLoad) -> Bool) async throws -> EndpointLoad {
        let address = EndpointAddress(host: "10.0.0.1", port: 9_001)
        let cluster = try await cluster { $0.endpoint(at: address).map(isSo) == true }
        return try #require(cluster.endpoint(at: address))
    }
}

private struct NotReported: Error {
    let snapshot: LoadSnapshot
}
