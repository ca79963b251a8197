import Histogram

/// What became of the calls of a load so far.
package struct LoadStatistics: Sendable {
    /// How a call ended.
    package enum Outcome: Hashable, Sendable {
        /// A worker answered; it said who it is.
        case served(region: String, worker: String)
        /// The status code's name.
        case failed(String)
    }

    /// What to do about a call whose time has come.
    package enum OnDue: Hashable, Sendable {
        case send
        /// Too many are under way; it has been counted as failed.
        case drop
    }

    /// Names that are counted apart; names beyond that many come from a broken server and are
    /// counted together.
    package static let maximumNames = 256
    package static let otherName = "(others)"
    /// The code of calls that were never sent.
    package static let notSent = "NOT_SENT"

    private let maximumInFlight: Int
    private var inFlight = 0
    private(set) var requests = 0
    private(set) var errors: [String: Int] = [:]
    private(set) var byWorker: [String: Int] = [:]
    private(set) var byRegion: [String: RegionStatistics] = [:]
    private(set) var latencies = Latencies()

    package init(maximumInFlight: Int) {
        self.maximumInFlight = maximumInFlight
    }

    package mutating func callDue() -> OnDue {
        requests += 1
        guard inFlight < maximumInFlight else {
            errors[Self.notSent, default: 0] += 1
            return .drop
        }
        inFlight += 1
        return .send
    }

    /// A call that was sent has ended, so long after the load began and after its scheduled start.
    ///
    /// Only calls that were served have a latency: a failure may come fast, and would make the rest
    /// look better.
    package mutating func callEnded(_ outcome: Outcome, at elapsed: Duration, latency: Duration) {
        inFlight -= 1
        switch outcome {
        case .failed(let code):
            errors[Self.known(code, in: errors), default: 0] += 1
        case .served(let region, let worker):
            latencies.record(latency)
            byWorker[Self.known(worker, in: byWorker), default: 0] += 1
            let region = Self.known(region, in: byRegion)
            byRegion[region, default: RegionStatistics(firstOK: elapsed)].served(
                at: elapsed,
                latency: latency
            )
        }
    }

    private static func known<Value>(_ name: String, in values: [String: Value]) -> String {
        values[name] != nil || values.count < maximumNames ? name : otherName
    }
}

/// The calls that one region served.
struct RegionStatistics: Sendable {
    let firstOK: Duration
    private(set) var lastOK: Duration
    private(set) var latencies = Latencies()

    init(firstOK: Duration) {
        self.firstOK = firstOK
        self.lastOK = firstOK
    }

    mutating func served(at elapsed: Duration, latency: Duration) {
        lastOK = max(lastOK, elapsed)
        latencies.record(latency)
    }
}

/// Latencies with three digits, from a microsecond to two minutes.
struct Latencies: Sendable {
    private static let maximumMicroseconds: UInt64 = 120_000_000

    private var histogram = Histogram<UInt32>(
        highestTrackableValue: Self.maximumMicroseconds,
        numberOfSignificantValueDigits: .three
    )
    private var maximum: UInt64 = 0

    var count: Int { Int(histogram.totalCount) }

    mutating func record(_ latency: Duration) {
        let microseconds = min(
            UInt64(max(latency / .microseconds(1), 0)),
            Self.maximumMicroseconds
        )
        histogram.record(microseconds)
        maximum = max(maximum, microseconds)
    }

    /// In milliseconds; 0 when there are none.
    var summary: LatencySummary {
        func milliseconds(_ percentile: Double) -> Double {
            Double(histogram.valueAtPercentile(percentile)) / 1_000
        }
        return LatencySummary(
            p50: milliseconds(50),
            p99: milliseconds(99),
            p999: milliseconds(99.9),
            max: Double(maximum) / 1_000
        )
    }
}
