import Primitives
import Testing
import XDSCore

struct ResourceStatusTests {
    @Test func `each resource has a state of its own`() {
        let stream = TestStream(view: .sample("cds a 1, cds b 1, rds r 1"))
        stream.subscribe("cds")
        #expect(stream.resourceStates == ["cds/a: sent", "cds/b: sent"])
        stream.nack("cds", "cluster b: no port")
        stream.ackAll()
        #expect(stream.resourceStates == ["cds/a: synced", "cds/b: nacked, cluster b: no port"])
    }

    @Test func `what waits for another type is not sent`() {
        let stream = TestStream(view: .sample("cds a 1, rds r 1"))
        stream.subscribe("cds")
        stream.subscribe("rds", "r", "x")
        let states = stream.resourceStates
        #expect(states == ["cds/a: sent", "rds/r: notSent", "rds/x: absent"])
    }
}
