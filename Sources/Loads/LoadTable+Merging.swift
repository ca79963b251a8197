import Primitives

/// One report while it is merged.
struct Merge {
    let time: SlotTime
    let half: Int
    var reporter: Reporter
    var leftOut = LoadTable.LeftOut()
    var entries = 0
    /// When the counts of the cluster at hand began.
    var beginning = Duration.zero
}

extension LoadTable {
    mutating func merge(_ report: ClusterReport, _ merge: inout Merge) {
        guard limits.isName(report.name), report.dropped <= limits.maximumCount else {
            merge.leftOut.malformed += 1
            return
        }
        guard hasRoom(in: &merge), let cluster = index(of: report) else {
            merge.leftOut.beyondBounds += 1
            return
        }
        // A client that says no interval, or one beyond reason, is taken to have counted for one slot.
        let isSaid = report.interval > .zero && report.interval <= limits.window
        merge.beginning = max(.zero, merge.time.now - (isSaid ? report.interval : limits.slot))
        mergeDrops(of: report, at: cluster, &merge)
        for locality in report.localities { self.merge(locality, of: cluster, &merge) }
    }

    private mutating func mergeDrops(
        of report: ClusterReport,
        at cluster: Int,
        _ merge: inout Merge
    ) {
        let drops = DropCount(count: report.dropped)
        clusters[cluster].drops.add(drops, since: merge.beginning, at: merge.time)
        for drop in report.droppedByCategory where drop.count > 0 {
            guard limits.isName(drop.category), drop.count <= limits.maximumCount else {
                merge.leftOut.malformed += 1
                continue
            }
            let categories = clusters[cluster].dropsByCategory
            guard
                categories[drop.category] != nil || categories.count < limits.maximumDropCategories
            else {
                merge.leftOut.beyondBounds += 1
                continue
            }
            clusters[cluster].dropsByCategory[drop.category, default: SlidingWindow()]
                .add(DropCount(count: drop.count), since: merge.beginning, at: merge.time)
        }
    }

    private mutating func merge(
        _ report: LocalityReport,
        of cluster: Int,
        _ merge: inout Merge
    ) {
        let place = report.key.locality
        guard limits.isWithinBounds(report.load),
            [place.region.rawValue, place.zone.rawValue, place.subZone]
                .allSatisfy({ $0.utf8.count <= limits.maximumNameBytes })
        else {
            merge.leftOut.malformed += 1
            return
        }
        guard hasRoom(in: &merge), let locality = index(of: report.key, in: cluster) else {
            merge.leftOut.beyondBounds += 1
            return
        }
        Self.add(report.load, to: &localities[locality].load, limits, &merge)
        setInFlight(report.load.inFlight, ofLocality: locality, &merge)
        for endpoint in report.endpoints { self.merge(endpoint, of: locality, &merge) }
    }

    private mutating func merge(
        _ report: EndpointReport,
        of locality: Int,
        _ merge: inout Merge
    ) {
        guard limits.isWithinBounds(report.load), limits.isName(report.address.host) else {
            merge.leftOut.malformed += 1
            return
        }
        guard hasRoom(in: &merge), let endpoint = index(of: report.address, in: locality) else {
            merge.leftOut.beyondBounds += 1
            return
        }
        Self.add(report.load, to: &endpoints[endpoint].load, limits, &merge)
        setEntry(report.load, ofEndpoint: endpoint, &merge)
    }

    // MARK: - Values

    private static func add(
        _ sample: LoadSample,
        to load: inout LoadState,
        _ limits: LoadLimits,
        _ merge: inout Merge
    ) {
        load.counts.add(sample.counts, since: merge.beginning, at: merge.time)
        for metric in sample.metrics {
            guard limits.isName(metric.name), metric.sum.requests <= limits.maximumCount,
                metric.sum.total.isFinite
            else {
                merge.leftOut.malformed += 1
                continue
            }
            guard load.metrics[metric.name] != nil || load.metrics.count < limits.maximumMetrics
            else {
                merge.leftOut.beyondBounds += 1
                continue
            }
            load.metrics[metric.name, default: SlidingWindow()]
                .add(metric.sum, since: merge.beginning, at: merge.time)
        }
    }

    private mutating func setInFlight(
        _ inFlight: UInt64,
        ofLocality index: Int,
        _ merge: inout Merge
    ) {
        var entry = merge.reporter.localities[index] ?? ReporterEntry()
        if merge.reporter.localities[index] == nil {
            guard inFlight > 0 else { return }
            guard entryCount < limits.maximumReporterEntries else {
                merge.leftOut.beyondBounds += 1
                return
            }
            entryCount += 1
            localities[index].users += 1
        }
        Self.change(
            &localities[index].load.inFlight,
            by: &entry,
            to: inFlight,
            merge.reporter.round
        )
        merge.reporter.localities[index] = entry
    }

    private mutating func setEntry(
        _ sample: LoadSample,
        ofEndpoint index: Int,
        _ merge: inout Merge
    ) {
        var entry = merge.reporter.endpoints[index] ?? ReporterEntry()
        if merge.reporter.endpoints[index] == nil {
            guard entryCount < limits.maximumReporterEntries else {
                merge.leftOut.beyondBounds += 1
                return
            }
            entryCount += 1
            endpoints[index].users += 1
        }
        endpoints[index].count(entry.outcomes, -1)
        entry.roll(to: merge.half)
        entry.note(sample.counts)
        endpoints[index].count(entry.outcomes, 1)
        Self.change(
            &endpoints[index].load.inFlight,
            by: &entry,
            to: sample.inFlight,
            merge.reporter.round
        )
        merge.reporter.endpoints[index] = entry
    }

    /// Puts the reporter's new level in the place of its old one; what one report has twice is added up.
    private static func change(
        _ total: inout UInt64,
        by entry: inout ReporterEntry,
        to inFlight: UInt64,
        _ round: UInt32
    ) {
        let level = entry.round == round ? entry.inFlight.saturatingAdd(inFlight) : inFlight
        total = total.saturatingSubtract(entry.inFlight).saturatingAdd(level)
        entry.inFlight = level
        entry.round = round
    }

    // MARK: - Bounds

    private func hasRoom(in merge: inout Merge) -> Bool {
        merge.entries += 1
        return merge.entries <= limits.maximumEntriesPerReport
    }

    // MARK: - Places

    private mutating func index(of report: ClusterReport) -> Int? {
        if let index = clusterByName[report.name] {
            let wasKnown = clusters[index].isKnown
            if wasKnown != report.isKnown {
                clusters[index].isKnown = report.isKnown
                unknownClusters += report.isKnown ? -1 : 1
            }
            return index
        }
        let known = clusters.count - unknownClusters
        guard
            report.isKnown
                ? known < limits.maximumClusters
                : unknownClusters < limits.maximumUnknownClusters
        else { return nil }
        if !report.isKnown { unknownClusters += 1 }
        let index = clusters.insert(ClusterState(name: report.name, isKnown: report.isKnown))
        clusterByName[report.name] = index
        return index
    }

    private mutating func index(of key: LoadLocality, in cluster: Int) -> Int? {
        if let index = clusters[cluster].localities[key] { return index }
        guard localities.count < limits.maximumLocalities else { return nil }
        let index = localities.insert(LocalityState())
        clusters[cluster].localities[key] = index
        return index
    }

    private mutating func index(of address: EndpointAddress, in locality: Int) -> Int? {
        if let index = localities[locality].endpoints[address] { return index }
        guard endpoints.count < limits.maximumEndpoints else { return nil }
        let index = endpoints.insert(EndpointState())
        localities[locality].endpoints[address] = index
        return index
    }
}

extension LoadLimits {
    fileprivate func isName(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count <= maximumNameBytes
    }

    fileprivate func isWithinBounds(_ sample: LoadSample) -> Bool {
        let counts = sample.counts
        return max(counts.issued, counts.succeeded, counts.failed, sample.inFlight)
            <= maximumCount
    }
}
