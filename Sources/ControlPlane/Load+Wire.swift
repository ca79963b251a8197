import GRPC
import Loads
import MeridianAPI
import Primitives
import XDSServer

extension Meridian_V1_ListLoadsResponse {
    /// Endpoints in one answer; who asks for more has to name clusters.
    static let maximumEndpoints = 20_000

    init(_ snapshot: LoadSnapshot) throws {
        self.init()
        let endpoints = snapshot.clusters.flatMap(\.localities).reduce(0) {
            $0 + $1.endpoints.count
        }
        guard endpoints <= Self.maximumEndpoints else {
            throw GRPCError(
                .resourceExhausted,
                "clusters: there are \(endpoints) endpoints, and an answer holds "
                    + "\(Self.maximumEndpoints): name the clusters"
            )
        }
        clusters = snapshot.clusters.map { Meridian_V1_ClusterLoad($0) }
        reporters = UInt32(clamping: snapshot.reporters)
        windowMilliseconds = snapshot.window.wholeMilliseconds
    }
}

extension Meridian_V1_ClusterLoad {
    fileprivate init(_ load: ClusterLoad) {
        self.init()
        cluster = load.name
        counts = Meridian_V1_LoadCounts(load.load)
        dropped = load.dropped
        droppedByCategory = Dictionary(
            uniqueKeysWithValues: load.droppedByCategory.map { ($0.category, $0.count) }
        )
        localities = load.localities.map { locality in
            .with {
                $0.locality = .with {
                    $0.region = locality.key.locality.region.rawValue
                    $0.zone = locality.key.locality.zone.rawValue
                    $0.subZone = locality.key.locality.subZone
                }
                $0.priority = locality.key.priority
                $0.counts = Meridian_V1_LoadCounts(locality.load)
                $0.metrics = locality.metrics.map { Meridian_V1_LoadMetric($0) }
                $0.endpoints = locality.endpoints.map { Meridian_V1_EndpointLoad($0) }
            }
        }
    }
}

extension Meridian_V1_EndpointLoad {
    fileprivate init(_ load: EndpointLoad) {
        self.init()
        address = .with {
            $0.host = load.address.host
            $0.port = UInt32(load.address.port)
        }
        counts = Meridian_V1_LoadCounts(load.load)
        metrics = load.metrics.map { Meridian_V1_LoadMetric($0) }
        reporters = UInt32(clamping: load.reporters)
        failingReporters = UInt32(clamping: load.failingReporters)
    }
}

extension Meridian_V1_LoadCounts {
    fileprivate init(_ load: Load) {
        self.init()
        issued = load.counts.issued
        succeeded = load.counts.succeeded
        failed = load.counts.failed
        inFlight = load.inFlight
        milliseconds = load.time.wholeMilliseconds
    }
}

extension Meridian_V1_LoadMetric {
    fileprivate init(_ metric: MetricSample) {
        self.init()
        name = metric.name
        mean = metric.sum.mean
        requests = metric.sum.requests
    }
}

extension Duration {
    fileprivate var wholeMilliseconds: UInt64 { UInt64(max(0, self / .milliseconds(1))) }
}
