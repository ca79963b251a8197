/// The bounds and the memory of a load table.
///
/// Reports come from clients, so everything in them is bounded. What is beyond a bound is left out and
/// counted; the rest of its report counts.
package struct LoadLimits: Hashable, Sendable {
    /// Clusters that the control plane has.
    package var maximumClusters: Int
    /// Other clusters, such as those of a client's bootstrap.
    package var maximumUnknownClusters: Int
    /// Localities of all clusters together.
    package var maximumLocalities: Int
    /// Endpoints of all clusters together.
    package var maximumEndpoints: Int
    /// Open streams of reports.
    package var maximumReporters: Int
    /// Pairs of a reporter and an endpoint or a locality; about 60 bytes each.
    package var maximumReporterEntries: Int
    /// Clusters, localities and endpoints in one report.
    package var maximumEntriesPerReport: Int
    /// ORCA metrics of one endpoint or locality.
    package var maximumMetrics: Int
    /// Drop categories of one cluster.
    package var maximumDropCategories: Int
    /// UTF-8 bytes of a name.
    package var maximumNameBytes: Int
    /// Requests in one count; a higher one is a negative number or an overflow of the client.
    package var maximumCount: UInt64
    /// How long counts are kept: this many slots.
    package var slots: Int
    package var slot: Duration
    /// A reporter that is silent for so long is as good as gone until it reports again.
    package var silence: Duration

    package init(
        maximumClusters: Int = 2_000,
        maximumUnknownClusters: Int = 200,
        maximumLocalities: Int = 10_000,
        maximumEndpoints: Int = 50_000,
        maximumReporters: Int = 20_000,
        maximumReporterEntries: Int = 2_000_000,
        maximumEntriesPerReport: Int = 20_000,
        maximumMetrics: Int = 16,
        maximumDropCategories: Int = 16,
        maximumNameBytes: Int = 256,
        maximumCount: UInt64 = 1_000_000_000_000,
        slots: Int = 6,
        slot: Duration = .seconds(10),
        silence: Duration = .seconds(60)
    ) {
        self.maximumClusters = maximumClusters
        self.maximumUnknownClusters = maximumUnknownClusters
        self.maximumLocalities = maximumLocalities
        self.maximumEndpoints = maximumEndpoints
        self.maximumReporters = maximumReporters
        self.maximumReporterEntries = maximumReporterEntries
        self.maximumEntriesPerReport = maximumEntriesPerReport
        self.maximumMetrics = maximumMetrics
        self.maximumDropCategories = maximumDropCategories
        self.maximumNameBytes = maximumNameBytes
        self.maximumCount = maximumCount
        self.slots = max(1, slots)
        self.slot = max(.milliseconds(1), slot)
        self.silence = silence
    }

    package var window: Duration { slot * slots }
}
