package import Primitives

/// The regions and services that the mesh description knows, as far as a registration depends on them.
package struct MeshDirectory: Hashable, Sendable {
    /// The zones of each region.
    ///
    /// A region without any names no zones, and takes every zone.
    package var regions: [RegionName: Set<ZoneName>]
    /// The lease that each service's workers get when they ask for none.
    package var services: [ServiceName: Duration]

    package init(
        regions: [RegionName: Set<ZoneName>] = [:],
        services: [ServiceName: Duration] = [:]
    ) {
        self.regions = regions
        self.services = services
    }
}
