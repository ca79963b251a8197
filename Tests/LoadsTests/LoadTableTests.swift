import Loads
import Primitives
import Testing

/// What the table makes of reports that are as they should be.
@Suite struct LoadTableTests {
    @Test func `the reports of several clients add up`() throws {
        let world = World()
        let first = world.come("a")
        let second = world.come("b")
        world.report(first, at: 10, reports(endpoint(one, 30, failed: 2, inFlight: 3)))
        world.report(second, at: 11, reports(endpoint(one, 10), endpoint(two, 5, inFlight: 1)))
        let cluster = try #require(world.cluster(at: 12))
        #expect(cluster.load.counts == RequestCounts(45, 2))
        #expect(cluster.load.inFlight == 4)
        #expect(cluster.localities.map(\.key) == [eu])
        #expect(cluster.localities[0].endpoints.map(\.address) == [one, two])
        #expect(cluster.endpoint(at: one)?.load.counts == RequestCounts(40, 2))
        #expect(cluster.endpoint(at: two)?.load.inFlight == 1)
    }

    @Test func `a cluster is the sum of its localities in the order of their priority`() throws {
        let world = World()
        let reporter = world.come()
        world.report(
            reporter,
            at: 10,
            reports(in: us, endpoint(two, 7)),
            reports(in: eu, endpoint(one, 3))
        )
        let cluster = try #require(world.cluster(at: 10))
        #expect(cluster.localities.map(\.key) == [eu, us])
        #expect(cluster.load.counts.succeeded == 10)
    }

    @Test func `a rate is of the time that was reported, at first of the interval`() throws {
        let world = World()
        let reporter = world.come()
        world.report(reporter, at: 10, reports(endpoint(one, 50)))
        let early = try #require(world.endpoint(one, at: 10))
        #expect(early.load.time == .seconds(10))
        #expect(early.load.succeededPerSecond == 5)
        world.report(reporter, at: 20, reports(endpoint(one, 150, failed: 50)))
        let later = try #require(world.endpoint(one, at: 20))
        #expect(later.load.time == .seconds(20))
        #expect(later.load.issuedPerSecond == 12.5)
        #expect(later.load.failedPerSecond == 2.5)
    }

    @Test func `counts fall out of the window slot by slot`() {
        let world = World()
        let reporter = world.come()
        for round in 1...12 {
            world.report(reporter, at: Double(round) * 10, reports(endpoint(one, 1)))
        }
        // Slots of 70 to 129 s.
        #expect(world.endpoint(one, at: 129)?.load.counts.succeeded == 6)
        #expect(world.endpoint(one, at: 129)?.load.time == .seconds(59))
        #expect(world.endpoint(one, at: 130)?.load.counts.succeeded == 5)
        #expect(world.endpoint(one, at: 179)?.load.counts.succeeded == 1)
        #expect(world.endpoint(one, at: 180)?.load.counts.succeeded == 0)
        #expect(world.endpoint(one, at: 180)?.load.time == .zero)
    }

    @Test func `what is under way is a level, each client's last word`() {
        let world = World()
        let first = world.come("a")
        let second = world.come("b")
        world.report(first, at: 10, reports(endpoint(one, 1, inFlight: 5)))
        world.report(second, at: 10, reports(endpoint(one, 1, inFlight: 2)))
        world.report(first, at: 20, reports(endpoint(one, 1, inFlight: 1)))
        #expect(world.endpoint(one, at: 20)?.load.inFlight == 3)
        // A report that doesn't mention it: Envoy leaves idle endpoints out.
        world.report(first, at: 30)
        #expect(world.endpoint(one, at: 30)?.load.inFlight == 2)
        #expect(world.cluster(at: 30)?.load.inFlight == 2)
    }

    @Test func `what one report has twice is added up`() {
        let world = World()
        let reporter = world.come()
        world.report(
            reporter,
            at: 10,
            reports(endpoint(one, 1, inFlight: 5)),
            reports(endpoint(one, 2, inFlight: 1))
        )
        #expect(world.endpoint(one, at: 10)?.load.counts.succeeded == 3)
        #expect(world.endpoint(one, at: 10)?.load.inFlight == 6)
        #expect(world.cluster(at: 10)?.load.inFlight == 6)
    }

    @Test func `a client that leaves takes what is under way, and its counts stay for their time`()
    {
        let world = World()
        let reporter = world.come()
        world.report(reporter, at: 10, reports(endpoint(one, 4, inFlight: 5)))
        world.table.reporterLeft(reporter)
        #expect(world.endpoint(one, at: 20)?.load.inFlight == 0)
        #expect(world.cluster(at: 20)?.load.inFlight == 0)
        #expect(world.endpoint(one, at: 20)?.load.counts.succeeded == 4)
        #expect(world.endpoint(one, at: 20)?.reporters == 0)
        let late = world.report(reporter, at: 20, reports(endpoint(one, 4)))
        #expect(late == .ignoreUnknownReporter)
        world.table.timePassed(now: .seconds(69))
        #expect(world.cluster(at: 69) != nil)
        world.table.timePassed(now: .seconds(70))
        #expect(world.cluster(at: 70) == nil)
    }

    @Test func `a client that falls silent is forgotten until it speaks again`() {
        let world = World()
        let silent = world.come("a")
        let other = world.come("b")
        world.report(silent, at: 10, reports(endpoint(one, 4, inFlight: 5)))
        for round in 1...7 {
            world.report(other, at: Double(round) * 10, reports(endpoint(one, 1, inFlight: 1)))
        }
        world.table.timePassed(now: .seconds(69))
        #expect(world.endpoint(one, at: 69)?.load.inFlight == 6)
        #expect(world.endpoint(one, at: 69)?.reporters == 2)
        world.table.timePassed(now: .seconds(70))
        #expect(world.endpoint(one, at: 70)?.load.inFlight == 1)
        #expect(world.endpoint(one, at: 70)?.reporters == 1)
        world.report(silent, at: 71, reports(endpoint(one, 4, inFlight: 2)))
        #expect(world.endpoint(one, at: 71)?.load.inFlight == 3)
        #expect(world.endpoint(one, at: 71)?.reporters == 2)
    }

    @Test func `an endpoint that nobody reports any more is forgotten, the others stay`() {
        let world = World()
        let reporter = world.come()
        world.report(reporter, at: 10, reports(endpoint(one, 4), endpoint(two, 4, inFlight: 1)))
        for round in 2...13 {
            world.report(reporter, at: Double(round) * 10, reports(endpoint(one, 1)))
            world.table.timePassed(now: .seconds(round * 10))
        }
        #expect(world.cluster(at: 130)?.localities[0].endpoints.map(\.address) == [one])
    }

    @Test func `metrics of endpoints are averaged over the requests that came with them`() {
        let world = World()
        let reporter = world.come()
        for (total, requests) in [(3.0, UInt64(10)), (1.5, 20)] {
            var load = LoadSample(RequestCounts(requests))
            load.metrics = [MetricSample(name: "utilization", requests: requests, total: total)]
            world.report(reporter, at: 10, reports(EndpointReport(one, load)))
        }
        let metrics = world.endpoint(one, at: 10)?.metrics ?? []
        #expect(metrics.map(\.name) == ["utilization"])
        #expect(metrics.first?.sum.mean == 0.15)
        #expect(world.endpoint(one, at: 70)?.metrics == [])
    }

    @Test func `drops are counted by category`() {
        let world = World()
        let reporter = world.come()
        for round in 1...2 {
            world.report(
                reporter,
                at: Double(round) * 10,
                ClusterReport(
                    name: "reports",
                    interval: .seconds(10),
                    dropped: 5,
                    droppedByCategory: [
                        DropReport(category: "throttle", count: 3),
                        DropReport(category: "lb", count: 2),
                    ]
                )
            )
        }
        #expect(world.cluster(at: 20)?.dropped == 10)
        #expect(
            world.cluster(at: 20)?.droppedByCategory == [
                DropReport(category: "lb", count: 4), DropReport(category: "throttle", count: 6),
            ]
        )
        #expect(world.cluster(at: 80)?.droppedByCategory == [])
    }

    @Test func `only the clusters that are asked for are read`() {
        let world = World()
        let reporter = world.come()
        world.report(
            reporter,
            at: 10,
            ClusterReport(name: "b", dropped: 1),
            ClusterReport(name: "c", dropped: 1),
            ClusterReport(name: "a", dropped: 1)
        )
        let all = world.table.snapshot(now: .seconds(10))
        let some = world.table.snapshot(now: .seconds(10), clusters: ["c", "no-such", "a"])
        #expect(all.clusters.map(\.name) == ["a", "b", "c"])
        #expect(["a", "b", "c", "d"].map { all.cluster(named: $0)?.dropped } == [1, 1, 1, nil])
        #expect(some.clusters.map(\.name) == ["a", "c"])
    }
}
