import Loads
import Primitives

let eu = LoadLocality(Locality(region: "eu", zone: "eu-a"))
let us = LoadLocality(Locality(region: "us", zone: "us-a"), priority: 1)
let one = EndpointAddress(host: "10.0.0.1", port: 9001)
let two = EndpointAddress(host: "10.0.0.2", port: 9001)

/// A table, and reporters that speak at the times that they are told.
final class World {
    var table: LoadTable
    private var lastReporter: UInt64 = 0

    init(_ limits: LoadLimits = LoadLimits()) {
        table = LoadTable(limits: limits)
    }

    func come(_ node: NodeID = "sidecar", at seconds: Double = 0) -> ReporterID {
        lastReporter += 1
        let id = ReporterID(lastReporter)
        _ = table.reporterCame(id, node: node, now: .seconds(seconds))
        return id
    }

    @discardableResult
    func report(
        _ id: ReporterID,
        at seconds: Double,
        _ clusters: ClusterReport...
    ) -> LoadTable.OnReport {
        table.received(LoadReport(clusters: clusters), from: id, now: .seconds(seconds))
    }

    /// The cluster `reports`, with nothing in it if there is none.
    func cluster(at seconds: Double) -> ClusterLoad? {
        table.snapshot(now: .seconds(seconds)).cluster(named: "reports")
    }

    func endpoint(_ address: EndpointAddress, at seconds: Double) -> EndpointLoad? {
        cluster(at: seconds)?.endpoint(at: address)
    }
}

extension RequestCounts {
    init(_ succeeded: UInt64, _ failed: UInt64 = 0) {
        self.init(issued: succeeded + failed, succeeded: succeeded, failed: failed)
    }
}

/// Endpoints of one locality of `reports`, the locality's load being their sum, as Envoy reports it.
func reports(
    in key: LoadLocality = eu,
    interval: Duration = .seconds(10),
    _ endpoints: EndpointReport...
) -> ClusterReport {
    var sum = LoadSample()
    for endpoint in endpoints {
        sum.counts.issued += endpoint.load.counts.issued
        sum.counts.succeeded += endpoint.load.counts.succeeded
        sum.counts.failed += endpoint.load.counts.failed
        sum.inFlight += endpoint.load.inFlight
    }
    return ClusterReport(
        name: "reports",
        interval: interval,
        localities: [LocalityReport(key, sum, endpoints: endpoints)]
    )
}

func endpoint(
    _ address: EndpointAddress,
    _ succeeded: UInt64,
    failed: UInt64 = 0,
    inFlight: UInt64 = 0
) -> EndpointReport {
    EndpointReport(address, LoadSample(RequestCounts(succeeded, failed), inFlight: inFlight))
}
