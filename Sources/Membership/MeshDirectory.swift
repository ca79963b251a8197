package import Primitives

/// The regions and services that the mesh description knows, as far as a registration depends on them.
package struct MeshDirectory: Hashable, Sendable {
    /// The zones of each region.
    ///
    /// A region without any names no zones, and takes every zone.
    package var regions: [RegionName: Set<ZoneName>]
    /// The lease that each service's workers get when they ask for none.
    package var services: [ServiceName: Duration]
    /// The services whose mass expiries are judged by a rule of their own.
    package var massExpiry: [ServiceName: MassExpiryRule]
    /// The services whose workers the control plane asks for their health.
    package var probes: [ServiceName: ProbePolicy]

    package init(
        regions: [RegionName: Set<ZoneName>] = [:],
        services: [ServiceName: Duration] = [:],
        massExpiry: [ServiceName: MassExpiryRule] = [:],
        probes: [ServiceName: ProbePolicy] = [:]
    ) {
        self.regions = regions
        self.services = services
        self.massExpiry = massExpiry
        self.probes = probes
    }
}
