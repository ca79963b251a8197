extension RoutePlan {
    /// In percent: a priority takes all its traffic as long as its serving endpoints times this are
    /// as many as all of it.
    ///
    /// Envoy's default, which our assignments leave as it is.
    fileprivate static let overprovisioningFactor = 140
    /// Weights in the place of one percent of the traffic.
    private static let unitsPerPercent = 10_000

    /// How much of the traffic Envoy gives each priority, in percent.
    ///
    /// In Envoy's own integers and order of rounding (`LoadBalancerBase`): the sum is 100, unless the
    /// plan is empty.
    package var loads: [Int] {
        let availabilities = priorities.map { groups in
            let serving = groups.map(\.serving).reduce(0, +)
            let total = groups.map(\.endpoints.count).reduce(0, +)
            return min(100, Self.overprovisioningFactor * serving / total)
        }
        let total = min(100, availabilities.reduce(0, +))
        // Each priority has somebody who serves. All round to nothing only in regions of which less
        // than 1 % serves, and then the first one has to do.
        guard total > 0 else { return priorities.indices.map { $0 == 0 ? 100 : 0 } }
        var left = 100
        var loads = availabilities.map { availability in
            let load = min(left, availability * 100 / total)
            left -= load
            return load
        }
        if let first = availabilities.firstIndex(where: { $0 > 0 }) { loads[first] += left }
        return loads
    }

    /// The same plan for a client that leaves a priority only when nobody in it can be reached.
    ///
    /// Proxyless gRPC does so, and it leaves out endpoints that are not healthy before it weighs
    /// anything. What Envoy would do by itself is done for it here: the priorities that get traffic
    /// become the first one together, each locality with its part as a weight; the others follow as
    /// they were. Endpoints that do not serve are left out.
    package func withoutOverprovisioning() -> RoutePlan {
        let loads = loads
        let first = priorities.indices.filter { loads[$0] > 0 }
        let head = first.flatMap { priority in
            Self.weighed(priorities[priority], percent: first.count > 1 ? loads[priority] : 100)
        }
        let tail = priorities.indices.filter { loads[$0] == 0 }.map { priority in
            Self.weighed(priorities[priority], percent: 100)
        }
        let merged = head.isEmpty ? [] : [head.sorted { $0.locality < $1.locality }]
        let shifted =
            first.count > 1 ? [RouteReason.spillInWeights(loads: first.map { loads[$0] })] : []
        return RoutePlan(priorities: merged + tail, reasons: reasons + shifted)
    }

    /// The groups with somebody who serves, weighing `percent` together.
    ///
    /// A locality's weight counts in full until fewer than 1/1.4 of its endpoints serve, and in
    /// proportion below, as it does in Envoy.
    private static func weighed(_ groups: [LocalityGroup], percent: Int) -> [LocalityGroup] {
        let serving = groups.filter { $0.serving > 0 }
        let units = max(percent * unitsPerPercent, serving.count)
        let weights = Apportionment.divide(units, by: serving.map(\.effectiveWeight))
        return zip(serving, weights).map { group, weight in
            LocalityGroup(
                locality: group.locality,
                weight: UInt32(clamping: weight),
                endpoints: group.endpoints.filter { $0.health == .serving }
            )
        }
    }
}

extension RoutePlan.LocalityGroup {
    fileprivate var serving: Int { endpoints.count { $0.health == .serving } }

    /// The weight in hundredths, as much of it as the serving endpoints bear; at least 1.
    ///
    /// No sum comes near an overflow: a weight has 32 bits and a plan far fewer than 2^20 endpoints.
    fileprivate var effectiveWeight: Int {
        let borne = min(100 * endpoints.count, RoutePlan.overprovisioningFactor * serving)
        return max(1, Int(weight) * borne / endpoints.count)
    }
}
