/// Something that is added up over a window.
protocol WindowSum: Sendable {
    static var zero: Self { get }
    var isZero: Bool { get }
    mutating func add(_ other: Self)
}

/// Requests by what became of them.
package struct RequestCounts: Hashable, Sendable, WindowSum {
    /// Sent to the endpoint, each retry counted.
    package var issued: UInt64
    package var succeeded: UInt64
    package var failed: UInt64

    package init(issued: UInt64 = 0, succeeded: UInt64 = 0, failed: UInt64 = 0) {
        self.issued = issued
        self.succeeded = succeeded
        self.failed = failed
    }

    static var zero: Self { Self() }
    var isZero: Bool { issued | succeeded | failed == 0 }

    /// Stays at the highest count rather than overflow.
    mutating func add(_ other: Self) {
        issued = issued.saturatingAdd(other.issued)
        succeeded = succeeded.saturatingAdd(other.succeeded)
        failed = failed.saturatingAdd(other.failed)
    }
}

/// A metric's values added up, and the requests that they came with.
package struct MetricSum: Hashable, Sendable, WindowSum {
    package var requests: UInt64
    package var total: Double

    package init(requests: UInt64 = 0, total: Double = 0) {
        self.requests = requests
        self.total = total
    }

    package var mean: Double { requests == 0 ? 0 : total / Double(requests) }

    static var zero: Self { Self() }
    var isZero: Bool { requests == 0 }

    mutating func add(_ other: Self) {
        requests = requests.saturatingAdd(other.requests)
        total += other.total
    }
}

/// A plain count.
struct DropCount: WindowSum {
    var count: UInt64 = 0

    static var zero: Self { Self() }
    var isZero: Bool { count == 0 }

    mutating func add(_ other: Self) { count = count.saturatingAdd(other.count) }
}

extension UInt64 {
    func saturatingAdd(_ other: UInt64) -> UInt64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }

    func saturatingSubtract(_ other: UInt64) -> UInt64 { other > self ? 0 : self - other }
}
