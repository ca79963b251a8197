package import Primitives

/// How far apart the regions are, as the time there and back; the same in both directions.
package struct RoundTripTimes: Hashable, Sendable {
    /// Two different regions, in either order.
    package struct Pair: Hashable, Sendable, Comparable {
        package let first: RegionName
        package let second: RegionName

        package init(_ one: RegionName, _ other: RegionName) {
            self.first = min(one, other)
            self.second = max(one, other)
        }

        package static func < (lhs: Self, rhs: Self) -> Bool {
            (lhs.first, lhs.second) < (rhs.first, rhs.second)
        }
    }

    private let times: [Pair: Duration]
    /// For the pairs that are not named.
    private let fallback: Duration

    /// Times for the pairs that are named, and one for all others.
    ///
    /// `fallback` is never used when every pair is named; the decoder makes sure of one or the
    /// other.
    package init(_ times: [Pair: Duration], fallback: Duration = .zero) {
        self.times = times
        self.fallback = fallback
    }

    /// The time between two regions; zero from a region to itself.
    package func between(_ one: RegionName, _ other: RegionName) -> Duration {
        one == other ? .zero : times[Pair(one, other)] ?? fallback
    }
}
