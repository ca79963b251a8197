import EnvoyAPI
import GRPC
import Loads
import NIOCore
import Primitives
import SwiftProtobuf

/// Reads requests of `StreamLoadStats`.
///
/// Envoy sends its node, 61 kB of extension names, with every report. Only the first one's is of interest, so in
/// all others its field is stepped over: that costs as much as its tag and its length.
enum LoadReportDecoder {
    private static let options: BinaryDecodingOptions = {
        var options = BinaryDecodingOptions()
        options.discardUnknownFields = true
        return options
    }()

    /// Who reports; the report that may come with it covers a time that nobody asked for.
    static func node(of request: MessageBytes) throws -> Envoy_Config_Core_V3_Node? {
        let request = try Envoy_Service_LoadStats_V3_LoadStatsRequest(
            grpcMessage: request,
            options: options
        )
        return request.hasNode ? request.node : nil
    }

    /// - Parameter known: the clusters that the control plane has.
    static func report(in request: MessageBytes, known: Set<String>) throws -> LoadReport {
        var report = LoadReport()
        for bytes in try contents(ofField: 2, in: request) {
            let wire = try Envoy_Config_Endpoint_V3_ClusterStats(
                grpcMessage: bytes,
                options: options
            )
            report.clusters.append(ClusterReport(wire, isKnown: known.contains(wire.clusterName)))
        }
        return report
    }

    /// Each shares the message's storage.
    private static func contents(
        ofField number: UInt64,
        in message: MessageBytes
    ) throws(GRPCError) -> [MessageBytes] {
        do {
            return try message.withUnsafeReadableBytes { bytes in
                var fields = ProtobufFields(bytes)
                var contents: [MessageBytes] = []
                while let field = try fields.next() {
                    guard field.number == number, let range = field.content,
                        let content = message.getSlice(
                            at: message.readerIndex + range.lowerBound,
                            length: range.count
                        )
                    else { continue }
                    contents.append(content)
                }
                return contents
            }
        } catch {
            let name = Envoy_Service_LoadStats_V3_LoadStatsRequest.protoMessageName
            throw GRPCError(.invalidArgument, "the message is not a valid \(name)")
        }
    }
}

// MARK: - The words of the protocol

extension ClusterReport {
    fileprivate init(_ wire: Envoy_Config_Endpoint_V3_ClusterStats, isKnown: Bool) {
        self.init(
            name: wire.clusterName,
            interval: wire.hasLoadReportInterval ? Duration(wire.loadReportInterval) : .zero,
            isKnown: isKnown,
            localities: wire.upstreamLocalityStats.map { LocalityReport($0) },
            dropped: wire.totalDroppedRequests,
            droppedByCategory: wire.droppedRequests.map {
                DropReport(category: $0.category, count: $0.droppedCount)
            }
        )
    }
}

extension LocalityReport {
    fileprivate init(_ wire: Envoy_Config_Endpoint_V3_UpstreamLocalityStats) {
        let counts = RequestCounts(
            issued: wire.totalIssuedRequests,
            succeeded: wire.totalSuccessfulRequests,
            failed: wire.totalErrorRequests
        )
        var metrics = wire.loadMetricStats.map { MetricSample($0) }
        let utilizations = [
            ("cpu_utilization", wire.hasCpuUtilization, wire.cpuUtilization),
            ("mem_utilization", wire.hasMemUtilization, wire.memUtilization),
            (
                "application_utilization", wire.hasApplicationUtilization,
                wire.applicationUtilization
            ),
        ]
        for (name, isThere, sum) in utilizations where isThere {
            metrics.append(
                MetricSample(
                    name: name,
                    requests: sum.numRequestsFinishedWithMetric,
                    total: sum.totalMetricValue
                )
            )
        }
        self.init(
            LoadLocality(
                Locality(
                    region: RegionName(wire.locality.region),
                    zone: ZoneName(wire.locality.zone),
                    subZone: wire.locality.subZone
                ),
                priority: wire.priority
            ),
            LoadSample(counts, inFlight: wire.totalRequestsInProgress, metrics: metrics),
            endpoints: wire.upstreamEndpointStats.map { EndpointReport($0) }
        )
    }
}

extension EndpointReport {
    fileprivate init(_ wire: Envoy_Config_Endpoint_V3_UpstreamEndpointStats) {
        let socket = wire.address.socketAddress
        self.init(
            // What is no port makes no endpoint: without a host the report leaves it out.
            UInt16(exactly: socket.portValue).map {
                EndpointAddress(host: socket.address, port: $0)
            } ?? EndpointAddress(host: "", port: 0),
            LoadSample(
                RequestCounts(
                    issued: wire.totalIssuedRequests,
                    succeeded: wire.totalSuccessfulRequests,
                    failed: wire.totalErrorRequests
                ),
                inFlight: wire.totalRequestsInProgress,
                metrics: wire.loadMetricStats.map { MetricSample($0) }
            )
        )
    }
}

extension MetricSample {
    fileprivate init(_ wire: Envoy_Config_Endpoint_V3_EndpointLoadMetricStats) {
        self.init(
            name: wire.metricName,
            requests: wire.numRequestsFinishedWithMetric,
            total: wire.totalMetricValue
        )
    }
}

extension Duration {
    /// What is no duration by protobuf's rules is zero.
    fileprivate init(_ wire: Google_Protobuf_Duration) {
        let isSane =
            (-315_576_000_000...315_576_000_000).contains(wire.seconds)
            && abs(Int64(wire.nanos)) < 1_000_000_000
        self = isSane ? .seconds(wire.seconds) + .nanoseconds(Int64(wire.nanos)) : .zero
    }
}
