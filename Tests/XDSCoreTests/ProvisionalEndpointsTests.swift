import Primitives
import Testing
import XDSCore

/// A control plane that may not know all workers yet.
struct ProvisionalEndpointsTests {
    private func held(_ text: String, _ variant: ProtocolVariant = .delta) -> TestStream {
        let stream = TestStream(variant, view: .sample(text))
        stream.endpointsAreProvisional()
        return stream
    }

    @Test func `a client that has endpoints keeps them until the others are known`() {
        let stream = held("cds a 1, eds a 9")
        stream.subscribe("cds", has: ["a": "1"])
        #expect(stream.subscribe("eds", "a", has: ["a": "1"]) == [])
        #expect(stream.publish("cds a 1, eds a 10") == [])
        #expect(stream.state("eds") == .notSent)
        #expect(stream.endpointsAreKnown() == ["eds +a=10"])
        #expect(stream.endpointsAreKnown() == [])
        stream.ackAll()
        #expect(stream.state("eds") == .synced)
    }

    @Test func `endpoints that are gone are not removed until then`() {
        let stream = held("cds a 1")
        stream.subscribe("cds", has: ["a": "1"])
        #expect(stream.subscribe("eds", "a", "b", has: ["a": "1", "b": "1"]) == [])
        stream.publish("cds a 1, cds c 1")
        stream.ackAll()
        #expect(stream.pushes.flatMap(\.removedNames) == [])
        stream.endpointsAreKnown()
        stream.ackAll()
        #expect(stream.pushes.flatMap(\.removedNames) == ["a", "b"])
    }

    @Test func `a state of the world client keeps them too`() {
        let stream = held("cds a 1, eds a 9", .stateOfTheWorld)
        #expect(stream.ask("eds", "a", version: "1") == [])
        #expect(stream.endpointsAreKnown() == ["eds +a=9"])
    }

    @Test func `a new client gets those that are known`() {
        let stream = held("cds a 1, eds a 1")
        stream.subscribe("cds")
        #expect(stream.subscribe("eds", "a") == ["eds +a=1"])
    }

    @Test func `clusters, listeners and routes don't wait for it`() {
        let stream = held("cds a 1, eds a 1, lds l 1, rds l 1")
        stream.subscribe("cds", has: ["a": "1"])
        stream.subscribe("eds", "a", has: ["a": "1"])
        #expect(stream.subscribe("lds", has: ["l": "0"]) == ["lds +l=1"])
        #expect(stream.subscribe("rds", "l", has: ["l": "0"]) == ["rds +l=1"])
        #expect(stream.publish("cds a 2, eds a 1, lds l 1, rds l 1") == ["cds +a=2"])
    }
}
