import Mesh
import Primitives

/// The endpoints that can be listed at all, by region and locality, and why the others can't.
struct RouteCandidates {
    struct LocalityCandidate {
        let locality: Locality
        /// What the listed workers' capacities add up to; at least 1.
        let capacity: Int
        let endpoints: [Endpoint]
    }

    struct RegionCandidate {
        /// Sorted; at least one of them has a serving endpoint.
        let localities: [LocalityCandidate]
        let serving: Int
    }

    /// More than this is counted as this: it keeps sums far from overflow, whatever a worker
    /// claims.
    static let maximumCapacity = 1_000_000

    let regions: [RegionName: RegionCandidate]
    let reasons: [RouteReason]

    init(_ endpoints: [Endpoint], in mesh: Mesh) {
        var reasons: [RouteReason] = []
        let listed = Self.distinct(endpoints, reasons: &reasons)
        var regions: [RegionName: RegionCandidate] = [:]
        let byRegion = Dictionary(grouping: listed, by: \.locality.region)
        for (name, members) in byRegion.sorted(by: { $0.key < $1.key }) {
            let serving = members.count { $0.health == .serving }
            if mesh.region(named: name) == nil {
                reasons.append(.unknownRegion(name, endpoints: members.count))
            } else if serving == 0 {
                reasons.append(.noServingEndpoint(region: name, endpoints: members.count))
            } else {
                for endpoint in members where endpoint.health == .notServing {
                    reasons.append(.notServing(endpoint.workerID, endpoint.locality))
                }
                regions[name] = RegionCandidate(
                    localities: Self.localities(members),
                    serving: serving
                )
            }
        }
        self.regions = regions
        self.reasons = reasons
    }

    /// One endpoint for each address, in the order of addresses, without those that drain.
    ///
    /// gRPC refuses a CLA in which an address stands twice, and Envoy keeps only the first. Two
    /// workers have one address while the lease of a worker that was replaced in its place still
    /// runs, so the one that serves is preferred.
    private static func distinct(
        _ endpoints: [Endpoint],
        reasons: inout [RouteReason]
    ) -> [Endpoint] {
        let ordered = endpoints.sorted { left, right in
            let leftKey = (left.address, left.health == .serving ? 0 : 1, left.workerID)
            return leftKey < (right.address, right.health == .serving ? 0 : 1, right.workerID)
        }
        var listed: [Endpoint] = []
        for endpoint in ordered {
            if endpoint.health == .draining {
                reasons.append(.draining(endpoint.workerID, endpoint.locality))
            } else if let last = listed.last, last.address == endpoint.address {
                reasons.append(
                    .sameAddress(endpoint.workerID, endpoint.address, listed: last.workerID)
                )
            } else {
                listed.append(endpoint)
            }
        }
        return listed
    }

    private static func localities(_ endpoints: [Endpoint]) -> [LocalityCandidate] {
        Dictionary(grouping: endpoints, by: \.locality)
            .map { locality, members in
                LocalityCandidate(
                    locality: locality,
                    capacity: members.map { min(max($0.capacity, 1), maximumCapacity) }
                        .reduce(0, +),
                    endpoints: members
                )
            }
            .sorted { $0.locality < $1.locality }
    }
}
