import Mesh
import Primitives
import Routing
import Testing

/// What holds for every plan, over random meshes; a failure names the seed that repeats it.
@Suite struct RoutePlanPropertyTests {
    private struct Sample {
        let mesh: Mesh
        let shares: Shares
        let consumer: RegionName
        let endpoints: [Endpoint]
        let split: RegionShares?
    }

    @Test(arguments: 0..<300 as Range<UInt64>)
    func `every plan keeps the rules`(_ seed: UInt64) throws {
        let sample = try Self.sample(seed: seed)
        let plan = Self.plan(sample)
        let groups = plan.priorities.flatMap { $0 }

        // Every endpoint exactly once: those of regions that serve, unless they drain.
        let servingRegions = Set(
            sample.endpoints.filter { $0.health == .serving }.map(\.locality.region)
        )
        let expected = sample.endpoints.filter {
            $0.health != .draining && servingRegions.contains($0.locality.region)
        }
        let listed = groups.flatMap(\.endpoints)
        #expect(
            listed.map(\.workerID).sorted() == expected.map(\.workerID).sorted(),
            "seed \(seed)"
        )

        // No empty groups or priorities, no weight below 1, sorted localities without repetition.
        #expect(groups.allSatisfy { $0.weight >= 1 && !$0.endpoints.isEmpty }, "seed \(seed)")
        for priority in plan.priorities {
            let localities = priority.map(\.locality)
            #expect(!localities.isEmpty, "seed \(seed)")
            #expect(localities == Set(localities).sorted(), "seed \(seed)")
            #expect(
                priority.map { UInt64($0.weight) }.reduce(0, +) <= UInt64(UInt32.max),
                "seed \(seed)"
            )
        }
        for group in groups {
            #expect(
                group.endpoints.allSatisfy { $0.locality == group.locality },
                "seed \(seed)"
            )
        }
    }

    @Test(arguments: 0..<300 as Range<UInt64>)
    func `priorities follow the distance, behind the regions with shares`(_ seed: UInt64) throws {
        let sample = try Self.sample(seed: seed)
        let plan = Self.plan(sample)
        var regions = plan.priorities.map { Set($0.map(\.locality.region)) }
        if let split = sample.split, let first = regions.first,
            !first.isDisjoint(with: split.regions)
        {
            #expect(first.isSubset(of: split.regions), "seed \(seed)")
            regions.removeFirst()
        }
        #expect(regions.allSatisfy { $0.count == 1 }, "seed \(seed)")
        let order = regions.flatMap { $0 }
        let times = order.map { sample.mesh.roundTripTimes.between(sample.consumer, $0) }
        let keys = zip(times, order).map { ($0, $1 == sample.consumer ? 0 : 1, $1) }
        for (key, next) in zip(keys, keys.dropFirst()) {
            #expect(key < next, "seed \(seed)")
        }
    }

    @Test(arguments: 0..<300 as Range<UInt64>)
    func `the weights of regions with shares are in exact proportion`(_ seed: UInt64) throws {
        let sample = try Self.sample(seed: seed)
        guard let split = sample.split else { return }
        let plan = Self.plan(sample)
        var weights: [RegionName: UInt64] = [:]
        for group in plan.priorities.first ?? [] where split.percent(of: group.locality.region) > 0
        {
            weights[group.locality.region, default: 0] += UInt64(group.weight)
        }
        let units = Set(weights.map { $0.value / UInt64(split.percent(of: $0.key)) })
        let remainders = Set(weights.map { $0.value % UInt64(split.percent(of: $0.key)) })
        #expect(units.count <= 1, "seed \(seed)")
        #expect(remainders.subtracting([0]).isEmpty, "seed \(seed)")
    }

    @Test(arguments: 0..<100 as Range<UInt64>)
    func `the order in which endpoints come changes nothing`(_ seed: UInt64) throws {
        let sample = try Self.sample(seed: seed)
        var random = SeededRandom(seed: seed)
        let plan = Self.plan(sample)
        let shuffled = sample.mesh.routePlan(
            of: "s",
            from: sample.consumer,
            shares: sample.shares,
            endpoints: sample.endpoints.shuffled(using: &random)
        )
        #expect(plan == shuffled, "seed \(seed)")
    }

    // MARK: -

    private static func plan(_ sample: Sample) -> RoutePlan {
        sample.mesh.routePlan(
            of: "s",
            from: sample.consumer,
            shares: sample.shares,
            endpoints: sample.endpoints
        )
    }

    private static func sample(seed: UInt64) throws -> Sample {
        var random = SeededRandom(seed: seed)
        let regions = (0..<Int.random(in: 1...6, using: &random)).map { RegionName("r\($0)") }
        var times: [RoundTripTimes.Pair: Duration] = [:]
        for first in regions {
            for second in regions where first < second {
                // Few values, so that ties happen, zero among them.
                let time = Duration.milliseconds(Int.random(in: 0...4, using: &random) * 20)
                times[.init(first, second)] = time
            }
        }
        let mesh = Mesh(
            name: "random",
            regions: regions.shuffled(using: &random).map { Region(name: $0) },
            roundTripTimes: RoundTripTimes(times),
            services: [Service(name: "s", routes: ["/s/"])]
        )
        let endpoints = (0..<Int.random(in: 0...40, using: &random)).map { index in
            Endpoint(
                workerID: WorkerID("w\(index)"),
                address: EndpointAddress(host: "127.0.0.1", port: UInt16(index + 1)),
                locality: Locality(
                    region: regions.randomElement(using: &random) ?? "r0",
                    zone: ZoneName("z\(Int.random(in: 0...3, using: &random))")
                ),
                capacity: Int.random(in: -1...500, using: &random),
                health: [.serving, .serving, .draining, .notServing]
                    .randomElement(using: &random) ?? .serving
            )
        }
        let consumer = regions.randomElement(using: &random) ?? "r0"
        var shares = Shares()
        if Bool.random(using: &random) {
            try shares.set(
                percentages(regions, using: &random),
                of: "s",
                from: consumer,
                in: mesh
            )
        }
        var split: RegionShares?
        if case .split(let set) = shares.preference(of: "s", from: consumer) { split = set }
        return Sample(
            mesh: mesh,
            shares: shares,
            consumer: consumer,
            endpoints: endpoints,
            split: split
        )
    }

    /// Percentages with a sum of 100, some of them 0.
    private static func percentages(
        _ regions: [RegionName],
        using random: inout SeededRandom
    ) -> [RegionName: Int] {
        var left = 100
        var percentages: [RegionName: Int] = [:]
        for region in regions.dropLast() {
            let percent = Bool.random(using: &random) ? Int.random(in: 0...left, using: &random) : 0
            percentages[region] = percent
            left -= percent
        }
        if let last = regions.last { percentages[last] = left }
        return percentages
    }
}
