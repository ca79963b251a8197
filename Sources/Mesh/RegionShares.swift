package import Primitives

/// How one consumer region's traffic is divided between regions, in whole percent with a sum of
/// 100.
package struct RegionShares: Hashable, Sendable {
    private let percentByRegion: [RegionName: Int]

    /// Takes shares that have been checked; `nil` if they are out of range or don't add up to 100.
    package init?(_ percentByRegion: [RegionName: Int]) {
        guard
            percentByRegion.values.allSatisfy({ (0...100).contains($0) }),
            percentByRegion.values.reduce(0, +) == 100
        else { return nil }
        // A share of 0 says the same as no share, so equal wishes compare equal.
        self.percentByRegion = percentByRegion.filter { $0.value > 0 }
    }

    /// The region's share in percent; 0 when it has none.
    package func percent(of region: RegionName) -> Int {
        percentByRegion[region] ?? 0
    }

    /// The regions with a share above 0, by name.
    package var regions: [RegionName] { percentByRegion.keys.sorted() }

    /// What is wrong with shares that somebody asks for, by field; empty when they are fine.
    package static func violations(
        _ percentByRegion: [RegionName: Int],
        knownRegions: [RegionName]
    ) -> [FieldViolation] {
        var violations: [FieldViolation] = []
        let expected = knownRegions.sorted().map(\.rawValue).joined(separator: ", ")
        for (region, percent) in percentByRegion.sorted(by: { $0.key < $1.key }) {
            let field = "shares[\(region)]"
            if !knownRegions.contains(region) {
                violations.append(
                    FieldViolation(
                        field: field,
                        message: "unknown region \"\(region)\", expected one of \(expected)"
                    )
                )
            }
            if !(0...100).contains(percent) {
                violations.append(
                    FieldViolation(
                        field: field,
                        message: "a share of \(percent), expected a percentage from 0 to 100"
                    )
                )
            }
        }
        // A sum over values out of range would only repeat the error, and could overflow.
        guard percentByRegion.values.allSatisfy({ (0...100).contains($0) }) else {
            return violations
        }
        let sum = percentByRegion.values.reduce(0, +)
        if sum != 100 {
            violations.append(
                FieldViolation(
                    field: "shares",
                    message: "the shares add up to \(sum), expected 100"
                )
            )
        }
        return violations
    }
}

extension RegionShares: CustomStringConvertible {
    /// `eu 80 / us 20`, the largest share first.
    package var description: String {
        percentByRegion.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
            .map { "\($0.key) \($0.value)" }
            .joined(separator: " / ")
    }
}

/// One thing that is wrong with a request, and the field that it is wrong in.
package struct FieldViolation: Hashable, Sendable, CustomStringConvertible {
    /// The path of the field, such as `from_region` or `shares[us]`.
    package let field: String
    package let message: String

    package init(field: String, message: String) {
        self.field = field
        self.message = message
    }

    package var description: String { "\(field): \(message)" }
}
