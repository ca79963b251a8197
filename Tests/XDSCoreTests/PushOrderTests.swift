import Primitives
import Testing
import XDSCore

struct PushOrderTests {
    /// A delta client that has all of the view, and has accepted it.
    private func settled(_ text: String, limits: StreamLimits = StreamLimits()) -> TestStream {
        let stream = TestStream(view: .sample(text), limits: limits)
        stream.subscribe("cds")
        stream.subscribe("eds", "a", "b")
        stream.ackAll()
        stream.subscribe("lds")
        stream.subscribe("rds", "r")
        stream.ackAll()
        return stream
    }

    // MARK: Clusters with their endpoints

    @Test func `clusters and endpoints go together`() {
        let stream = settled("cds a 1, eds a 1, lds l 1, rds r 1")
        #expect(
            stream.publish("cds a 1, eds a 2, cds b 1, eds b 1, lds l 1, rds r 1")
                == ["cds +b=1", "eds +a=2 +b=1"]
        )
    }

    @Test func `endpoints are answered while the cluster ack is withheld`() {
        let stream = TestStream(view: .sample("cds a 1, eds a 1"))
        stream.subscribe("cds")
        #expect(stream.subscribe("eds", "a") == ["eds +a=1"])
    }

    @Test(arguments: ["sds", "ecds", "rtds", "example.com/Thing"])
    func `other types wait for nothing`(type: String) {
        let stream = TestStream(view: .sample("cds a 1, \(type) x 1"))
        stream.subscribe("cds")
        #expect(stream.subscribe(type, "x") == ["\(type) +x=1"])
    }

    @Test func `a changed cluster brings its endpoints again at the same version`() {
        let stream = settled("cds a 1, cds b 1, eds a 1, eds b 1")
        #expect(
            stream.publish("cds a 2, cds b 1, eds a 1, eds b 1") == ["cds +a=2", "eds +a=1"]
        )
    }

    @Test func `endpoints go again with their cluster also over an outstanding response`() {
        let stream = settled("cds a 1, cds b 1, eds a 1, eds b 1")
        stream.publish("cds a 1, cds b 1, eds a 1, eds b 2")
        #expect(
            stream.publish("cds a 2, cds b 1, eds a 1, eds b 2") == ["cds +a=2", "eds +a=1"]
        )
    }

    @Test func `endpoints that are not subscribed to do not go with their cluster`() {
        let stream = settled("cds a 1, eds a 1, eds c 1")
        #expect(stream.publish("cds a 1, cds c 1, eds a 1, eds c 1") == ["cds +c=1"])
    }

    @Test func `endpoints go again when the clusters come after them on a new stream`() {
        let stream = TestStream(view: .sample("cds a 2, eds a 1"))
        stream.subscribe("eds", "a", has: ["a": "1"])
        #expect(stream.subscribe("cds", has: ["a": "1"]) == ["cds +a=2", "eds +a=1"])
    }

    // MARK: Listeners and routes after clusters

    @Test func `listeners and routes wait for the cluster ack`() {
        let stream = settled("cds a 1, eds a 1, lds l 1, rds r 1")
        #expect(stream.publish("cds a 2, eds a 1, lds l 2, rds r 2") == ["cds +a=2", "eds +a=1"])
        #expect(stream.ack("eds") == [])
        #expect(stream.state("rds") == .notSent)
        #expect(stream.ack("cds") == ["lds +l=2", "rds +r=2"])
    }

    @Test func `listeners and routes go at once when no cluster is due`() {
        let stream = settled("cds a 1, eds a 1, lds l 1, rds r 1")
        #expect(stream.publish("cds a 1, eds a 2, lds l 2, rds r 2").count == 3)
    }

    @Test func `a first answer for routes waits for the cluster ack`() {
        let stream = TestStream(view: .sample("cds a 1, rds r 1"))
        stream.subscribe("cds")
        #expect(stream.subscribe("rds", "r") == [])
        #expect(stream.ack("cds") == ["rds +r=1"])
    }

    @Test func `routes go without clusters to a client that never asks for clusters`() {
        let stream = TestStream(view: .sample("cds a 1, rds r 1"))
        #expect(stream.subscribe("rds", "r") == ["rds +r=1"])
    }

    @Test
    func `routes wait for endpoints when a client comes back that has not asked for clusters yet`()
    {
        let stream = TestStream(view: .sample("cds a 2, eds a 1, rds r 2"))
        stream.subscribe("eds", "a", has: ["a": "1"])
        #expect(stream.subscribe("rds", "r", has: ["r": "1"]) == [])
        #expect(stream.subscribe("cds", has: ["a": "1"]) == ["cds +a=2", "eds +a=1"])
        stream.ack("eds")
        stream.ack("eds")
        #expect(stream.ack("cds") == ["rds +r=2"])
    }

    @Test func `routes follow the endpoint ack of a client that never asks for clusters`() {
        let stream = TestStream(view: .sample("eds a 1, rds r 1"))
        stream.subscribe("eds", "a")
        stream.subscribe("rds", "r")
        #expect(stream.ack("eds") == ["rds +r=1"])
    }

    @Test func `a refused cluster does not hold routes back`() {
        let stream = settled("cds a 1, lds l 1, rds r 1")
        stream.publish("cds a 2, lds l 1, rds r 2")
        #expect(stream.nack("cds") == ["rds +r=2"])
    }

    // MARK: Removals last

    @Test func `removals wait for the route ack and go alone`() {
        let stream = settled("cds a 1, eds a 1, lds l 1, rds r 1")
        #expect(stream.publish("cds b 1, eds b 1, lds l 1, rds r 2") == ["cds +b=1", "eds +b=1"])
        #expect(stream.ack("eds") == [])
        #expect(stream.ack("cds") == ["rds +r=2"])
        #expect(stream.status("cds")?.resourceCount == 2)
        #expect(stream.ack("rds") == ["cds -a", "eds -a"])
        stream.ackAll()
        #expect(stream.state("cds") == .synced)
        #expect(stream.status("cds")?.resourceCount == 1)
    }

    @Test func `removals go at once when no route is due`() {
        let stream = settled("cds a 1, eds a 1, cds b 1, eds b 1, lds l 1, rds r 1")
        #expect(stream.publish("cds b 1, eds b 1, lds l 1, rds r 1") == ["cds -a", "eds -a"])
    }

    @Test func `removals follow the cluster ack of a client without routes`() {
        let stream = TestStream(view: .sample("cds a 1, rds r 1"))
        stream.subscribe("cds")
        stream.ack("cds")
        #expect(stream.publish("cds b 1, rds r 2") == ["cds +b=1"])
        #expect(stream.ack("cds") == ["cds -a"])
    }

    @Test func `removals wait for a route response that is still outstanding`() {
        let stream = settled("cds a 1, cds b 1, lds l 1, rds r 1")
        stream.publish("cds a 1, cds b 1, lds l 1, rds r 2")
        #expect(stream.publish("cds b 1, lds l 1, rds r 2") == [])
        #expect(stream.ack("rds") == ["cds -a"])
    }

    @Test func `a refused route holds back the removal of what its predecessor leads to`() {
        let stream = settled("cds a 1, cds b 1, lds l 1, rds r 1")
        stream.publish("cds b 1, lds l 1, rds r 2")
        #expect(stream.nack("rds") == [])
        #expect(stream.publish("cds b 1, lds l 1, rds r 3") == ["rds +r=3"])
        #expect(stream.ack("rds") == ["cds -a"])
    }

    @Test func `a cluster that comes back while its removal waits is sent and not removed`() {
        let stream = settled("cds a 1, cds b 1, lds l 1, rds r 1")
        #expect(stream.publish("cds b 1, lds l 1, rds r 2") == ["rds +r=2"])
        #expect(stream.publish("cds a 2, cds b 1, lds l 1, rds r 2") == ["cds +a=2", "eds -a"])
        #expect(stream.ack("rds") == [])
        #expect(stream.ack("cds") == [])
        #expect(stream.status("cds")?.resourceCount == 2)
    }

    @Test func `a name whose removal waits is answered with what it was`() {
        let stream = settled("eds a 1, eds b 1, lds l 1, rds r 1")
        #expect(stream.publish("eds b 1, lds l 1, rds r 2") == ["rds +r=2"])
        #expect(stream.subscribe("eds", "a") == ["eds +a=1"])
        stream.ack("eds")
        #expect(stream.ack("rds") == ["eds -a"])
    }

    @Test(arguments: [ProtocolVariant.delta, .stateOfTheWorld])
    func `endpoints that are gone are still answered to a cluster on its way`(
        variant: ProtocolVariant
    ) {
        let stream = TestStream(variant, view: .sample("cds a 1, eds a 1, eds b 1"))
        if variant == .delta {
            stream.subscribe("cds")
            stream.publish("cds b 1, eds b 1")
            #expect(stream.subscribe("eds", "a", "b") == ["eds +a=1 +b=1"])
            stream.ack("eds")
            #expect(stream.ack("cds") == ["cds +b=1", "eds +b=1"])
            stream.ack("eds")
            #expect(stream.ack("cds") == ["cds -a", "eds -a"])
        } else {
            stream.ask("cds")
            stream.publish("cds b 1, eds b 1")
            #expect(stream.ask("eds", "a", "b") == ["eds +a=1 +b=1"])
        }
    }

    @Test func `a held removal is forgotten when the client unsubscribes`() {
        let stream = settled("eds a 1, eds b 1, lds l 1, rds r 1")
        stream.publish("eds b 1, lds l 1, rds r 2")
        stream.subscribe("eds", unsubscribe: ["a"])
        #expect(stream.ack("rds") == [])
        #expect(stream.state("eds") == .synced)
    }

    @Test func `listeners and routes are removed without waiting`() {
        let stream = settled("lds l 1, lds m 1, rds r 1")
        #expect(stream.publish("lds l 1") == ["lds -m", "rds -r"])
    }

    @Test func `what is gone when a client comes back is removed after its routes`() {
        let stream = TestStream(view: .sample("cds b 1, eds b 1, rds r 2"))
        #expect(stream.subscribe("cds", has: ["a": "1", "b": "1"]) == ["cds"])
        #expect(stream.subscribe("rds", "r", has: ["r": "1"]) == [])
        #expect(stream.ack("cds") == ["rds +r=2"])
        #expect(stream.ack("rds") == ["cds -a"])
    }

    @Test
    func `what is gone when a client without routes comes back is removed after its next ack`() {
        let stream = TestStream(view: .sample("cds b 1"))
        stream.subscribe("cds", has: ["a": "1", "b": "1"])
        #expect(stream.ack("cds") == ["cds -a"])
    }

    @Test func `removals above their bound stop waiting for routes`() {
        let limits = StreamLimits(maximumHeldRemovalsPerType: 2)
        let stream = settled("cds a 1, cds b 1, cds c 1, lds l 1, rds r 1", limits: limits)
        #expect(stream.publish("cds c 1, lds l 1, rds r 2") == ["rds +r=2"])
        #expect(stream.publish("lds l 1, rds r 2") == ["cds -a -b -c"])
    }

    // MARK: State of the world

    @Test func `a full state keeps what is gone until the route ack`() {
        let stream = TestStream(.stateOfTheWorld, view: .sample("cds a 1, eds a 1, rds r 1"))
        stream.ask("cds")
        stream.ask("cds")
        stream.ask("rds", "r")
        stream.ask("rds", "r")
        #expect(stream.publish("cds b 1, eds b 1, rds r 2") == ["cds +a=1 +b=1"])
        let withBoth = stream.lastPush?.version
        #expect(stream.ask("cds") == ["rds +r=2"])
        #expect(stream.ask("rds", "r") == ["cds +b=1"])
        #expect(stream.lastPush?.version != withBoth)
        stream.ask("cds")
        #expect(stream.state("cds") == .synced)
    }

    @Test func `a changed cluster brings its endpoints again in state of the world`() {
        let stream = TestStream(.stateOfTheWorld, view: .sample("cds a 1, eds a 1, eds b 1"))
        stream.ask("cds")
        stream.ask("eds", "a", "b")
        stream.ask("cds")
        stream.ask("eds", "a", "b")
        #expect(stream.publish("cds a 2, eds a 1, eds b 1") == ["cds +a=2", "eds +a=1"])
    }

    @Test func `routes wait for the cluster ack in state of the world`() {
        let stream = TestStream(.stateOfTheWorld, view: .sample("cds a 1, lds l 1"))
        stream.ask("cds")
        #expect(stream.ask("lds") == [])
        #expect(stream.ask("cds") == ["lds +l=1"])
    }
}
