package import Mesh
import Primitives

/// What an operator asks for on the command line: `eu=80 us=20`, or nearest first.
package enum ShareArguments: Hashable, Sendable {
    case nearestFirst
    case split(RegionShares)

    /// Reads the arguments; which regions there are, only the control plane knows.
    package init(_ arguments: [String], isNearest: Bool) throws(OperatorError) {
        guard !isNearest else {
            guard arguments.isEmpty else {
                throw Self.error("--nearest and shares are both given, expected one of them")
            }
            self = .nearestFirst
            return
        }
        guard !arguments.isEmpty else {
            throw Self.error("none are given, expected REGION=PERCENT such as eu=80, or --nearest")
        }
        let example = "REGION=PERCENT such as eu=80"
        var percentByRegion: [RegionName: Int] = [:]
        let values = try parseNamedValues(arguments, field: "shares", example: example)
        for (region, text) in values.sorted(by: { $0.key < $1.key }) {
            guard let percent = Int(text.hasSuffix("%") ? text.dropLast() : text[...]) else {
                throw Self.error("expected \(example), got \"\(region)=\(text)\"")
            }
            percentByRegion[RegionName(region)] = percent
        }
        let violations = RegionShares.violations(
            percentByRegion,
            knownRegions: Array(percentByRegion.keys)
        )
        guard violations.isEmpty, let shares = RegionShares(percentByRegion) else {
            throw OperatorError(
                .invalidArgument,
                violations.map(\.description).joined(separator: "\n")
            )
        }
        self = .split(shares)
    }

    /// The shares as the API takes them; empty stands for nearest first.
    package var percentByRegion: [String: UInt32] {
        switch self {
        case .nearestFirst: [:]
        case .split(let shares):
            Dictionary(
                uniqueKeysWithValues: shares.regions.map { region in
                    (region.rawValue, UInt32(clamping: shares.percent(of: region)))
                }
            )
        }
    }

    private static func error(_ message: String) -> OperatorError {
        OperatorError(.invalidArgument, "shares: \(message)")
    }
}

extension ShareArguments: CustomStringConvertible {
    /// `eu 80 / us 20`, or `nearest first`.
    package var description: String {
        switch self {
        case .nearestFirst: "nearest first"
        case .split(let shares): shares.description
        }
    }
}
