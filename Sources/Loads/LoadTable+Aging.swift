extension LoadTable {
    /// Forgets what is older than a window, and the words of reporters that have fallen silent.
    ///
    /// Call it about once for each slot: it looks at everything. Counts are read right without it.
    package mutating func timePassed(now: Duration) {
        for id in Array(reporters.keys) {
            guard var reporter = reporters[id], now - reporter.lastReport >= limits.silence else {
                continue
            }
            withdrawEntries(of: &reporter)
            reporters[id] = reporter
        }
        let time = SlotTime(now, limits)
        for (name, cluster) in clusterByName {
            for (key, locality) in clusters[cluster].localities {
                removeEndpoints(of: locality, at: time)
                let state = localities[locality]
                guard state.endpoints.isEmpty, state.users == 0, state.load.isEmpty(at: time)
                else { continue }
                localities.remove(at: locality, leaving: LocalityState())
                clusters[cluster].localities[key] = nil
            }
            clusters[cluster].dropsByCategory = clusters[cluster].dropsByCategory
                .filter { !$0.value.isEmpty(at: time) }
            let state = clusters[cluster]
            guard state.localities.isEmpty, state.drops.isEmpty(at: time) else { continue }
            if !state.isKnown { unknownClusters -= 1 }
            clusters.remove(at: cluster, leaving: ClusterState())
            clusterByName[name] = nil
        }
    }

    private mutating func removeEndpoints(of locality: Int, at time: SlotTime) {
        Self.forgetMetrics(of: &localities[locality].load, at: time)
        for (address, index) in localities[locality].endpoints {
            Self.forgetMetrics(of: &endpoints[index].load, at: time)
            guard endpoints[index].users == 0, endpoints[index].load.isEmpty(at: time) else {
                continue
            }
            endpoints.remove(at: index, leaving: EndpointState())
            localities[locality].endpoints[address] = nil
        }
    }

    private static func forgetMetrics(of load: inout LoadState, at time: SlotTime) {
        guard load.metrics.values.contains(where: { $0.isEmpty(at: time) }) else { return }
        load.metrics = load.metrics.filter { !$0.value.isEmpty(at: time) }
    }

    /// After a report: what it didn't mention has nothing under way, and is forgotten when it is old.
    mutating func sweepEntries(of reporter: inout Reporter, half: Int) {
        for (index, entry) in reporter.localities where entry.round != reporter.round {
            remove(entry, ofLocality: index, &reporter)
        }
        for (index, entry) in reporter.endpoints where entry.round != reporter.round {
            var entry = entry
            endpoints[index].load.inFlight =
                endpoints[index].load.inFlight.saturatingSubtract(entry.inFlight)
            entry.inFlight = 0
            endpoints[index].count(entry.outcomes, -1)
            entry.roll(to: half)
            endpoints[index].count(entry.outcomes, 1)
            if entry.isEmpty {
                remove(entry, ofEndpoint: index, &reporter)
            } else {
                reporter.endpoints[index] = entry
            }
        }
    }

    mutating func withdrawEntries(of reporter: inout Reporter) {
        for (index, entry) in reporter.localities {
            remove(entry, ofLocality: index, &reporter)
        }
        for (index, entry) in reporter.endpoints {
            remove(entry, ofEndpoint: index, &reporter)
        }
    }

    private mutating func remove(
        _ entry: ReporterEntry,
        ofLocality index: Int,
        _ reporter: inout Reporter
    ) {
        let inFlight = localities[index].load.inFlight
        localities[index].load.inFlight = inFlight.saturatingSubtract(entry.inFlight)
        localities[index].users -= 1
        reporter.localities[index] = nil
        entryCount -= 1
    }

    private mutating func remove(
        _ entry: ReporterEntry,
        ofEndpoint index: Int,
        _ reporter: inout Reporter
    ) {
        let inFlight = endpoints[index].load.inFlight
        endpoints[index].load.inFlight = inFlight.saturatingSubtract(entry.inFlight)
        endpoints[index].count(entry.outcomes, -1)
        endpoints[index].users -= 1
        reporter.endpoints[index] = nil
        entryCount -= 1
    }
}
