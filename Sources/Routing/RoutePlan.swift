package import Mesh
package import Primitives

/// Where one consumer region's calls to one service go.
///
/// Envoy fills priority 0 first and moves on to the next one in proportion as endpoints of a
/// priority are unhealthy (it stays until fewer than 1/1.4 of them are healthy). Inside a priority,
/// calls are divided between localities by weight.
package struct RoutePlan: Hashable, Sendable {
    /// The endpoints of one locality, and its part of the priority's traffic.
    package struct LocalityGroup: Hashable, Sendable {
        package let locality: Locality
        /// At least 1: Envoy rejects 0, and gives a locality without a weight nothing.
        package let weight: UInt32
        /// By address; serving or not serving, never draining.
        package let endpoints: [Endpoint]
    }

    /// Every priority has a group, every group an endpoint; groups are sorted by locality.
    ///
    /// Empty when no endpoint can serve.
    package let priorities: [[LocalityGroup]]
    /// Why the plan is as it is, the regions in order of priority first.
    package let reasons: [RouteReason]
}

/// One decision of a plan; its description is the line that operators read.
package enum RouteReason: Hashable, Sendable {
    /// Where shares come from.
    package enum ShareSource: Hashable, Sendable {
        case mesh
        case operators
    }

    /// The traffic is divided by percent.
    case divided(shares: RegionShares, source: ShareSource)
    /// A region takes part in priority 0 by its share.
    case share(region: RegionName, percent: Int, servingPercent: Int, serving: Int)
    /// A region has a share but nobody to serve it; the other regions with shares take it over.
    case shareWithoutEndpoints(region: RegionName, percent: Int)
    /// A region has a priority of its own, by distance.
    case distance(region: RegionName, priority: Int, roundTripTime: Duration, serving: Int)
    /// The consumer's region is not in the mesh, so nothing is near; all regions share by capacity.
    case unknownConsumerRegion(RegionName)
    /// A region has workers, but none of them serves.
    case noServingEndpoint(region: RegionName, endpoints: Int)
    /// Workers are in a region that the mesh does not have.
    case unknownRegion(RegionName, endpoints: Int)
    case draining(WorkerID, Locality)
    /// The endpoint is listed as unhealthy, so that its region gives up traffic in proportion.
    case notServing(WorkerID, Locality)
    /// Two workers claim one address; the other one is listed.
    case sameAddress(WorkerID, EndpointAddress, listed: WorkerID)
    /// For clients that leave a priority only as a whole: these parts of the traffic, in percent by
    /// priority, became weights inside priority 0.
    case spillInWeights(loads: [Int])
    /// Nobody can serve the service at all.
    case nobodyServes
}

extension RouteReason: CustomStringConvertible {
    package var description: String {
        switch self {
        case .divided(let shares, .mesh): "shares of the mesh description: \(shares)"
        case .divided(let shares, .operators): "shares set by an operator: \(shares)"
        case .share(let region, let percent, let servingPercent, let serving):
            "\(region): priority 0, share \(percent) of \(servingPercent) that can be served, "
                + "\(serving) serving"
        case .shareWithoutEndpoints(let region, let percent):
            "\(region): share \(percent) goes to the other regions with a share, "
                + "none of its workers serves"
        case .distance(let region, let priority, let roundTripTime, let serving):
            "\(region): priority \(priority), \(milliseconds(roundTripTime)) ms away, "
                + "\(serving) serving"
        case .unknownConsumerRegion(let region):
            "region \(region) is not in the mesh, so no region is near: all share by capacity"
        case .noServingEndpoint(let region, let endpoints):
            "\(region): left out, none of its \(endpoints) workers serves"
        case .unknownRegion(let region, let endpoints):
            "\(region): left out, \(endpoints) workers are in a region that the mesh does not have"
        case .draining(let worker, let locality):
            "\(locality): worker \(worker) is left out, it drains"
        case .notServing(let worker, let locality):
            "\(locality): worker \(worker) gets nothing, it says that it does not serve"
        case .sameAddress(let worker, let address, let listed):
            "worker \(worker) is left out, worker \(listed) has the same address \(address)"
        case .spillInWeights(let loads):
            "priorities 0 to \(loads.count - 1) are one for clients that do not over-provision, "
                + "with \(loads.map { "\($0)" }.joined(separator: ", ")) percent"
        case .nobodyServes: "no worker serves, calls fail with UNAVAILABLE"
        }
    }

    private func milliseconds(_ duration: Duration) -> Int64 {
        Int64(duration / .milliseconds(1))
    }
}
