import Loads
import Primitives
import Testing

/// Which clients an endpoint fails, and for how many it works.
@Suite struct ReporterViewTests {
    @Test func `an endpoint fails a client when that has had failures only`() {
        let world = World()
        let reporters = (1...4).map { world.come(NodeID("s\($0)")) }
        world.report(reporters[0], at: 10, reports(endpoint(one, 0, failed: 9)))
        world.report(reporters[1], at: 10, reports(endpoint(one, 1, failed: 9)))
        world.report(reporters[2], at: 10, reports(endpoint(one, 5)))
        world.report(reporters[3], at: 10, reports(endpoint(one, 0, inFlight: 3)))
        #expect(world.endpoint(one, at: 10)?.reporters == 3)
        #expect(world.endpoint(one, at: 10)?.failingReporters == 1)
        #expect(world.endpoint(one, at: 10)?.failingShare == 1.0 / 3)
        let views = world.table.views(of: one, in: "reports")
        #expect(views.map(\.node) == ["s1", "s2", "s3", "s4"])
        #expect(views.map(\.outcome) == [.failsEverything, .answers, .answers, .unknown])
        #expect(views.map(\.inFlight) == [0, 0, 0, 3])
    }

    @Test func `nobody knows of an endpoint without a request`() {
        let world = World()
        let reporter = world.come()
        world.report(reporter, at: 10, reports(endpoint(one, 0, inFlight: 1)))
        #expect(world.endpoint(one, at: 10)?.failingShare == nil)
    }

    @Test func `an answer counts for at least half a window, and for less than one and a half`() {
        let world = World()
        let reporter = world.come()
        world.report(reporter, at: 29, reports(endpoint(one, 1)))
        world.report(reporter, at: 59, reports(endpoint(one, 0, failed: 1)))
        #expect(world.endpoint(one, at: 59)?.failingReporters == 0)
        world.report(reporter, at: 60, reports(endpoint(one, 0, failed: 1)))
        #expect(world.endpoint(one, at: 60)?.failingReporters == 1)
        world.report(reporter, at: 61, reports(endpoint(one, 1)))
        #expect(world.endpoint(one, at: 61)?.failingReporters == 0)
    }

    @Test func `a client that no longer calls an endpoint has no say in it`() {
        let world = World()
        let reporter = world.come()
        world.report(reporter, at: 10, reports(endpoint(one, 0, failed: 1), endpoint(two, 1)))
        world.report(reporter, at: 31, reports(endpoint(two, 1)))
        #expect(world.endpoint(one, at: 31)?.failingReporters == 1)
        world.report(reporter, at: 61, reports(endpoint(two, 1)))
        #expect(world.endpoint(one, at: 61)?.reporters == 0)
        #expect(world.endpoint(one, at: 61)?.failingReporters == 0)
        #expect(world.table.views(of: one, in: "reports") == [])
    }
}
