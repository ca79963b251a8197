import Membership
import Primitives
import Testing

@Suite struct MembershipSequenceTests {
    /// Two workers, of which the second also claims the first one's address, and the two newest streams of the first.
    static let events: [WorldEvent] = [
        .register("w1", port: 1), .register("w2", port: 1), .register("w2", port: 2),
        .heartbeat("w1", streamAge: 0, isServing: true),
        .heartbeat("w1", streamAge: 1, isServing: true),
        .heartbeat("w1", streamAge: 0, isServing: false),
        .heartbeat("w2", streamAge: 0, isServing: true),
        .streamEnds("w1", streamAge: 0), .streamEnds("w1", streamAge: 1),
        .drain("w1", streamAge: 0), .drainAnnounced("w1", streamAge: 0),
        .withdrawalConfirmed("w1", streamAge: 0),
        .time(.seconds(3)), .expire, .restart,
    ]

    @Test(arguments: events)
    func `the invariants hold after every sequence of five events`(first: WorldEvent) {
        var checked = 0
        Self.visit([first], depth: 4, checked: &checked)
        // Nothing can happen to a stream before there is one.
        let canHappen = Self.canHappen([first])
        #expect(canHappen ? checked > 2_000 : checked == 0)
    }

    @Test
    func `the invariants hold after every four events that follow the start of a drain`() {
        let events: [WorldEvent] = [
            .register("w1", port: 2), .register("w2", port: 1),
            .heartbeat("w1", streamAge: 0, isServing: true),
            .drainAnnounced("w1", streamAge: 0), .withdrawalConfirmed("w1", streamAge: 0),
            .streamEnds("w1", streamAge: 0),
            .drain("w1", streamAge: 0), .drainAnnounced("w1", streamAge: 1),
            .withdrawalConfirmed("w1", streamAge: 1),
            .time(.seconds(6)), .expire,
        ]
        var checked = 0
        let start: [WorldEvent] = [
            .register("w1", port: 1), .register("w2", port: 2), .drain("w1", streamAge: 0),
        ]
        Self.visit(start, depth: 4, events: events, checked: &checked)
        #expect(checked > 4_000)
    }

    /// Runs every sequence up to the depth and checks it after its last event; its shorter ones are visited too.
    private static func visit(
        _ prefix: [WorldEvent],
        depth: Int,
        events: [WorldEvent] = events,
        checked: inout Int
    ) {
        for event in events {
            let sequence = prefix + [event]
            var world = World()
            guard sequence.allSatisfy({ world.happens($0) }) else { continue }
            world.check()
            checked += 1
            let problems = world.problems
            if !problems.isEmpty { Issue.record("\(problems) after \(sequence)") }
            if depth > 1 { visit(sequence, depth: depth - 1, events: events, checked: &checked) }
        }
    }

    private static func canHappen(_ sequence: [WorldEvent]) -> Bool {
        var world = World()
        return sequence.allSatisfy { world.happens($0) }
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func `the invariants hold in a random life of twelve workers`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var limits = MembershipLimits()
        limits.maximumRegistrations = 10
        var world = World(limits: limits)
        for step in 0..<3_000 {
            _ = world.happens(Self.randomEvent(using: &random))
            world.check()
            let problems = world.problems
            guard problems.isEmpty else {
                Issue.record("seed \(seed), step \(step): \(problems)")
                return
            }
        }
        #expect(world.grants > 100)
        #expect(world.expired > 5)
        #expect(world.held > 0)
    }

    private static func randomEvent(using random: inout SeededRandom) -> WorldEvent {
        let worker = WorkerID("w\(Int.random(in: 1...12, using: &random))")
        // Most heartbeats come from the newest stream, as in life; some from one that should be gone.
        let age = [0, 0, 0, 0, 1, 2].randomElement(using: &random) ?? 0
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<20: return .register(worker, port: UInt32.random(in: 1...14, using: &random))
        case 20..<60:
            return .heartbeat(
                worker,
                streamAge: age,
                isServing: Int.random(in: 0..<8, using: &random) > 0
            )
        case 60..<64: return .streamEnds(worker, streamAge: age)
        case 64..<70: return .drain(worker, streamAge: age)
        case 70..<74: return .drainAnnounced(worker, streamAge: age)
        case 74..<77: return .withdrawalConfirmed(worker, streamAge: age)
        case 77..<90: return .time(.milliseconds(Int.random(in: 1...1_500, using: &random)))
        case 90..<99: return .expire
        default: return .restart
        }
    }
}
