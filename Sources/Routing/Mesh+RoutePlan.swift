package import Mesh
package import Primitives

extension Mesh {
    /// Decides where the calls of one consumer region to one service go.
    ///
    /// - Without shares: the nearest region that serves is priority 0 and the others follow by
    ///   distance; inside a region, localities weigh what their workers' capacities add up to.
    /// - With shares: the regions with a share and somebody to serve it are priority 0 together,
    ///   weighed by share; the others follow by distance. A region's weight does not depend on who
    ///   else serves, so when a region drops out the others take its part in proportion, and when
    ///   it is back all is as before.
    ///
    /// A draining worker is left out: it is listed nowhere the moment it asks to leave, which is
    /// what its drain waits for, and its region's priority looks as full as it will be without it.
    /// (Listed as `DRAINING` it would count as an unhealthy one and push traffic to other regions
    /// for the time of the drain only.) A worker that does not serve stays listed as `UNHEALTHY`:
    /// it is a part of its region's strength that is missing for now, so Envoy gives up traffic in
    /// proportion: of a region as a whole, and of a locality's weight, once fewer than 1/1.4 of its
    /// workers serve. Until then shares are exact.
    package func routePlan(
        of service: ServiceName,
        from consumer: RegionName,
        shares: Shares = Shares(),
        endpoints: [Endpoint]
    ) -> RoutePlan {
        let candidates = RouteCandidates(endpoints, in: self)
        var planner = RoutePlanner(candidates: candidates)
        guard let distances = regionsByDistance(from: consumer) else {
            planner.addAllRegionsAsOnePriority(of: self, unknownConsumer: consumer)
            return planner.finished()
        }
        var shared: Set<RegionName> = []
        if let (split, source) = split(of: service, from: consumer, shares: shares) {
            planner.addShares(split, source: source, order: distances.map(\.region))
            shared = Set(split.regions)
        }
        for distance in distances where !shared.contains(distance.region) {
            planner.addPriority(for: distance)
        }
        return planner.finished()
    }

    private func split(
        of service: ServiceName,
        from consumer: RegionName,
        shares: Shares
    ) -> (RegionShares, RouteReason.ShareSource)? {
        switch shares.preference(of: service, from: consumer) {
        case .split(let split): (split, .operators)
        case .nearestFirst: nil
        case nil: self.service(named: service)?.shares[consumer].map { ($0, .mesh) }
        }
    }
}
