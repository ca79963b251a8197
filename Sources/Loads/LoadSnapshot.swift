package import Primitives

/// The load as all reporters together see it at one moment: sorted, complete, and no longer changing.
package struct LoadSnapshot: Hashable, Sendable {
    /// The time before the moment that counts are of, at most.
    package let window: Duration
    /// Open streams of reports.
    package let reporters: Int
    /// By name.
    package let clusters: [ClusterLoad]

    package func cluster(named name: String) -> ClusterLoad? {
        var range = clusters.indices
        while let first = range.first {
            let middle = first + range.count / 2
            if clusters[middle].name == name { return clusters[middle] }
            range = clusters[middle].name < name ? middle + 1..<range.upperBound : first..<middle
        }
        return nil
    }
}

/// Requests in a window, and those that were under way when the reporters said so last.
package struct Load: Hashable, Sendable {
    package var counts: RequestCounts
    package var inFlight: UInt64
    /// The time that the counts are of: the window's, or less when reports began in it.
    package var time: Duration

    package init(
        counts: RequestCounts = RequestCounts(),
        inFlight: UInt64 = 0,
        time: Duration = .zero
    ) {
        self.counts = counts
        self.inFlight = inFlight
        self.time = time
    }

    package var issuedPerSecond: Double { rate(counts.issued) }
    package var succeededPerSecond: Double { rate(counts.succeeded) }
    package var failedPerSecond: Double { rate(counts.failed) }

    private func rate(_ count: UInt64) -> Double {
        time > .zero ? Double(count) / (time / .seconds(1)) : 0
    }

    mutating func add(_ other: Load) {
        counts.add(other.counts)
        inFlight = inFlight.saturatingAdd(other.inFlight)
        time = max(time, other.time)
    }
}

package struct ClusterLoad: Hashable, Sendable {
    package let name: String
    /// The sum over the localities.
    package let load: Load
    package let dropped: UInt64
    /// By category.
    package let droppedByCategory: [DropReport]
    /// By priority and name.
    package let localities: [LocalityLoad]

    /// The endpoint, wherever it stands; nil if nobody reports it.
    package func endpoint(at address: EndpointAddress) -> EndpointLoad? {
        for locality in localities {
            if let endpoint = locality.endpoints.first(where: { $0.address == address }) {
                return endpoint
            }
        }
        return nil
    }
}

package struct LocalityLoad: Hashable, Sendable {
    package let key: LoadLocality
    package let load: Load
    /// By name.
    package let metrics: [MetricSample]
    /// By address.
    package let endpoints: [EndpointLoad]
}

package struct EndpointLoad: Hashable, Sendable {
    package let address: EndpointAddress
    package let load: Load
    /// By name.
    package let metrics: [MetricSample]
    /// The reporters whose requests to it came to an end in the last window.
    package let reporters: Int
    /// Of these, the ones that had failures only.
    package let failingReporters: Int

    /// The share of its clients to which the endpoint fails everything; nil while nobody knows.
    package var failingShare: Double? {
        reporters == 0 ? nil : Double(failingReporters) / Double(reporters)
    }
}

/// How one client sees one endpoint.
package struct ReporterView: Hashable, Sendable {
    package enum Outcome: Hashable, Sendable {
        /// No request came to an end in the last window.
        case unknown
        /// It had one good answer at least.
        case answers
        case failsEverything
    }

    package let node: NodeID
    package let outcome: Outcome
    package let inFlight: UInt64
}
