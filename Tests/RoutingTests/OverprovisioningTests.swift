import Mesh
import Primitives
import Routing
import Testing

/// What Envoy does with a part of a priority gone, and the plan that has it done for gRPC.
@Suite struct OverprovisioningTests {
    /// Serving of all endpoints in eu, us and ap, and what real Envoys were seen to do with it
    /// (within their sampling error).
    @Test(
        arguments: [
            ([(4, 4), (4, 4), (4, 4)], [100, 0, 0]),
            ([(3, 4), (4, 4), (4, 4)], [100, 0, 0]),
            ([(2, 4), (4, 4), (4, 4)], [70, 30, 0]),
            ([(1, 4), (4, 4), (4, 4)], [35, 65, 0]),
            ([(2, 4), (2, 4), (4, 4)], [70, 30, 0]),
            ([(1, 4), (1, 4), (1, 4)], [35, 35, 30]),
            // Not enough for all of the traffic: what there is takes it in proportion.
            ([(1, 6), (1, 6), (1, 6)], [34, 33, 33]),
            ([(1, 200), (1, 200), (1, 200)], [100, 0, 0]),
        ] as [([(Int, Int)], [Int])]
    )
    func `a priority keeps what 1.4 times its serving endpoints take`(
        regions: [(Int, Int)],
        loads: [Int]
    ) {
        let plan = plan(regions)
        #expect(plan.loads == loads)
    }

    @Test func `an empty plan has no loads`() {
        #expect(plan([]).loads == [])
        #expect(plan([]).withoutOverprovisioning().priorities == [])
    }

    @Test func `a whole region stays the only one of its priority`() {
        let shifted = plan([(3, 4), (1, 4), (4, 4)]).withoutOverprovisioning()
        #expect(shares(shifted) == [["eu": 100], ["us": 100], ["ap": 100]])
        #expect(shifted.priorities.map { $0[0].endpoints.count } == [3, 1, 4])
        #expect(shifted.reasons.allSatisfy { !$0.description.contains("over-provision") })
    }

    @Test func `what a degraded region spills becomes a weight beside it`() {
        let shifted = plan([(1, 4), (2, 4), (4, 4)]).withoutOverprovisioning()
        #expect(shares(shifted) == [["eu": 35, "us": 65], ["ap": 100]])
        #expect(shifted.priorities.map { $0.map(\.endpoints.count) } == [[1, 2], [4]])
        #expect(
            shifted.reasons.last?.description
                == "priorities 0 to 1 are one for clients that do not over-provision, "
                + "with 35, 65 percent"
        )
    }

    @Test func `shares are exact until a locality is under 1 in 1.4`() throws {
        let split: [RegionName: Int] = ["eu": 80, "us": 15, "ap": 5]
        let whole = plan([(3, 4), (4, 4), (4, 4)], shares: split).withoutOverprovisioning()
        let half = plan([(2, 4), (4, 4), (4, 4)], shares: split).withoutOverprovisioning()
        #expect(shares(whole) == [["eu": 80, "us": 15, "ap": 5]])
        // 80 × 0.7 : 15 : 5, as a real Envoy did with 74, 20 and 7 %.
        #expect(shares(half) == [["eu": 74, "us": 20, "ap": 7]])
    }

    @Test(arguments: 0..<300 as Range<UInt64>)
    func `no dead endpoint is listed and the traffic stays what Envoy would do`(
        _ seed: UInt64
    ) {
        var generator = SeededRandom(seed: seed)
        let regions = (0..<3).map { _ in
            let count = Int.random(in: 1...12, using: &generator)
            return (Int.random(in: 0...count, using: &generator), count)
        }
        let plan = plan(regions)
        let shifted = plan.withoutOverprovisioning()
        let listed = shifted.priorities.joined().flatMap(\.endpoints)
        let serving = plan.priorities.joined().flatMap(\.endpoints).filter {
            $0.health == .serving
        }
        #expect(Set(listed) == Set(serving) && listed.count == serving.count, "seed \(seed)")
        #expect(shifted.priorities.allSatisfy { !$0.isEmpty }, "seed \(seed)")
        #expect(shifted.priorities.joined().allSatisfy { $0.weight >= 1 }, "seed \(seed)")
        var expected: [String: Int] = [:]
        for (groups, load) in zip(plan.priorities, plan.loads) where load > 0 {
            expected[groups[0].locality.region.rawValue] = load
        }
        #expect(shares(shifted).first ?? [:] == expected, "seed \(seed)")
    }

    // MARK: -

    /// Serving of all endpoints in eu, us and ap, as seen from eu.
    private func plan(_ regions: [(Int, Int)], shares: [RegionName: Int] = [:]) -> RoutePlan {
        let names: [RegionName] = ["eu", "us", "ap"]
        let mesh = Mesh(
            name: "test",
            regions: names.map { Region(name: $0) },
            roundTripTimes: RoundTripTimes([
                .init("eu", "us"): .milliseconds(85),
                .init("us", "ap"): .milliseconds(150),
                .init("eu", "ap"): .milliseconds(230),
            ]),
            services: [Service(name: "reports", routes: ["/r/"])]
        )
        var set = Shares()
        if !shares.isEmpty { try? set.set(shares, of: "reports", from: "eu", in: mesh) }
        let endpoints = zip(names, regions).flatMap { name, counts in
            (0..<counts.1).map { index in
                Endpoint(
                    workerID: WorkerID("\(name)-\(index)"),
                    address: EndpointAddress(host: "\(name)", port: UInt16(index + 1)),
                    locality: Locality(region: name, zone: "a"),
                    capacity: 8,
                    health: index < counts.0 ? .serving : .notServing
                )
            }
        }
        return mesh.routePlan(of: "reports", from: "eu", shares: set, endpoints: endpoints)
    }

    /// Each region's part of its priority, in rounded percent.
    private func shares(_ plan: RoutePlan) -> [[String: Int]] {
        plan.priorities.map { groups in
            let total = groups.map { Double($0.weight) }.reduce(0, +)
            return groups.reduce(into: [:]) { shares, group in
                shares[group.locality.region.rawValue] =
                    Int((100 * Double(group.weight) / total).rounded())
            }
        }
    }
}
