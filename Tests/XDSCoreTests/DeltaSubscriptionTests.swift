import Primitives
import Testing
import XDSCore

struct DeltaSubscriptionTests {
    // MARK: Wildcards

    @Test(arguments: ["cds", "lds", "srds"])
    func `a first request without names asks for everything`(type: String) {
        let stream = TestStream(view: .sample("\(type) a 1, \(type) b 1"))
        #expect(stream.subscribe(type) == ["\(type) +a=1 +b=1"])
    }

    @Test(arguments: ["eds", "rds", "sds", "example.com/Thing"])
    func `a first request without names asks for nothing where names are needed`(type: String) {
        let stream = TestStream(view: .sample("\(type) a 1"))
        #expect(stream.subscribe(type) == [])
    }

    @Test func `an explicit star asks for everything of any type`() {
        let stream = TestStream(view: .sample("eds a 1, eds b 1"))
        #expect(stream.subscribe("eds", "*") == ["eds +a=1 +b=1"])
    }

    @Test func `a wildcard is answered also when there is nothing`() {
        let stream = TestStream(view: .sample("eds a 1"))
        #expect(stream.subscribe("cds") == ["cds"])
    }

    @Test func `a wildcard hears of additions changes and removals`() {
        let stream = TestStream(view: .sample("lds a 1, lds b 1, lds c 1"))
        stream.subscribe("lds")
        stream.ack("lds")
        #expect(stream.publish("lds b 2, lds c 1, lds d 1") == ["lds +b=2 +d=1 -a"])
    }

    @Test func `the legacy wildcard survives a subscription to a name`() {
        let stream = TestStream(view: .sample("cds a 1"))
        stream.subscribe("cds")
        stream.subscribe("cds", "x")
        stream.ackAll()
        #expect(stream.publish("cds a 1, cds b 1") == ["cds +b=1"])
    }

    @Test func `the legacy wildcard ends with an unsubscribed star`() {
        let stream = TestStream(view: .sample("cds a 1"))
        stream.subscribe("cds")
        stream.ack("cds")
        stream.subscribe("cds", "a", unsubscribe: ["*"])
        stream.ack("cds")
        #expect(stream.publish("cds a 2, cds b 1") == ["cds +a=2"])
    }

    @Test func `a star that comes later brings everything`() {
        let stream = TestStream(view: .sample("eds a 1, eds b 1"))
        stream.subscribe("eds", "a")
        stream.ack("eds")
        #expect(stream.subscribe("eds", "*") == ["eds +a=1 +b=1"])
    }

    @Test func `a repeated star brings everything again`() {
        let stream = TestStream(view: .sample("cds a 1"))
        stream.subscribe("cds")
        stream.ack("cds")
        #expect(stream.subscribe("cds", "*") == ["cds +a=1"])
    }

    @Test func `a name unsubscribed under a wildcard is answered with what the wildcard has`() {
        let stream = TestStream(view: .sample("cds a 1"))
        stream.subscribe("cds", "*", "a", "x")
        stream.ack("cds")
        #expect(stream.subscribe("cds", unsubscribe: ["a", "x"]) == ["cds +a=1 -x"])
    }

    // MARK: Names

    @Test func `only the names that were subscribed to are sent`() {
        let stream = TestStream(view: .sample("eds a 1, eds b 1, eds c 1"))
        #expect(stream.subscribe("eds", "c", "a") == ["eds +a=1 +c=1"])
        stream.ack("eds")
        #expect(stream.publish("eds a 1, eds b 2, eds c 1") == [])
        #expect(stream.publish("eds a 2, eds b 2, eds c 1") == ["eds +a=2"])
    }

    @Test func `a name that does not exist is removed once and sent when it appears`() {
        let stream = TestStream(view: .sample("eds a 1"))
        #expect(stream.subscribe("eds", "x") == ["eds -x"])
        stream.ack("eds")
        #expect(stream.publish("eds a 2") == [])
        #expect(stream.publish("eds a 2, eds x 1") == ["eds +x=1"])
    }

    @Test func `a name that is given up while its answer waits is not sent`() {
        let stream = TestStream(view: .sample("eds a 1, eds b 1"))
        stream.subscribe("eds", "a", "b")
        stream.ack("eds")
        stream.publish("eds a 2, eds b 1")
        stream.publish("eds a 3, eds b 1")
        // The answer waits for the change, and the change for an ack.
        #expect(stream.subscribe("eds", "a") == [])
        #expect(stream.subscribe("eds", unsubscribe: ["a"]) == [])
        #expect(stream.ack("eds") == [])
    }

    @Test func `a name that is subscribed to again is sent again`() {
        let stream = TestStream(view: .sample("rds a 1"))
        stream.subscribe("rds", "a")
        stream.ack("rds")
        #expect(stream.subscribe("rds", "a") == ["rds +a=1"])
    }

    @Test func `an unsubscribed name is not sent any more`() {
        let stream = TestStream(view: .sample("rds a 1, rds b 1"))
        stream.subscribe("rds", "a", "b")
        stream.ack("rds")
        #expect(stream.subscribe("rds", unsubscribe: ["a"]) == [])
        #expect(stream.publish("rds a 2, rds b 2") == ["rds +b=2"])
    }

    @Test func `a name that was unsubscribed and subscribed again is sent`() {
        let stream = TestStream(view: .sample("rds a 1"))
        stream.subscribe("rds", "a")
        stream.ack("rds")
        stream.subscribe("rds", unsubscribe: ["a"])
        #expect(stream.subscribe("rds", "a") == ["rds +a=1"])
    }

    // MARK: One response at a time

    @Test func `changes during an outstanding response coalesce`() {
        let stream = TestStream(view: .sample("cds a 1, cds b 1"))
        stream.subscribe("cds")
        #expect(stream.publish("cds a 2, cds b 1") == [])
        #expect(stream.publish("cds a 3, cds b 1") == [])
        #expect(stream.publish("cds a 3, cds b 2") == [])
        #expect(stream.ack("cds") == ["cds +a=3 +b=2"])
    }

    @Test func `an answer to a subscription goes out over an outstanding response`() {
        let stream = TestStream(view: .sample("eds a 1, eds b 1"))
        stream.subscribe("eds", "a")
        #expect(stream.subscribe("eds", "b") == ["eds +b=1"])
        #expect(stream.unanswered.count == 2)
    }

    @Test func `an answer never runs ahead of the outstanding change`() {
        let stream = TestStream(view: .sample("eds a 1, eds b 1"))
        stream.subscribe("eds", "a")
        stream.publish("eds a 1, eds b 2")
        #expect(stream.subscribe("eds", "b") == [])
        #expect(stream.ack("eds") == ["eds +b=2"])
        stream.ack("eds")
        #expect(stream.state("eds") == .synced)
    }

    @Test func `a name that came after the outstanding response is not said to be missing`() {
        let stream = TestStream(view: .sample("eds a 1"))
        stream.subscribe("eds", "a")
        stream.publish("eds a 1, eds b 1")
        #expect(stream.subscribe("eds", "b") == [])
        #expect(stream.ack("eds") == ["eds +b=1"])
    }

    // MARK: ACK, NACK, nonces

    @Test func `an ack with a stale nonce changes nothing but its subscriptions count`() {
        let stream = TestStream(view: .sample("eds a 1, eds b 1"))
        stream.subscribe("eds", "a")
        #expect(stream.subscribe("eds", "b", nonce: "9.9.9") == ["eds +b=1"])
        #expect(stream.publish("eds a 2, eds b 1") == [])
        #expect(stream.state("eds") == .sent)
    }

    @Test(arguments: [
        "", "x", "1.1", "1..0", "zz.1.0", "1.1.0.0", "11111111111111111.1.0", "é.1.0",
    ])
    func `a nonce that is none of ours answers nothing`(nonce: String) {
        let stream = TestStream(view: .sample("eds a 1"))
        stream.subscribe("eds", "a")
        stream.subscribe("eds", nonce: nonce)
        #expect(stream.state("eds") == .sent)
    }

    @Test func `the answer to a later response answers the earlier ones`() {
        let stream = TestStream(view: .sample("eds a 1, eds b 1"))
        stream.subscribe("eds", "a")
        stream.subscribe("eds", "b")
        stream.subscribe("eds", nonce: stream.lastPush?.nonce.text ?? "")
        #expect(stream.state("eds") == .synced)
    }

    @Test func `a nack is kept and nothing is sent again until the resource changes`() {
        let stream = TestStream(view: .sample("cds a 1, cds b 1"))
        stream.subscribe("cds")
        stream.ack("cds")
        stream.publish("cds a 2, cds b 1")
        #expect(stream.nack("cds", "no such thing") == [])
        #expect(stream.state("cds") == .nacked)
        #expect(stream.status("cds")?.errorText == "no such thing")
        #expect(stream.status("cds")?.rejections.map(\.rejection.version) == ["2"])
        #expect(stream.publish("cds a 2, cds b 2") == ["cds +b=2"])
        stream.ack("cds")
        #expect(stream.state("cds") == .nacked)
        #expect(stream.publish("cds a 3, cds b 2") == ["cds +a=3"])
        stream.ack("cds")
        #expect(stream.state("cds") == .synced)
    }

    @Test func `the resources that a nack names are the refused ones`() {
        let stream = TestStream(view: .sample("cds bad 1, cds bad-2 1, cds good 1"))
        stream.subscribe("cds")
        stream.nack("cds", "Error adding/updating cluster(s) bad: no port")
        #expect(stream.status("cds")?.rejections.map(\.name) == ["bad"])
        stream.publish("cds bad 2, cds bad-2 1, cds good 1")
        stream.ackAll()
        #expect(stream.state("cds") == .synced)
    }

    @Test func `a nack that names nothing suspects each until it is accepted alone`() {
        let stream = TestStream(view: .sample("cds a 1, cds b 1"))
        stream.subscribe("cds")
        stream.nack("cds", "Proto constraint validation failed")
        #expect(stream.status("cds")?.rejections.map(\.name) == ["a", "b"])
        stream.ack("cds")
        #expect(stream.status("cds")?.rejections.map(\.name) == ["b"])
        stream.ack("cds")
        #expect(stream.state("cds") == .synced)
    }

    @Test func `a refused resource that is removed is not refused any more`() {
        let stream = TestStream(view: .sample("lds a 1"))
        stream.subscribe("lds")
        stream.nack("lds")
        stream.publish("")
        stream.ack("lds")
        #expect(stream.state("lds") == .synced)
    }

    @Test func `a nack keeps the version that was accepted before`() {
        let stream = TestStream(view: .sample("cds a 1"))
        stream.subscribe("cds")
        stream.ack("cds")
        let accepted = stream.lastPush?.version
        stream.publish("cds a 2")
        stream.nack("cds")
        #expect(stream.status("cds")?.acknowledgedVersion == accepted)
    }

    @Test func `the text of a nack is cut to its bound at a whole character`() {
        let limits = StreamLimits(maximumErrorTextBytes: 4)
        let stream = TestStream(view: .sample("cds a 1"), limits: limits)
        stream.subscribe("cds")
        stream.nack("cds", "abcé and more")
        #expect(stream.status("cds")?.errorText == "abc")
    }

    @Test func `the text of a nack at its bound is kept whole`() {
        let limits = StreamLimits(maximumErrorTextBytes: 5)
        let stream = TestStream(view: .sample("cds a 1"), limits: limits)
        stream.subscribe("cds")
        stream.nack("cds", "abcé")
        #expect(stream.status("cds")?.errorText == "abcé")
    }

    // MARK: Reconnect

    @Test func `a client that has everything is sent nothing`() {
        let stream = TestStream(view: .sample("cds a 1, cds b 1"))
        #expect(stream.subscribe("cds", has: ["a": "1", "b": "1"]) == [])
        #expect(stream.state("cds") == .synced)
        #expect(stream.publish("cds a 2, cds b 1") == ["cds +a=2"])
    }

    @Test func `a client is sent what changed while it was away`() {
        let stream = TestStream(view: .sample("lds a 2, lds b 1, lds c 1"))
        #expect(
            stream.subscribe("lds", has: ["a": "1", "b": "1", "z": "1"]) == ["lds +a=2 +c=1 -z"]
        )
    }

    @Test func `every endpoint name is answered on a new stream also at an equal version`() {
        let stream = TestStream(view: .sample("eds a 1, eds b 1"))
        #expect(stream.subscribe("eds", "a", "b", has: ["a": "1", "b": "1"]) == ["eds +a=1 +b=1"])
    }

    @Test func `names other than endpoints are not sent again at an equal version`() {
        let stream = TestStream(view: .sample("rds a 1, rds b 2"))
        #expect(stream.subscribe("rds", "a", "b", has: ["a": "1", "b": "1"]) == ["rds +b=2"])
    }

    @Test func `a name that is unknown now is removed on a new stream`() {
        let stream = TestStream(view: .sample("rds a 1"))
        #expect(stream.subscribe("rds", "a", "x", "y", has: ["a": "1", "x": "1"]) == ["rds -x -y"])
    }

    @Test func `versions in a later request count for nothing`() {
        let stream = TestStream(view: .sample("rds a 1, rds b 1"))
        stream.subscribe("rds", "a")
        stream.ack("rds")
        #expect(stream.subscribe("rds", "b", has: ["b": "1"]) == ["rds +b=1"])
    }

    // MARK: Views

    @Test func `a stream that moves to another view is sent the difference`() {
        let stream = TestStream(view: .sample("lds a 1, lds b 1", id: 1))
        stream.subscribe("lds")
        stream.ack("lds")
        #expect(stream.show(.sample("lds b 1, lds c 1", id: 2)) == ["lds +c=1 -a"])
    }

    @Test func `a snapshot older than one the stream has seen is ignored`() {
        let old = View.sample("lds a 1")
        let stream = TestStream(view: old)
        stream.subscribe("lds")
        stream.ack("lds")
        stream.publish("lds a 2")
        stream.ack("lds")
        #expect(stream.show(old) == [])
        #expect(stream.state("lds") == .synced)
    }
}
