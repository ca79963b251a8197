package import Primitives

/// What one client sent, since its report before, to the endpoints of some clusters.
package struct LoadReport: Hashable, Sendable {
    package var clusters: [ClusterReport]

    package init(clusters: [ClusterReport] = []) {
        self.clusters = clusters
    }
}

/// The part of a report that is about one cluster.
package struct ClusterReport: Hashable, Sendable {
    package var name: String
    /// The time that the counts are of; zero when the client doesn't say.
    package var interval: Duration
    /// The control plane knows a cluster of this name; the others have a bound of their own.
    package var isKnown: Bool
    package var localities: [LocalityReport]
    package var dropped: UInt64
    package var droppedByCategory: [DropReport]

    package init(
        name: String,
        interval: Duration = .zero,
        isKnown: Bool = true,
        localities: [LocalityReport] = [],
        dropped: UInt64 = 0,
        droppedByCategory: [DropReport] = []
    ) {
        self.name = name
        self.interval = interval
        self.isKnown = isKnown
        self.localities = localities
        self.dropped = dropped
        self.droppedByCategory = droppedByCategory
    }
}

/// Requests that no endpoint got, because the client's configuration drops them.
package struct DropReport: Hashable, Sendable {
    package var category: String
    package var count: UInt64

    package init(category: String, count: UInt64) {
        self.category = category
        self.count = count
    }
}

/// The part of a report that is about one locality of one priority.
package struct LocalityReport: Hashable, Sendable {
    package var key: LoadLocality
    package var load: LoadSample
    /// Empty for a client that doesn't report endpoints (gRPC).
    package var endpoints: [EndpointReport]

    package init(_ key: LoadLocality, _ load: LoadSample, endpoints: [EndpointReport] = []) {
        self.key = key
        self.load = load
        self.endpoints = endpoints
    }
}

/// The part of a report that is about one endpoint.
package struct EndpointReport: Hashable, Sendable {
    package var address: EndpointAddress
    package var load: LoadSample

    package init(_ address: EndpointAddress, _ load: LoadSample) {
        self.address = address
        self.load = load
    }
}

/// A locality, and the priority that its endpoints have for the client.
package struct LoadLocality: Hashable, Sendable, Comparable {
    package let priority: UInt32
    package let locality: Locality

    package init(_ locality: Locality, priority: UInt32 = 0) {
        self.priority = priority
        self.locality = locality
    }

    package static func < (lhs: Self, rhs: Self) -> Bool {
        (lhs.priority, lhs.locality) < (rhs.priority, rhs.locality)
    }
}

/// Requests of one interval, those that are under way at its end, and what the endpoints said of themselves.
package struct LoadSample: Hashable, Sendable {
    package var counts: RequestCounts
    package var inFlight: UInt64
    package var metrics: [MetricSample]

    package init(
        _ counts: RequestCounts = RequestCounts(),
        inFlight: UInt64 = 0,
        metrics: [MetricSample] = []
    ) {
        self.counts = counts
        self.inFlight = inFlight
        self.metrics = metrics
    }
}

/// The sum of one ORCA metric over the requests that came with it.
package struct MetricSample: Hashable, Sendable {
    package var name: String
    package var sum: MetricSum

    package init(name: String, requests: UInt64, total: Double) {
        self.name = name
        self.sum = MetricSum(requests: requests, total: total)
    }
}
