/// The result of a load, as `meridian load --json` writes it.
package struct LoadSummary: Encodable, Hashable, Sendable {
    package let requests: Int
    package let ok: Int
    package let failed: Int
    /// Failed calls by status code, `NOT_SENT` among them.
    package let errors: [String: Int]
    package let byRegion: [String: Int]
    package let byWorker: [String: Int]
    package let latency: LatencySummary
    package let latencyByRegion: [String: LatencySummary]
    package let startedUnixMilliseconds: Int
    /// When the first and the last call of each region had its answer.
    package let firstOKUnixMilliseconds: [String: Int]
    package let lastOKUnixMilliseconds: [String: Int]

    package init(_ statistics: LoadStatistics, startedUnixMilliseconds: Int) {
        func unixTime(_ elapsed: Duration) -> Int {
            startedUnixMilliseconds + Int(elapsed / .milliseconds(1))
        }
        requests = statistics.requests
        errors = statistics.errors
        ok = statistics.latencies.count
        failed = errors.values.reduce(0, +)
        byRegion = statistics.byRegion.mapValues(\.latencies.count)
        byWorker = statistics.byWorker
        latency = statistics.latencies.summary
        latencyByRegion = statistics.byRegion.mapValues(\.latencies.summary)
        self.startedUnixMilliseconds = startedUnixMilliseconds
        firstOKUnixMilliseconds = statistics.byRegion.mapValues { unixTime($0.firstOK) }
        lastOKUnixMilliseconds = statistics.byRegion.mapValues { unixTime($0.lastOK) }
    }

    private enum Key: String, CodingKey {
        case requests
        case ok
        case failed
        case errors
        case byRegion = "by_region"
        case byWorker = "by_worker"
        case latencyByRegion = "latency_by_region"
        case startedUnixMilliseconds = "started_unix_ms"
        case firstOKUnixMilliseconds = "first_ok_unix_ms"
        case lastOKUnixMilliseconds = "last_ok_unix_ms"
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(requests, forKey: .requests)
        try container.encode(ok, forKey: .ok)
        try container.encode(failed, forKey: .failed)
        try container.encode(errors, forKey: .errors)
        try container.encode(byRegion, forKey: .byRegion)
        try container.encode(byWorker, forKey: .byWorker)
        try container.encode(latencyByRegion, forKey: .latencyByRegion)
        try container.encode(startedUnixMilliseconds, forKey: .startedUnixMilliseconds)
        try container.encode(firstOKUnixMilliseconds, forKey: .firstOKUnixMilliseconds)
        try container.encode(lastOKUnixMilliseconds, forKey: .lastOKUnixMilliseconds)
        // The percentiles of all calls stand beside the counts.
        try latency.encode(to: encoder)
    }
}

/// Latencies in milliseconds.
package struct LatencySummary: Encodable, Hashable, Sendable {
    package let p50: Double
    package let p99: Double
    package let p999: Double
    package let max: Double

    private enum CodingKeys: String, CodingKey {
        case p50 = "p50_ms"
        case p99 = "p99_ms"
        case p999 = "p999_ms"
        case max = "max_ms"
    }
}

extension LoadSummary: CustomStringConvertible {
    /// A table by region, and a line about what failed.
    package var description: String {
        var table = TextTable([
            .text("REGION"), .number("SERVED"), .number("SHARE"), .number("P50"), .number("P99"),
            .number("P99.9"), .number("MAX"),
        ])
        for (region, count) in byRegion.sorted(by: { $0.key < $1.key }) {
            if let latency = latencyByRegion[region] { add(region, count, latency, to: &table) }
        }
        add("all", ok, latency, to: &table)
        let codes = errors.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
        let failures =
            codes.isEmpty ? "none failed" : "\(failed) failed: " + codes.joined(separator: ", ")
        return "\(table)\n\n\(requests) requests, \(failures)"
    }

    private func add(
        _ name: String,
        _ count: Int,
        _ latency: LatencySummary,
        to table: inout TextTable
    ) {
        let share = ok == 0 ? 0 : 100 * Double(count) / Double(ok)
        let times = [latency.p50, latency.p99, latency.p999, latency.max]
        table.add(
            [name, "\(count)", fixed(share, digits: 1) + " %"]
                + times.map { count == 0 ? "" : latencyText(milliseconds: $0) }
        )
    }
}
