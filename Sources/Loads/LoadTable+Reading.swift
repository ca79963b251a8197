package import Primitives

extension LoadTable {
    /// Everything, or only the clusters that are asked for; costs as much as there is of these.
    package func snapshot(now: Duration, clusters names: [String]? = nil) -> LoadSnapshot {
        let time = SlotTime(now, limits)
        let chosen = names.map { Set($0) } ?? Set(clusterByName.keys)
        return LoadSnapshot(
            window: limits.window,
            reporters: reporters.count,
            clusters: chosen.sorted().compactMap { name in
                clusterByName[name].map { read(clusters[$0], at: time) }
            }
        )
    }

    /// How each client sees one endpoint, by node; costs as much as there are reporters.
    package func views(of address: EndpointAddress, in cluster: String) -> [ReporterView] {
        guard let cluster = clusterByName[cluster] else { return [] }
        let indices = clusters[cluster].localities.values
            .compactMap { localities[$0].endpoints[address] }
        var views: [ReporterView] = []
        for reporter in reporters.values {
            for index in indices {
                guard let entry = reporter.endpoints[index] else { continue }
                views.append(
                    ReporterView(
                        node: reporter.node,
                        outcome: ReporterView.Outcome(entry.outcomes),
                        inFlight: entry.inFlight
                    )
                )
            }
        }
        return views.sorted { ($0.node, $0.inFlight) < ($1.node, $1.inFlight) }
    }

    private func read(_ cluster: ClusterState, at time: SlotTime) -> ClusterLoad {
        let loads = cluster.localities.sorted { $0.key < $1.key }
            .map { read(localities[$0.value], $0.key, at: time) }
        return ClusterLoad(
            name: cluster.name,
            load: loads.reduce(into: Load()) { $0.add($1.load) },
            dropped: cluster.drops.total(at: time).count,
            droppedByCategory: cluster.dropsByCategory.sorted { $0.key < $1.key }
                .map { DropReport(category: $0.key, count: $0.value.total(at: time).count) }
                .filter { $0.count > 0 },
            localities: loads
        )
    }

    private func read(
        _ locality: LocalityState,
        _ key: LoadLocality,
        at time: SlotTime
    ) -> LocalityLoad {
        LocalityLoad(
            key: key,
            load: read(locality.load, at: time),
            metrics: readMetrics(locality.load, at: time),
            endpoints: locality.endpoints.sorted { $0.key < $1.key }.map { address, index in
                let endpoint = endpoints[index]
                return EndpointLoad(
                    address: address,
                    load: read(endpoint.load, at: time),
                    metrics: readMetrics(endpoint.load, at: time),
                    reporters: endpoint.reporters,
                    failingReporters: endpoint.failingReporters
                )
            }
        )
    }

    private func read(_ load: LoadState, at time: SlotTime) -> Load {
        Load(
            counts: load.counts.total(at: time),
            inFlight: load.inFlight,
            time: load.counts.coveredTime(at: time)
        )
    }

    private func readMetrics(_ load: LoadState, at time: SlotTime) -> [MetricSample] {
        load.metrics.sorted { $0.key < $1.key }.compactMap { name, window in
            let sum = window.total(at: time)
            guard !sum.isZero else { return nil }
            return MetricSample(name: name, requests: sum.requests, total: sum.total)
        }
    }
}

extension ReporterView.Outcome {
    init(_ outcomes: Outcomes) {
        if outcomes.isEmpty {
            self = .unknown
        } else {
            self = outcomes == .failure ? .failsEverything : .answers
        }
    }
}
