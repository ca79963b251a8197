import NIOCore
import Testing

@testable import HTTP2

struct AbuseGuardTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    /// How often `event` passes at one time, and the rule that it then breaks.
    private func exhaust(
        _ event: AbuseGuard.Event,
        _ abuse: inout AbuseGuard
    ) -> (count: Int, rule: EndingRule) {
        var count = 0
        while true {
            if let rule = abuse.happened(event, now: start) { return (count, rule) }
            count += 1
        }
    }

    @Test func `every event has its own limit and its own rule`() {
        var limits = FloodLimits()
        limits.resets = Rate(burst: 1, perSecond: 1)
        limits.pings = Rate(burst: 2, perSecond: 1)
        limits.settings = Rate(burst: 3, perSecond: 1)
        limits.priorities = Rate(burst: 4, perSecond: 1)
        limits.windowUpdates = Rate(burst: 5, perSecond: 1)
        limits.emptyFrames = Rate(burst: 6, perSecond: 1)
        limits.otherFrames = Rate(burst: 7, perSecond: 1)
        limits.refusedStreams = Rate(burst: 8, perSecond: 1)
        limits.streamErrors = Rate(burst: 9, perSecond: 1)
        var abuse = AbuseGuard(limits, now: start)
        let results = AbuseGuard.Event.allCases.map { exhaust($0, &abuse) }
        #expect(results.map(\.count) == [1, 2, 3, 4, 5, 6, 7, 8, 9])
        #expect(
            results.map(\.rule) == [
                .resetFlood, .pingFlood, .settingsFlood, .priorityFlood, .windowUpdateFlood,
                .emptyFrameFlood, .otherFrameFlood, .refusedStreamFlood, .streamErrorFlood,
            ]
        )
    }

    @Test func `a client that is sent data may update windows and ping as it goes`() {
        var abuse = AbuseGuard(FloodLimits(), now: start)
        var broken: EndingRule?
        for _ in 0..<100_000 {
            abuse.dataSent()
            for event in [AbuseGuard.Event.windowUpdate, .windowUpdate, .ping] {
                broken = broken ?? abuse.happened(event, now: start)
            }
        }
        #expect(broken == nil)
    }

    @Test func `a gRPC client's keepalive is never too much`() {
        var abuse = AbuseGuard(FloodLimits(), now: start)
        var broken: EndingRule?
        // A PING each ten seconds and our own one's acknowledgement, for a day.
        for second in stride(from: Int64(0), to: 86_400, by: 10) {
            let now = start + .seconds(second)
            broken = broken ?? abuse.happened(.ping, now: now) ?? abuse.happened(.ping, now: now)
        }
        #expect(broken == nil)
    }

    @Test func `every rule has a counter, a text and a code of its own`() {
        let counters = Set(EndingRule.allCases.map(\.counter))
        let texts = Set(EndingRule.allCases.map { $0.text.description })
        let values = ConnectionCounters().values
        #expect(counters.count == EndingRule.allCases.count)
        #expect(texts.count == EndingRule.allCases.count)
        #expect(counters.allSatisfy { values[$0] == 0 })
    }
}
