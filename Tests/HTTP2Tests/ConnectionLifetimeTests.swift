import NIOCore
import Primitives
import Testing

@testable import HTTP2

struct ConnectionLifetimeTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    private func lifetime(
        seed: UInt64 = 1,
        _ change: (inout HTTP2Configuration) -> Void
    ) -> ConnectionLifetime {
        var configuration = HTTP2Configuration()
        configuration.prefaceTimeout = .seconds(10)
        configuration.maximumConnectionIdle = nil
        configuration.connectionAgeJitter = 0
        configuration.connectionAgeGrace = .seconds(7)
        configuration.drainTimeout = .seconds(5)
        change(&configuration)
        var random = SeededRandom(seed: seed)
        return ConnectionLifetime(configuration, now: start, using: &random)
    }

    private func fired(
        _ lifetime: inout ConnectionLifetime,
        _ seconds: Int64,
        open: Int = 0,
        soFar: UInt64 = 0
    ) -> ConnectionLifetime.OnTimer {
        lifetime.timerFired(now: start + .seconds(seconds), openStreams: open, streamsSoFar: soFar)
    }

    @Test func `no preface ends the connection at the timeout and not before`() {
        var lifetime = lifetime { _ in }
        let look = lifetime.nextLook(after: start)
        let early = fired(&lifetime, 9)
        let due = fired(&lifetime, 10)
        #expect(look == start + .seconds(10))
        #expect(early == .wait(until: start + .seconds(10)))
        #expect(due == .end(.prefaceTimeout))
    }

    @Test func `with its SETTINGS in and no other limit a connection is left alone`() {
        var lifetime = lifetime { _ in }
        lifetime.settingsReceived()
        let action = fired(&lifetime, 10)
        #expect(action == .rest)
        #expect(lifetime.nextLook(after: start) == nil)
    }

    @Test func `a connection that never had a stream ends at the idle time`() {
        var lifetime = lifetime { $0.maximumConnectionIdle = .seconds(100) }
        lifetime.settingsReceived()
        let early = fired(&lifetime, 99)
        let due = fired(&lifetime, 100)
        #expect(early == .wait(until: start + .seconds(100)))
        #expect(due == .drain(.idle, within: .seconds(5)))
    }

    @Test func `a stream between two looks begins the idle time again`() {
        var lifetime = lifetime { $0.maximumConnectionIdle = .seconds(100) }
        lifetime.settingsReceived()
        _ = fired(&lifetime, 75, soFar: 1)
        let atFirst = fired(&lifetime, 100, soFar: 1)
        let almost = fired(&lifetime, 174, soFar: 1)
        let due = fired(&lifetime, 175, soFar: 1)
        #expect(atFirst != .drain(.idle, within: .seconds(5)))
        #expect(almost == .wait(until: start + .seconds(175)))
        #expect(due == .drain(.idle, within: .seconds(5)))
    }

    @Test func `a connection with an open stream is never idle`() {
        var lifetime = lifetime { $0.maximumConnectionIdle = .seconds(100) }
        lifetime.settingsReceived()
        let actions = (1...50).map { fired(&lifetime, $0 * 100, open: 1, soFar: 1) }
        let waits = actions.allSatisfy {
            if case .wait = $0 { true } else { false }
        }
        #expect(waits)
    }

    @Test func `a connection drains at its age with the age's own grace`() {
        var lifetime = lifetime { $0.maximumConnectionAge = .seconds(60) }
        lifetime.settingsReceived()
        let early = fired(&lifetime, 59, open: 1, soFar: 1)
        let due = fired(&lifetime, 60, open: 1, soFar: 1)
        #expect(early == .wait(until: start + .seconds(60)))
        #expect(due == .drain(.age, within: .seconds(7)))
    }

    @Test func `ages vary by the jitter each way and no more`() {
        let ages = (0..<500 as Range<UInt64>).compactMap { seed -> Int64? in
            let lifetime = lifetime(seed: seed) {
                $0.maximumConnectionAge = .seconds(1000)
                $0.connectionAgeJitter = 0.1
                $0.prefaceTimeout = .hours(1)
            }
            return lifetime.nextLook(after: start).map { ($0 - start).nanoseconds / 1_000_000_000 }
        }
        let low = ages.min() ?? 0
        let high = ages.max() ?? 0
        #expect(ages.count == 500)
        #expect(low >= 900 && low < 910)
        #expect(high <= 1100 && high > 1090)
    }
}
