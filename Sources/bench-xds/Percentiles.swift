/// The values of a run, by what part of them is no larger.
struct Percentiles: Encodable {
    let p50: Double
    let p90: Double
    let p99: Double
    let p999: Double
    let max: Double
    let count: Int

    enum CodingKeys: String, CodingKey {
        case p50, p90, p99, max, count
        case p999 = "p99.9"
    }

    /// Nanoseconds in, milliseconds out.
    init(nanoseconds values: [UInt32]) {
        let sorted = values.sorted()
        func value(_ part: Double) -> Double {
            guard let last = sorted.last else { return 0 }
            // The nearest rank: the smallest value that at least this part does not exceed.
            let rank = Int((part * Double(sorted.count)).rounded(.up))
            return Double(rank < 1 ? last : sorted[min(rank, sorted.count) - 1]) / 1e6
        }
        p50 = value(0.5)
        p90 = value(0.9)
        p99 = value(0.99)
        p999 = value(0.999)
        max = value(1)
        count = sorted.count
    }
}
