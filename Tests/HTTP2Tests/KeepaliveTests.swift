import NIOCore
import Testing

@testable import HTTP2

struct KeepaliveTests {
    private func second(_ seconds: Int64) -> NIODeadline {
        .uptimeNanoseconds(0) + .seconds(seconds)
    }

    private func keepalive() -> Keepalive {
        Keepalive(interval: .seconds(30), timeout: .seconds(10), now: second(0))
    }

    @Test func `a silent peer is probed after the interval and given up after the timeout`() {
        var keepalive = keepalive()
        let first = keepalive.timerFired(now: second(30))
        let last = keepalive.timerFired(now: second(40))
        #expect(first == .ping(thenWaitUntil: second(40)))
        #expect(last == .close)
    }

    @Test func `a peer that was heard is left alone until the interval is over again`() {
        var keepalive = keepalive()
        keepalive.heard(now: second(20))
        let action = keepalive.timerFired(now: second(30))
        #expect(action == .wait(until: second(50)))
    }

    @Test func `any byte answers the probe`() {
        var keepalive = keepalive()
        _ = keepalive.timerFired(now: second(30))
        keepalive.heard(now: second(35))
        let action = keepalive.timerFired(now: second(40))
        #expect(action == .wait(until: second(65)))
    }

    @Test func `a silent peer is left alone while there is no call to keep alive`() {
        var keepalive = keepalive()
        let idle = keepalive.timerFired(now: second(30), mayPing: false)
        let busy = keepalive.timerFired(now: second(60), mayPing: true)
        #expect(idle == .wait(until: second(60)))
        #expect(busy == .ping(thenWaitUntil: second(70)))
    }

    @Test func `a timer that fires early waits for the rest`() {
        var keepalive = keepalive()
        let listening = keepalive.timerFired(now: second(29))
        _ = keepalive.timerFired(now: second(30))
        let probing = keepalive.timerFired(now: second(39))
        #expect(listening == .wait(until: second(30)))
        #expect(probing == .wait(until: second(40)))
    }

    @Test func `a second silence is probed like the first`() {
        var keepalive = keepalive()
        _ = keepalive.timerFired(now: second(30))
        keepalive.heard(now: second(31))
        let action = keepalive.timerFired(now: second(61))
        #expect(action == .ping(thenWaitUntil: second(71)))
    }
}
