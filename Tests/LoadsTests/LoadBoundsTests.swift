import Loads
import Primitives
import Testing

/// What clients can't make the table do.
@Suite struct LoadBoundsTests {
    private func left(malformed: Int = 0, beyondBounds: Int = 0) -> LoadTable.OnReport {
        .merged(LoadTable.LeftOut(malformed: malformed, beyondBounds: beyondBounds))
    }

    private func drops(_ name: String, isKnown: Bool = true) -> ClusterReport {
        ClusterReport(name: name, interval: .seconds(10), isKnown: isKnown, dropped: 1)
    }

    @Test(arguments: [(2, LoadTable.OnReporter.welcome), (1, .refuse)])
    func `reporters are bounded`(bound: Int, expected: LoadTable.OnReporter) {
        let world = World(LoadLimits(maximumReporters: bound))
        _ = world.come("a")
        let second = world.table.reporterCame(ReporterID(99), node: "b", now: .zero)
        #expect(second == expected)
    }

    @Test func `clusters are bounded, and unknown ones leave room for the known`() {
        let world = World(LoadLimits(maximumClusters: 2, maximumUnknownClusters: 1))
        let reporter = world.come()
        let first = world.report(
            reporter,
            at: 10,
            drops("x", isKnown: false),
            drops("y", isKnown: false),
            drops("a"),
            drops("b"),
            drops("c")
        )
        #expect(first == left(beyondBounds: 2))
        let names = world.table.snapshot(now: .seconds(10)).clusters.map(\.name)
        #expect(names == ["a", "b", "x"])
        // The mesh has got it, so there is room for another unknown one, when a known one has left.
        world.report(reporter, at: 60, drops("x"), drops("b"))
        world.table.timePassed(now: .seconds(70))
        let later = world.report(reporter, at: 70, drops("y", isKnown: false), drops("c"))
        #expect(later == left(beyondBounds: 1))
        #expect(
            world.table.snapshot(now: .seconds(70)).clusters.map(\.name) == ["b", "x", "y"]
        )
    }

    @Test(arguments: [(2, 0), (1, 1)])
    func `localities are bounded`(bound: Int, leftOut: Int) {
        let world = World(LoadLimits(maximumLocalities: bound))
        let reporter = world.come()
        let outcome = world.report(
            reporter,
            at: 10,
            reports(in: eu, endpoint(one, 1)),
            reports(in: us, endpoint(two, 1))
        )
        #expect(outcome == left(beyondBounds: leftOut))
        #expect(world.cluster(at: 10)?.localities.count == bound)
    }

    @Test(arguments: [(2, 0), (1, 1)])
    func `endpoints are bounded, and the locality still counts all`(bound: Int, leftOut: Int) {
        let world = World(LoadLimits(maximumEndpoints: bound))
        let reporter = world.come()
        let outcome = world.report(reporter, at: 10, reports(endpoint(one, 1), endpoint(two, 2)))
        #expect(outcome == left(beyondBounds: leftOut))
        #expect(world.cluster(at: 10)?.localities[0].endpoints.count == bound)
        #expect(world.cluster(at: 10)?.load.counts.succeeded == 3)
    }

    @Test(arguments: [(2, 0), (1, 1)])
    func `pairs of a reporter and an endpoint are bounded, and its counts still count`(
        bound: Int,
        leftOut: Int
    ) {
        let world = World(LoadLimits(maximumReporterEntries: bound))
        let reporters = [world.come("a"), world.come("b")]
        world.report(reporters[0], at: 10, reports(endpoint(one, 1)))
        let outcome = world.report(reporters[1], at: 10, reports(endpoint(one, 1)))
        #expect(outcome == left(beyondBounds: leftOut))
        #expect(world.endpoint(one, at: 10)?.reporters == bound)
        #expect(world.endpoint(one, at: 10)?.load.counts.succeeded == 2)
        world.table.reporterLeft(reporters[0])
        let again = world.report(reporters[1], at: 20, reports(endpoint(one, 1)))
        #expect(again == left())
    }

    @Test(arguments: [(4, 0), (3, 1)])
    func `what one report brings is bounded`(bound: Int, leftOut: Int) {
        let world = World(LoadLimits(maximumEntriesPerReport: bound))
        let reporter = world.come()
        let outcome = world.report(reporter, at: 10, reports(endpoint(one, 1), endpoint(two, 1)))
        #expect(outcome == left(beyondBounds: leftOut))
    }

    @Test(arguments: [(2, 0), (1, 1)])
    func `metrics and drop categories are bounded`(bound: Int, leftOut: Int) {
        let world = World(LoadLimits(maximumMetrics: bound, maximumDropCategories: bound))
        let reporter = world.come()
        var sample = LoadSample(RequestCounts(1))
        sample.metrics = ["a", "b"].map { MetricSample(name: $0, requests: 1, total: 1) }
        var cluster = reports(EndpointReport(one, sample))
        cluster.droppedByCategory = ["a", "b"].map { DropReport(category: $0, count: 1) }
        let outcome = world.report(reporter, at: 10, cluster)
        #expect(outcome == left(beyondBounds: 2 * leftOut))
        #expect(world.endpoint(one, at: 10)?.metrics.count == bound)
        #expect(world.cluster(at: 10)?.droppedByCategory.count == bound)
    }

    @Test(arguments: [(1_000, 0), (1_001, 2)])
    func `a count beyond its bound is left out with its endpoint`(count: UInt64, leftOut: Int) {
        // A negative number is an enormous one here.
        let world = World(LoadLimits(maximumCount: 1_000))
        let reporter = world.come()
        for sample in [LoadSample(RequestCounts(count)), LoadSample(inFlight: count)] {
            let cluster = ClusterReport(
                name: "reports",
                localities: [
                    LocalityReport(
                        eu,
                        LoadSample(),
                        endpoints: [EndpointReport(one, sample), endpoint(two, 1)]
                    ), LocalityReport(us, sample),
                ]
            )
            let outcome = world.report(reporter, at: 10, cluster)
            #expect(outcome == left(malformed: leftOut))
        }
        #expect((world.endpoint(one, at: 10) != nil) == (leftOut == 0))
        #expect(world.endpoint(two, at: 10)?.load.counts.succeeded == 2)
    }

    @Test func `names that are empty or too long, and numbers that are none, are left out`() {
        let world = World(LoadLimits(maximumNameBytes: 12))
        let reporter = world.come()
        let long = String(repeating: "x", count: 13)
        var sample = LoadSample(RequestCounts(1))
        sample.metrics = [
            MetricSample(name: "", requests: 1, total: 1),
            MetricSample(name: long, requests: 1, total: 1),
            MetricSample(name: "nan", requests: 1, total: .nan),
            MetricSample(name: "infinite", requests: 1, total: .infinity),
            MetricSample(name: "good", requests: 1, total: -1),
        ]
        let outcome = world.report(
            reporter,
            at: 10,
            drops(""),
            drops(long),
            reports(in: LoadLocality(Locality(region: RegionName(long))), endpoint(one, 1)),
            reports(endpoint(EndpointAddress(host: "", port: 1), 1)),
            reports(EndpointReport(two, sample))
        )
        #expect(outcome == left(malformed: 8))
        #expect(world.endpoint(two, at: 10)?.metrics.map(\.name) == ["good"])
    }

    @Test func `sums stay at the highest count rather than overflow`() {
        let world = World(LoadLimits(maximumCount: .max))
        let reporter = world.come()
        for _ in 0..<2 {
            world.report(
                reporter,
                at: 10,
                ClusterReport(
                    name: "reports",
                    localities: [
                        LocalityReport(
                            eu,
                            LoadSample(RequestCounts(issued: .max), inFlight: .max),
                            endpoints: [
                                EndpointReport(one, LoadSample(inFlight: .max)),
                                EndpointReport(two, LoadSample(inFlight: .max)),
                            ]
                        )
                    ],
                    dropped: .max
                )
            )
        }
        #expect(world.cluster(at: 10)?.load.counts.issued == .max)
        #expect(world.cluster(at: 10)?.dropped == .max)
        world.table.reporterLeft(reporter)
        #expect(world.cluster(at: 10)?.load.inFlight == 0)
    }

    @Test(arguments: [Duration.zero, .seconds(-5), .seconds(61), .seconds(1 << 60)])
    func `an interval beyond reason is taken for one slot`(interval: Duration) {
        let world = World()
        let reporter = world.come()
        world.report(reporter, at: 30, reports(interval: interval, endpoint(one, 10)))
        #expect(world.endpoint(one, at: 30)?.load.time == .seconds(10))
    }

    @Test func `a time before the last one changes nothing that is newer`() {
        let world = World()
        let reporter = world.come(at: 100)
        world.report(reporter, at: 100, reports(endpoint(one, 5)))
        world.report(reporter, at: 40, reports(endpoint(one, 5)))
        #expect(world.endpoint(one, at: 100)?.load.counts.succeeded == 10)
    }

    @Test func `after any sequence of reports the table forgets everything`() {
        var random = SeededRandom(seed: 42)
        let world = World(LoadLimits(maximumReporterEntries: 12))
        var reporters: [ReporterID] = []
        var now = 0.0
        for step in 0..<2_000 {
            now += Double.random(in: 0...4, using: &random)
            switch Int.random(in: 0..<10, using: &random) {
            case 0: reporters.append(world.come(NodeID("s\(step)"), at: now))
            case 1 where !reporters.isEmpty:
                let index = Int.random(in: 0..<reporters.count, using: &random)
                world.table.reporterLeft(reporters.remove(at: index))
            case 2: world.table.timePassed(now: .seconds(now))
            default:
                guard let reporter = reporters.randomElement(using: &random) else { continue }
                let reported = [one, two].filter { _ in Bool.random(using: &random) }.map {
                    endpoint(
                        $0,
                        UInt64.random(in: 0...2, using: &random),
                        failed: UInt64.random(in: 0...2, using: &random),
                        inFlight: UInt64.random(in: 0...3, using: &random)
                    )
                }
                var cluster = reports()
                cluster.localities = [
                    LocalityReport(
                        Bool.random(using: &random) ? eu : us,
                        LoadSample(inFlight: reported.reduce(0) { $0 + $1.load.inFlight }),
                        endpoints: reported
                    )
                ]
                world.report(reporter, at: now, cluster)
            }
            for load in world.cluster(at: now)?.localities.flatMap(\.endpoints) ?? [] {
                #expect(load.reporters >= load.failingReporters && load.failingReporters >= 0)
                #expect(load.reporters <= reporters.count)
            }
        }
        for reporter in reporters { world.table.reporterLeft(reporter) }
        let loads = world.cluster(at: now)?.localities.flatMap(\.endpoints) ?? []
        #expect(loads.allSatisfy { $0.load.inFlight == 0 && $0.reporters == 0 })
        world.table.timePassed(now: .seconds(now + 60))
        #expect(world.table.snapshot(now: .seconds(now + 60)).clusters == [])
        let isEmpty = world.table.isEmpty
        #expect(isEmpty)
    }
}
