import Primitives
import Testing
import XDSCore

struct ConfirmationTests {
    private func stream(_ text: String) -> TestStream {
        let stream = TestStream(view: .sample(text))
        stream.subscribe("cds")
        stream.subscribe("eds", "a")
        return stream
    }

    @Test func `a snapshot is confirmed by the last ack`() {
        let stream = stream("cds a 1, eds a 1")
        let snapshot = stream.view
        #expect(!stream.hasConfirmed(snapshot))
        stream.ack("eds")
        #expect(!stream.hasConfirmed(snapshot))
        stream.ack("cds")
        #expect(stream.hasConfirmed(snapshot))
    }

    @Test func `a refusal confirms nothing until the client accepts something`() {
        let stream = stream("cds a 1, eds a 1")
        stream.ackAll()
        stream.publish("cds a 2, eds a 1")
        let snapshot = stream.view
        stream.ack("eds")
        stream.nack("cds")
        #expect(!stream.hasConfirmed(snapshot))
        stream.publish("cds a 3, eds a 1")
        stream.ackAll()
        #expect(stream.hasConfirmed(snapshot))
    }

    @Test func `newer changes do not hold an older confirmation back`() {
        let stream = stream("cds a 1, eds a 1")
        stream.ackAll()
        stream.publish("cds a 1, eds a 2")
        let snapshot = stream.view
        // They are due as soon as the first one is answered, so something is always outstanding.
        stream.publish("cds a 1, eds a 3")
        #expect(stream.ack("eds") == ["eds +a=3"])
        #expect(stream.hasConfirmed(snapshot))
        #expect(!stream.hasConfirmed(stream.view))
    }

    @Test func `a change that is not for the client is confirmed at once`() {
        let stream = stream("cds a 1, eds a 1, eds b 1")
        stream.ackAll()
        stream.publish("cds a 1, eds a 1, eds b 2, rds r 1")
        #expect(stream.hasConfirmed(stream.view))
    }

    @Test func `a removal is confirmed when it was told and accepted`() {
        let stream = stream("cds a 1, cds b 1, eds a 1, rds r 1")
        stream.subscribe("rds", "r")
        stream.ackAll()
        stream.publish("cds a 1, eds a 1, rds r 2")
        let snapshot = stream.view
        #expect(stream.ack("rds") == ["cds -b"])
        #expect(!stream.hasConfirmed(snapshot))
        stream.ack("cds")
        #expect(stream.hasConfirmed(snapshot))
    }

    @Test func `a name that does not exist holds no confirmation back`() {
        let stream = TestStream(.stateOfTheWorld, view: .sample("rds r 1"))
        stream.ask("eds", "x")
        stream.ask("eds", "x")
        stream.ask("eds", "x")
        stream.ask("eds", "x")
        #expect(stream.hasConfirmed(stream.view))
    }

    @Test func `after a move the new view has to be accepted`() {
        let stream = stream("cds a 1, eds a 1")
        stream.ackAll()
        let snapshot = stream.view
        stream.show(.sample("cds a 2, eds a 1", id: 2))
        #expect(!stream.hasConfirmed(snapshot))
        stream.ackAll()
        #expect(stream.hasConfirmed(snapshot))
    }
}

struct StreamOfOneTypeTests {
    @Test func `a request may leave the type out`() {
        let stream = TestStream(view: .sample("sds s 1"), onlyType: .secret)
        let sent = stream.request(DeltaRequest(typeURL: "", subscribe: ["s"]))
        #expect(sent == ["sds +s=1"])
    }

    @Test(arguments: [ProtocolVariant.delta, .stateOfTheWorld])
    func `a request for another type ends the stream`(variant: ProtocolVariant) {
        let stream = TestStream(variant, view: .sample("sds s 1"), onlyType: .secret)
        switch variant {
        case .delta: stream.subscribe("cds")
        case .stateOfTheWorld: stream.ask("cds")
        }
        #expect(stream.violations.map(\.code) == [.malformedRequest])
    }

    @Test func `removals wait for nothing but their own type`() {
        let stream = TestStream(view: .sample("cds a 1, cds b 1, rds r 1"), onlyType: .cluster)
        stream.subscribe("cds")
        stream.ackAll()
        #expect(stream.publish("cds a 1, rds r 2") == ["cds -b"])
    }

    @Test func `endpoints go again on their stream when their cluster goes on another`() {
        let clusters = TestStream(view: .sample("cds a 1, eds a 1"), onlyType: .cluster)
        let endpoints = TestStream(view: clusters.view, onlyType: .clusterLoadAssignment)
        clusters.subscribe("cds")
        endpoints.subscribe("eds", "a")
        clusters.ackAll()
        endpoints.ackAll()
        clusters.publish("cds a 2, eds a 1")
        let told = clusters.elsewhere.last
        #expect(told?.summary == "cds +a=2")
        #expect(told.map { endpoints.companionsAreDue(with: $0) } == ["eds +a=1"])
    }

    @Test func `a stream with both types keeps its companions to itself`() {
        let stream = TestStream(view: .sample("cds a 1, eds a 1"))
        stream.subscribe("eds", "a")
        stream.subscribe("cds")
        stream.publish("cds a 2, eds a 1")
        #expect(stream.elsewhere.isEmpty)
    }
}
