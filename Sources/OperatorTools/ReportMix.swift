package import MeridianAPI
import Primitives

/// An endless sequence of report requests, the same for the same seed.
///
/// Nearly all are the cheap report that a customer asks for; the ones that read a good part of the
/// orders are as rare as they are in a back office.
package struct ReportMix: Sendable {
    private static let years = 2023...2025
    private static let regions = ["eu", "us", "ap"]

    private var random: SeededRandom
    private let customers: Int

    /// - Precondition: there is a customer at least.
    package init(seed: UInt64, customers: Int) {
        precondition(customers > 0, "a mix needs customers")
        self.random = SeededRandom(seed: seed)
        self.customers = customers
    }

    package mutating func next() -> Meridian_V1_GenerateReportRequest {
        var request = Meridian_V1_GenerateReportRequest()
        request.format = number(1...4) == 1 ? .json : .csv
        switch number(1...100) {
        case ...94:
            request.report = "customer-statement"
            request.parameters = ["customer": "\(number(1...customers))"]
        case ...98:
            request.report = "sales-by-region-and-month"
            let region = Self.regions[number(0...Self.regions.count - 1)]
            request.parameters = ["year": "\(number(Self.years))", "region": region]
        default:
            request.report = "top-products"
            request.parameters = ["year": "\(number(Self.years))", "month": "\(number(1...12))"]
        }
        return request
    }

    /// A number from the range; its small bias is of no interest here.
    private mutating func number(_ range: ClosedRange<Int>) -> Int {
        range.lowerBound + Int(random.next() % UInt64(range.count))
    }
}
