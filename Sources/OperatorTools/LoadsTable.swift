package import MeridianAPI

/// What clients report of the load, as `meridian get loads` shows it.
extension TextTable {
    /// One row for each cluster, below it its localities, and below these their endpoints.
    package init(loads response: Meridian_V1_ListLoadsResponse) {
        self.init([
            .text("CLUSTER"), .text("LOCALITY"), .number("PRIORITY"), .text("ENDPOINT"),
            .number("REQ/S"), .number("FAILED/S"), .number("IN-FLIGHT"), .number("REQUESTS"),
            .number("FAILING"), .text("METRICS"),
        ])
        for cluster in response.clusters {
            add(
                [cluster.cluster, "", "", ""] + cells(cluster.counts) + ["", ""],
                notes: cluster.dropNotes
            )
            for locality in cluster.localities {
                let place = [cluster.cluster, text(locality.locality), "\(locality.priority)"]
                add(place + [""] + cells(locality.counts) + ["", text(locality.metrics)])
                for endpoint in locality.endpoints {
                    add(
                        place + [addressText(endpoint.address)] + cells(endpoint.counts)
                            + [
                                "\(endpoint.failingReporters)/\(endpoint.reporters)",
                                text(endpoint.metrics),
                            ]
                    )
                }
            }
        }
    }
}

private func cells(_ counts: Meridian_V1_LoadCounts) -> [String] {
    [
        rate(counts.issued, counts), rate(counts.failed, counts), "\(counts.inFlight)",
        "\(counts.issued)",
    ]
}

private func rate(_ count: UInt64, _ counts: Meridian_V1_LoadCounts) -> String {
    guard counts.milliseconds > 0 else { return "" }
    return fixed(Double(count) * 1_000 / Double(counts.milliseconds), digits: 1)
}

private func text(_ locality: Meridian_V1_Locality) -> String {
    [locality.region, locality.zone, locality.subZone].filter { !$0.isEmpty }
        .joined(separator: "/")
}

private func text(_ metrics: [Meridian_V1_LoadMetric]) -> String {
    metrics.map { metric in
        let isNegative = metric.mean < 0
        return "\(metric.name)=\(isNegative ? "-" : "")\(fixed(abs(metric.mean), digits: 3))"
    }
    .joined(separator: " ")
}

extension Meridian_V1_ClusterLoad {
    fileprivate var dropNotes: [String] {
        guard dropped > 0 || !droppedByCategory.isEmpty else { return [] }
        let categories = droppedByCategory.sorted { $0.key < $1.key }
            .map { "\($0.key) \($0.value)" }
        return [
            "dropped \(dropped)"
                + (categories.isEmpty ? "" : ": " + categories.joined(separator: ", "))
        ]
    }
}
