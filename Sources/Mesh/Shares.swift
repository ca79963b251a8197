package import Primitives

/// What operators have set at run time about shares; it goes over what the mesh description says.
package struct Shares: Hashable, Sendable {
    /// One operator's wish: a service's traffic from one consumer region.
    package struct Entry: Hashable, Sendable {
        package let service: ServiceName
        package let from: RegionName
        package let preference: RegionPreference
    }

    private struct Key: Hashable, Comparable {
        let service: ServiceName
        let from: RegionName

        static func < (lhs: Self, rhs: Self) -> Bool {
            (lhs.service, lhs.from) < (rhs.service, rhs.from)
        }
    }

    private var preferences: [Key: RegionPreference] = [:]

    package init() {}

    /// Every wish, by service and consumer region.
    package var entries: [Entry] {
        preferences.sorted { $0.key < $1.key }.map {
            Entry(service: $0.key.service, from: $0.key.from, preference: $0.value)
        }
    }

    package func preference(of service: ServiceName, from region: RegionName) -> RegionPreference? {
        preferences[Key(service: service, from: region)]
    }

    /// Sets the shares of one service's traffic from one consumer region.
    ///
    /// Empty shares ask for nearest first, even where the mesh description has shares. The table
    /// stays as it is when anything is wrong. It can't outgrow services × regions of the mesh.
    package mutating func set(
        _ percentByRegion: [RegionName: Int],
        of service: ServiceName,
        from region: RegionName,
        in mesh: Mesh
    ) throws(InvalidShares) {
        var violations: [FieldViolation] = []
        if mesh.service(named: service) == nil {
            let expected = mesh.services.map(\.name.rawValue).sorted().joined(separator: ", ")
            violations.append(
                FieldViolation(
                    field: "service",
                    message: "unknown service \"\(service)\", expected one of \(expected)"
                )
            )
        }
        let knownRegions = mesh.regions.map(\.name)
        if !knownRegions.contains(region) {
            let expected = knownRegions.map(\.rawValue).sorted().joined(separator: ", ")
            violations.append(
                FieldViolation(
                    field: "from_region",
                    message: "unknown region \"\(region)\", expected one of \(expected)"
                )
            )
        }
        if !percentByRegion.isEmpty {
            violations += RegionShares.violations(percentByRegion, knownRegions: knownRegions)
        }
        guard violations.isEmpty else { throw InvalidShares(violations: violations) }
        let preference = RegionShares(percentByRegion).map { RegionPreference.split($0) }
        preferences[Key(service: service, from: region)] = preference ?? .nearestFirst
    }

    /// Forgets the wishes that a new mesh has no place for, and returns them so that they can be
    /// reported.
    package mutating func meshChanged(to mesh: Mesh) -> [Entry] {
        let dropped = entries.filter { entry in
            let isKnown =
                mesh.service(named: entry.service) != nil && mesh.region(named: entry.from) != nil
            switch entry.preference {
            case .nearestFirst:
                return !isKnown
            case .split(let shares):
                return !isKnown || shares.regions.contains { mesh.region(named: $0) == nil }
            }
        }
        for entry in dropped {
            preferences[Key(service: entry.service, from: entry.from)] = nil
        }
        return dropped
    }
}

/// How traffic from one consumer region chooses among the regions.
package enum RegionPreference: Hashable, Sendable {
    case nearestFirst
    case split(RegionShares)
}

/// Shares that can't be set, with everything that is wrong with them.
package struct InvalidShares: Error, Hashable, CustomStringConvertible {
    package let violations: [FieldViolation]

    package var description: String { violations.map(\.description).joined(separator: "\n") }
}
