import Mesh
import Primitives

/// Builds up a plan, one priority after the other, so that priorities have no holes.
struct RoutePlanner {
    private let candidates: RouteCandidates
    private var priorities: [[RoutePlan.LocalityGroup]] = []
    private var reasons: [RouteReason] = []

    init(candidates: RouteCandidates) {
        self.candidates = candidates
    }

    /// One region as the next priority, if anybody serves there.
    mutating func addPriority(for distance: Distance) {
        guard let region = candidates.regions[distance.region] else { return }
        reasons.append(
            .distance(
                region: distance.region,
                priority: priorities.count,
                roundTripTime: distance.roundTripTime,
                serving: region.serving
            )
        )
        priorities.append(
            groups(of: region.localities, weights: capacityWeights(region.localities))
        )
    }

    /// The regions with a share as the next priority.
    mutating func addShares(
        _ shares: RegionShares,
        source: RouteReason.ShareSource,
        order: [RegionName]
    ) {
        reasons.append(.divided(shares: shares, source: source))
        let sharing = order.filter { shares.percent(of: $0) > 0 }
        let served = sharing.compactMap { name in
            candidates.regions[name].map { (name: name, region: $0) }
        }
        let servingPercent = served.map { shares.percent(of: $0.name) }.reduce(0, +)
        for name in sharing {
            let percent = shares.percent(of: name)
            if let region = candidates.regions[name] {
                reasons.append(
                    .share(
                        region: name,
                        percent: percent,
                        servingPercent: servingPercent,
                        serving: region.serving
                    )
                )
            } else {
                reasons.append(.shareWithoutEndpoints(region: name, percent: percent))
            }
        }
        guard !served.isEmpty else { return }
        // 100 units for each percent, unless a region has so many localities that a share of 1 %
        // could not give each of them its unit.
        let unitsPerPercent = max(100, served.map(\.region.localities.count).max() ?? 0)
        let groups = served.flatMap { name, region in
            self.groups(
                of: region.localities,
                weights: Apportionment.divide(
                    shares.percent(of: name) * unitsPerPercent,
                    by: region.localities.map(\.capacity)
                )
            )
        }
        priorities.append(groups.sorted { $0.locality < $1.locality })
    }

    /// All regions together, for a consumer that is nowhere.
    mutating func addAllRegionsAsOnePriority(of mesh: Mesh, unknownConsumer: RegionName) {
        reasons.append(.unknownConsumerRegion(unknownConsumer))
        let localities = mesh.regions.compactMap { candidates.regions[$0.name]?.localities }
            .flatMap { $0 }
            .sorted { $0.locality < $1.locality }
        guard !localities.isEmpty else { return }
        priorities.append(groups(of: localities, weights: capacityWeights(localities)))
    }

    func finished() -> RoutePlan {
        RoutePlan(
            priorities: priorities,
            reasons: reasons + candidates.reasons + (priorities.isEmpty ? [.nobodyServes] : [])
        )
    }

    private func groups(
        of localities: [RouteCandidates.LocalityCandidate],
        weights: [Int]
    ) -> [RoutePlan.LocalityGroup] {
        zip(localities, weights).map { candidate, weight in
            RoutePlan.LocalityGroup(
                locality: candidate.locality,
                weight: UInt32(clamping: max(1, weight)),
                endpoints: candidate.endpoints
            )
        }
    }

    /// The capacities, scaled down together if need be: Envoy wants a priority's weights to add up
    /// to a UInt32.
    private func capacityWeights(_ localities: [RouteCandidates.LocalityCandidate]) -> [Int] {
        let total = localities.map(\.capacity).reduce(0, +)
        let limit = Int(UInt32.max) / 2  // Half, so that rounding up to 1 can't pass the limit.
        let divisor = total / limit + 1
        return localities.map { max(1, $0.capacity / divisor) }
    }
}
