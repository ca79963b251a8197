import Primitives
import Testing
import XDSCore

/// What follows a NACK: one resource a response, nothing twice, no orphans.
struct RefusalTests {
    private func refused(_ text: String, _ error: String = "refused") -> TestStream {
        let stream = TestStream(view: .sample(text))
        stream.subscribe("cds")
        stream.nack("cds", error)
        return stream
    }

    @Test func `after a nack that names nothing each resource goes alone`() {
        let stream = refused("cds a 1, cds b 1, cds c 1")
        #expect(stream.lastPush?.summary == "cds +a=1")
        #expect(stream.ack("cds") == ["cds +b=1"])
        #expect(stream.nack("cds", "no") == ["cds +c=1"])
        #expect(stream.ack("cds") == [])
        #expect(stream.status("cds")?.rejections.map(\.name) == ["b"])
        #expect(stream.status("cds")?.rejections.map(\.rejection.isNamed) == [true])
    }

    @Test func `after a nack that names its cause the others go alone and the cause doesn't`() {
        let stream = refused("cds a 1, cds b 1, cds c 1", "cluster b: no")
        #expect(stream.lastPush?.summary == "cds +a=1")
        #expect(stream.ack("cds") == ["cds +c=1"])
        #expect(stream.ack("cds") == [])
        #expect(stream.state("cds") == .nacked)
    }

    @Test func `what was refused goes alone when it has changed`() {
        let stream = refused("cds a 1, cds b 1", "cluster b: no")
        stream.ackAll()
        #expect(stream.publish("cds a 2, cds b 2") == ["cds +a=2"])
        #expect(stream.ack("cds") == ["cds +b=2"])
        stream.ack("cds")
        #expect(stream.state("cds") == .synced)
    }

    @Test func `a change overtakes nothing and is not lost while resources go alone`() {
        let stream = refused("cds a 1, cds b 1, cds c 1")
        stream.publish("cds a 1, cds b 1, cds c 2, cds d 1")
        stream.ackAll()
        let last = stream.pushes.flatMap(\.resources)
        for expected in ["c=2", "d=1", "b=1"] {
            #expect(last.contains { "\($0.name)=\($0.version)" == expected })
        }
        #expect(stream.state("cds") == .synced)
    }

    @Test func `endpoints in the state of the world go alone too`() {
        let stream = TestStream(.stateOfTheWorld, view: .sample("eds a 1, eds b 1"))
        stream.ask("eds", "a", "b")
        let sent = stream.request(
            SotwRequest(
                typeURL: .clusterLoadAssignment,
                names: ["a", "b"],
                nonce: stream.lastPush?.nonce.text ?? "",
                error: ErrorDetail(code: 13, message: "no")
            )
        )
        #expect(sent == ["eds +a=1"])
        #expect(stream.ask("eds", "a", "b") == ["eds +b=1"])
    }

    @Test func `a refusal says what the resource was made from`() {
        let origin = ResourceOrigin(objects: ["service a"], revision: 7)
        let resource = EncodedResource(typeURL: .cluster, name: "a", bytes: [1], origin: origin)
        let stream = TestStream(view: View(id: ViewID(1)).replacing(with: [resource]))
        stream.subscribe("cds")
        stream.nack("cds", "no")
        #expect(stream.status("cds")?.rejections.first?.rejection.origin == origin)
    }

    // MARK: The client's next stream

    @Test func `what was refused is not sent again to a client that comes back`() {
        let first = refused("cds a 1, cds b 1", "cluster b: no")
        first.ackAll()
        let second = first.successor()
        #expect(second.subscribe("cds", has: ["a": "1"]) == [])
        #expect(second.state("cds") == .nacked)
        #expect(second.publish("cds a 1, cds b 2") == ["cds +b=2"])
    }

    @Test func `what was refused is sent to a client that has started anew`() {
        let first = refused("cds a 1, cds b 1", "cluster b: no")
        first.ackAll()
        #expect(first.successor().subscribe("cds") == ["cds +a=1 +b=1"])
    }

    @Test(arguments: ["cds", "lds"])
    func `an orphan of a refused response is removed`(type: String) {
        // The client has applied `a`, but won't say so.
        let first = TestStream(view: .sample("\(type) a 1, \(type) b 1"))
        first.subscribe(type)
        first.nack(type, "b is bad")
        let second = first.successor(view: .sample("\(type) c 1", id: 2))
        second.subscribe(type, has: ["c": "1"])
        second.ackAll()
        #expect(second.pushes.flatMap(\.removedNames) == ["a", "b"])
    }

    @Test func `what was accepted since leaves nothing to remember`() {
        let first = refused("cds a 1, cds b 1", "cluster b: no")
        first.ackAll()
        first.publish("cds a 1, cds b 2")
        first.ackAll()
        #expect(first.memories[.cluster]?.isEmpty == true)
    }

    @Test func `a full state that was refused is not sent again on the next stream`() {
        let first = TestStream(.stateOfTheWorld, view: .sample("cds a 1"))
        first.ask("cds")
        let accepted = first.lastPush?.version ?? ""
        first.ask("cds", version: accepted)
        first.publish("cds a 2")
        refuse(first, accepted)
        let second = first.successor()
        #expect(second.ask("cds", version: accepted) == [])
        #expect(second.state("cds") == .nacked)
        #expect(second.publish("cds a 3") == ["cds +a=3"])
    }

    @Test func `a client that refused a full state is sent the one before on its next stream`() {
        let first = TestStream(.stateOfTheWorld, view: .sample("cds a 1"))
        first.ask("cds")
        let accepted = first.lastPush?.version ?? ""
        first.ask("cds", version: accepted)
        first.publish("cds a 2, cds b 2")
        refuse(first, accepted)
        // It may have a part of what it refused.
        let second = first.successor(view: .sample("cds a 1", id: 2))
        #expect(second.ask("cds", version: accepted) == ["cds +a=1"])
    }

    @Test(arguments: ["cds", "lds"])
    func `a full state that is accepted ends the refusal of what is gone`(type: String) {
        let stream = TestStream(.stateOfTheWorld, view: .sample("\(type) a 1"))
        stream.ask(type)
        stream.ask(type)
        stream.publish("\(type) a 1, \(type) b 1")
        refuse(stream, "", type)
        let refused = stream.state(type)
        stream.publish("\(type) a 1")
        stream.ask(type)
        stream.ask(type)
        #expect(refused == .nacked)
        #expect(stream.state(type) == .synced)
    }

    @Test func `routes that were refused and are gone are refused no more`() {
        let stream = TestStream(.stateOfTheWorld, view: .sample("rds a 1"))
        stream.ask("rds", "a", "b")
        stream.ask("rds", "a", "b")
        stream.publish("rds a 1, rds b 1")
        stream.request(
            SotwRequest(
                typeURL: .routeConfiguration,
                names: ["a", "b"],
                nonce: stream.lastPush?.nonce.text ?? "",
                error: ErrorDetail(code: 13, message: "no")
            )
        )
        let refused = stream.state("rds")
        stream.publish("rds a 1")
        #expect(refused == .nacked)
        #expect(stream.state("rds") == .synced)
    }

    @Test func `a client that asks for nothing yet has all that it is to have`() {
        let stream = TestStream(view: .sample("vhds a 1"))
        stream.subscribe("vhds")
        #expect(stream.state("vhds") == .synced)
    }

    private func refuse(_ stream: TestStream, _ accepted: Version, _ type: String = "cds") {
        stream.request(
            SotwRequest(
                typeURL: sampleType(type),
                version: accepted,
                nonce: stream.lastPush?.nonce.text ?? "",
                error: ErrorDetail(code: 13, message: "no")
            )
        )
    }
}

struct WatchdogTests {
    @Test func `what goes with an unanswered response is sent once more at the second visit`() {
        let stream = TestStream(view: .sample("cds a 1, eds a 1"))
        stream.subscribe("cds")
        stream.subscribe("eds", "a")
        stream.ack("eds")
        #expect(stream.watchdogCame() == [])
        #expect(stream.overdue == [])
        #expect(stream.watchdogCame() == ["eds +a=1"])
        #expect(stream.overdue == ["cds []"])
        stream.ack("eds")
        #expect(stream.watchdogCame() == [])
        #expect(stream.overdue == ["cds []"])
    }

    @Test func `a type is overdue from the second visit to the answer`() {
        let stream = TestStream(view: .sample("cds a 1, eds a 1"))
        stream.subscribe("cds")
        stream.subscribe("eds", "a")
        stream.ack("eds")
        stream.watchdogCame()
        let early = stream.status("cds")?.isOverdue
        stream.watchdogCame()
        let late = ["cds", "eds"].map { stream.status($0)?.isOverdue }
        stream.ack("cds")
        let answered = stream.status("cds")?.isOverdue
        #expect(early == false)
        #expect(late == [true, false])
        #expect(answered == false)
    }

    @Test func `what nobody asked for is named`() {
        let stream = TestStream(view: .sample("cds a 1, cds b 1, eds a 1, eds b 1"))
        stream.subscribe("cds")
        stream.subscribe("eds", "a")
        stream.ack("eds")
        stream.watchdogCame()
        stream.watchdogCame()
        #expect(stream.overdue == ["cds [\"eds/b\"]"])
    }

    @Test func `an answer sets the watchdog back`() {
        let stream = TestStream(view: .sample("cds a 1"))
        stream.subscribe("cds")
        stream.watchdogCame()
        stream.ack("cds")
        stream.publish("cds a 2")
        stream.watchdogCame()
        #expect(stream.overdue == [])
    }

    @Test func `a stream at rest is left alone`() {
        let stream = TestStream(view: .sample("cds a 1"))
        stream.subscribe("cds")
        stream.ackAll()
        for _ in 0..<5 { stream.watchdogCame() }
        #expect(stream.overdue == [])
    }
}
