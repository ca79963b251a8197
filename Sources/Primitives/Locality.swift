/// Where something runs: the same three levels as Envoy's `core.v3.Locality`.
package struct Locality: Hashable, Sendable, Comparable, CustomStringConvertible {
    package let region: RegionName
    package let zone: ZoneName
    package let subZone: String

    package init(region: RegionName, zone: ZoneName = "", subZone: String = "") {
        self.region = region
        self.zone = zone
        self.subZone = subZone
    }

    /// `region/zone/subZone`, without the levels that are empty at the end.
    package var description: String {
        if !subZone.isEmpty { return "\(region)/\(zone)/\(subZone)" }
        if !zone.rawValue.isEmpty { return "\(region)/\(zone)" }
        return region.rawValue
    }

    package static func < (lhs: Self, rhs: Self) -> Bool {
        (lhs.region, lhs.zone, lhs.subZone) < (rhs.region, rhs.zone, rhs.subZone)
    }
}
