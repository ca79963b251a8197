package import Primitives

/// What the operator says about the whole installation: its regions, how far apart they are, its
/// services.
///
/// A value of this type has passed every cross-check (see `Mesh+Decoding.swift`): names are unique,
/// every pair of regions has a round-trip time, every share names a region and shares add up to
/// 100.
package struct Mesh: Hashable, Sendable {
    package let name: String
    /// In the order of the description.
    package let regions: [Region]
    package let roundTripTimes: RoundTripTimes
    /// In the order of the description.
    package let services: [Service]
    /// Where a sidecar listens for the calls of the client beside it, unless its bootstrap says
    /// otherwise.
    package let sidecarListenAddress: EndpointAddress

    package static let defaultSidecarListenAddress = EndpointAddress(host: "127.0.0.1", port: 15001)

    package init(
        name: String,
        regions: [Region],
        roundTripTimes: RoundTripTimes,
        services: [Service],
        sidecarListenAddress: EndpointAddress = Self.defaultSidecarListenAddress
    ) {
        self.name = name
        self.regions = regions
        self.roundTripTimes = roundTripTimes
        self.services = services
        self.sidecarListenAddress = sidecarListenAddress
    }

    package func region(named name: RegionName) -> Region? {
        regions.first { $0.name == name }
    }

    package func service(named name: ServiceName) -> Service? {
        services.first { $0.name == name }
    }

    /// All regions with their round-trip time from `consumer`, nearest first, ties by name.
    ///
    /// Nil when `consumer` is not a region of the mesh.
    package func regionsByDistance(from consumer: RegionName) -> [Distance]? {
        guard region(named: consumer) != nil else { return nil }
        return regions.map { region in
            Distance(
                region: region.name,
                roundTripTime: roundTripTimes.between(consumer, region.name)
            )
        }
        .sorted { left, right in
            // A region is its own nearest one even if the operator says 0 ms for a neighbour.
            let leftKey = (left.roundTripTime, left.region == consumer ? 0 : 1, left.region)
            let rightKey = (right.roundTripTime, right.region == consumer ? 0 : 1, right.region)
            return leftKey < rightKey
        }
    }
}

/// One region and the zones in it.
package struct Region: Hashable, Sendable {
    package let name: RegionName
    /// In the order of the description; unique inside the region.
    package let zones: [ZoneName]

    package init(name: RegionName, zones: [ZoneName] = []) {
        self.name = name
        self.zones = zones
    }
}

/// A region as it is seen from a consumer.
package struct Distance: Hashable, Sendable {
    package let region: RegionName
    package let roundTripTime: Duration
}
