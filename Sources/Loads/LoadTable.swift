package import Primitives

/// One open stream of reports.
///
/// A client is told apart by its stream and not by its node: gRPC has one for each channel to a control plane.
package struct ReporterID: Hashable, Sendable {
    package let number: UInt64

    package init(_ number: UInt64) {
        self.number = number
    }
}

/// What all clients together report of the load on clusters, localities and endpoints.
///
/// Counts are kept for a sliding window. What is under way is a level: each client's last word counts, until it
/// says another one, leaves or falls silent. All times are since one origin of the caller's choice.
///
/// Of each client and endpoint it is kept whether the client had any answer from it in the last window. An endpoint
/// to which a large share of its clients have failures only is dead; one that a single client complains of has a
/// bad network between.
package struct LoadTable: ~Copyable, Sendable {
    package let limits: LoadLimits

    var clusters = Slots<ClusterState>()
    var clusterByName: [String: Int] = [:]
    /// Of `clusters`, those that the control plane doesn't have.
    var unknownClusters = 0
    var localities = Slots<LocalityState>()
    var endpoints = Slots<EndpointState>()
    var reporters: [ReporterID: Reporter] = [:]
    /// Pairs of a reporter and a locality or an endpoint.
    var entryCount = 0

    package init(limits: LoadLimits = LoadLimits()) {
        self.limits = limits
    }

    /// Nothing is left of anybody.
    package var isEmpty: Bool {
        clusters.count + localities.count + endpoints.count + reporters.count + entryCount
            + unknownClusters == 0
    }

    // MARK: - Reporters

    package enum OnReporter: Equatable, Sendable {
        case welcome
        /// There are `maximumReporters` already.
        case refuse
    }

    package mutating func reporterCame(
        _ id: ReporterID,
        node: NodeID,
        now: Duration
    ) -> OnReporter {
        guard reporters.count < limits.maximumReporters || reporters[id] != nil else {
            return .refuse
        }
        reporterLeft(id)
        reporters[id] = Reporter(node: node, lastReport: now)
        return .welcome
    }

    /// The stream has ended: what it had under way is no longer, what it counted stays for its time.
    package mutating func reporterLeft(_ id: ReporterID) {
        guard var reporter = reporters.removeValue(forKey: id) else { return }
        withdrawEntries(of: &reporter)
    }

    // MARK: - Reports

    /// What of a report didn't count, as a number of its clusters, localities, endpoints and metrics.
    package struct LeftOut: Hashable, Sendable {
        /// Counts beyond `maximumCount`, numbers that are none, names that are empty or too long.
        package var malformed = 0
        /// What there was no room for.
        package var beyondBounds = 0

        package init(malformed: Int = 0, beyondBounds: Int = 0) {
            self.malformed = malformed
            self.beyondBounds = beyondBounds
        }
    }

    package enum OnReport: Equatable, Sendable {
        case merged(LeftOut)
        /// The reporter has left, or never came.
        case ignoreUnknownReporter
    }

    package mutating func received(
        _ report: LoadReport,
        from id: ReporterID,
        now: Duration
    ) -> OnReport {
        guard var reporter = reporters.removeValue(forKey: id) else {
            return .ignoreUnknownReporter
        }
        reporter.lastReport = now
        reporter.round &+= 1
        var merge = Merge(time: SlotTime(now, limits), half: half(of: now), reporter: reporter)
        for cluster in report.clusters { self.merge(cluster, &merge) }
        sweepEntries(of: &merge.reporter, half: merge.half)
        reporters[id] = merge.reporter
        return .merged(merge.leftOut)
    }

    /// Half windows, in which the outcomes of a reporter's requests are kept.
    func half(of now: Duration) -> Int { Int(max(.zero, now) / (limits.window / 2)) }
}

// MARK: - State

/// One client's stream, and its last words.
struct Reporter: Sendable {
    let node: NodeID
    var lastReport: Duration
    /// The report that is being merged, or was last.
    var round: UInt32 = 0
    var localities: [Int: ReporterEntry] = [:]
    var endpoints: [Int: ReporterEntry] = [:]
}

/// What one client said of one locality or endpoint.
struct ReporterEntry: Sendable {
    var inFlight: UInt64 = 0
    /// The report that it was in last; one that is in no report has nothing under way.
    var round: UInt32 = 0
    private var half: Int32 = 0
    private var newer = Outcomes()
    private var older = Outcomes()

    /// What became of the client's requests in the last one or two half windows.
    var outcomes: Outcomes { newer.union(older) }
    var isEmpty: Bool { inFlight == 0 && outcomes.isEmpty }

    mutating func roll(to half: Int) {
        let half = Int32(clamping: half)
        guard half != self.half else { return }
        older = half == self.half + 1 ? newer : []
        newer = []
        self.half = half
    }

    mutating func note(_ counts: RequestCounts) {
        if counts.succeeded > 0 { newer.insert(.success) }
        if counts.failed > 0 { newer.insert(.failure) }
    }
}

struct Outcomes: OptionSet, Sendable {
    let rawValue: UInt8

    static let success = Self(rawValue: 1)
    static let failure = Self(rawValue: 2)
}

struct LoadState: Sendable {
    var counts = SlidingWindow<RequestCounts>()
    var inFlight: UInt64 = 0
    var metrics: [String: SlidingWindow<MetricSum>] = [:]

    func isEmpty(at time: SlotTime) -> Bool {
        inFlight == 0 && counts.isEmpty(at: time)
            && metrics.values.allSatisfy { $0.isEmpty(at: time) }
    }
}

struct ClusterState: Sendable {
    var name = ""
    var isKnown = true
    var localities: [LoadLocality: Int] = [:]
    var drops = SlidingWindow<DropCount>()
    var dropsByCategory: [String: SlidingWindow<DropCount>] = [:]
}

struct LocalityState: Sendable {
    var load = LoadState()
    var endpoints: [EndpointAddress: Int] = [:]
    /// Reporters with an entry for it.
    var users = 0
}

struct EndpointState: Sendable {
    var load = LoadState()
    /// Reporters with an entry for it.
    var users = 0
    /// Reporters whose requests came to an end in the last window, and those that had failures only.
    var reporters = 0
    var failingReporters = 0

    mutating func count(_ outcomes: Outcomes, _ difference: Int) {
        guard !outcomes.isEmpty else { return }
        reporters += difference
        if outcomes == .failure { failingReporters += difference }
    }
}
