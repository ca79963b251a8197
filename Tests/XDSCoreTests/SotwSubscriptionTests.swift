import Primitives
import Testing
import XDSCore

struct SotwSubscriptionTests {
    private func stream(_ text: String) -> TestStream {
        TestStream(.stateOfTheWorld, view: .sample(text))
    }

    @Test(arguments: ["cds", "lds"])
    func `listeners and clusters are always sent in full`(type: String) {
        let stream = stream("\(type) a 1, \(type) b 1")
        #expect(stream.ask(type) == ["\(type) +a=1 +b=1"])
        stream.ask(type)
        #expect(stream.publish("\(type) a 2, \(type) b 1") == ["\(type) +a=2 +b=1"])
        stream.ask(type)
        stream.publish("\(type) a 2")
        #expect(stream.lastPush?.summary == "\(type) +a=2")
    }

    @Test(arguments: ["eds", "rds", "sds"])
    func `of other types only what changed is sent`(type: String) {
        let stream = stream("\(type) a 1, \(type) b 1")
        #expect(stream.ask(type, "a", "b") == ["\(type) +a=1 +b=1"])
        stream.ask(type, "a", "b")
        #expect(stream.publish("\(type) a 2, \(type) b 1") == ["\(type) +a=2"])
    }

    @Test func `an empty full state is sent`() {
        let stream = stream("eds a 1")
        #expect(stream.ask("cds") == ["cds"])
    }

    @Test func `a name that does not exist is sent when it appears`() {
        let stream = stream("eds a 1")
        #expect(stream.ask("eds", "a", "x") == ["eds +a=1"])
        #expect(stream.ask("eds", "a", "x") == ["eds"])
        stream.ask("eds", "a", "x")
        #expect(stream.publish("eds a 1, eds x 1") == ["eds +x=1"])
    }

    @Test func `a missing cluster is answered with the full state without it`() {
        let stream = stream("cds a 1")
        #expect(stream.ask("cds", "x") == ["cds"])
    }

    @Test func `a name that is added is sent alone`() {
        let stream = stream("eds a 1, eds b 1")
        stream.ask("eds", "a")
        #expect(stream.ask("eds", "a", "b") == ["eds +b=1"])
    }

    @Test func `names can be added before anything could be sent`() {
        let stream = stream("eds a 1")
        #expect(stream.ask("eds", "x") == ["eds"])
        #expect(stream.ask("eds", "x", "a") == ["eds +a=1"])
    }

    @Test func `a name that is left out is not sent any more`() {
        let stream = stream("eds a 1, eds b 1")
        stream.ask("eds", "a", "b")
        stream.ask("eds", "b")
        #expect(stream.publish("eds a 2, eds b 1") == [])
    }

    @Test func `the same endpoint request again is answered`() {
        let stream = stream("eds a 1, eds b 1")
        stream.ask("eds", "a", "b")
        #expect(stream.ask("eds", "a", "b") == [])
        #expect(stream.ask("eds", "a", "b") == ["eds +a=1 +b=1"])
    }

    @Test func `the same cluster request again is not answered`() {
        let stream = stream("cds a 1")
        stream.ask("cds")
        #expect(stream.ask("cds") == [])
        #expect(stream.ask("cds") == [])
    }

    @Test func `a request with a stale nonce is ignored as a whole`() {
        let stream = stream("eds a 1, eds b 1")
        stream.ask("eds", "a")
        let old = stream.lastPush?.nonce.text
        stream.ask("eds", "a")
        stream.publish("eds a 2, eds b 1")
        #expect(stream.ask("eds", "a", "b", nonce: old) == [])
        #expect(stream.state("eds") == .sent)
        #expect(stream.ask("eds", "a", "b") == ["eds +b=1"])
    }

    @Test func `a stale request for the same names brings nothing twice`() {
        let stream = stream("eds a 1")
        stream.ask("eds", "a")
        let old = stream.lastPush?.nonce.text
        stream.ask("eds", "a")
        stream.publish("eds a 2")
        stream.ask("eds", "a", nonce: old)
        #expect(stream.ask("eds", "a") == [])
    }

    @Test func `changes during an outstanding response coalesce`() {
        let stream = stream("eds a 1, eds b 1")
        stream.ask("eds", "a", "b")
        #expect(stream.publish("eds a 2, eds b 1") == [])
        #expect(stream.publish("eds a 3, eds b 1") == [])
        #expect(stream.ask("eds", "a", "b") == ["eds +a=3"])
    }

    @Test func `a nack is kept and nothing is sent again until something changes`() {
        let stream = stream("cds a 1")
        stream.ask("cds")
        stream.ask("cds")
        stream.publish("cds a 2")
        let nonce = stream.lastPush?.nonce.text ?? ""
        let error = ErrorDetail(code: 13, message: "no")
        #expect(
            stream.request(SotwRequest(typeURL: .cluster, nonce: nonce, error: error)) == []
        )
        #expect(stream.state("cds") == .nacked)
        #expect(stream.status("cds")?.errorText == "no")
        #expect(stream.publish("cds a 3") == ["cds +a=3"])
        stream.ask("cds")
        #expect(stream.state("cds") == .synced)
    }

    @Test func `a client that comes back with the current version is sent nothing`() {
        let first = stream("cds a 1, cds b 1")
        first.ask("cds")
        let version = first.lastPush?.version ?? ""
        let second = TestStream(.stateOfTheWorld, view: .sample("cds b 1, cds a 1", id: 2))
        #expect(second.ask("cds", version: version) == [])
        #expect(second.state("cds") == .synced)
        #expect(second.publish("cds a 1") == ["cds +a=1"])
    }

    @Test func `a client that comes back with another version is sent everything`() {
        let stream = stream("cds a 1")
        #expect(stream.ask("cds", version: "old") == ["cds +a=1"])
    }

    @Test(arguments: ["eds", "rds"])
    func `a client that comes back with names is sent them at whatever version`(type: String) {
        let stream = stream("\(type) a 1")
        let version = stream.view.journal(of: sampleType(type)).version
        #expect(stream.ask(type, "a", version: version) == ["\(type) +a=1"])
    }

    @Test func `a request with names ends the legacy wildcard`() {
        let stream = stream("cds a 1, cds b 1")
        stream.ask("cds")
        stream.ask("cds", "a")
        stream.ask("cds", "a")
        stream.ask("cds", "a")
        #expect(stream.publish("cds a 1, cds b 2") == [])
        #expect(stream.publish("cds a 2, cds b 2") == ["cds +a=2"])
    }

    @Test func `no names after names means none`() {
        let stream = stream("cds a 1")
        stream.ask("cds", "a")
        stream.ask("cds")
        #expect(stream.publish("cds a 2") == [])
    }

    @Test func `a star among the names asks for everything`() {
        let stream = stream("cds a 1, cds b 1")
        #expect(stream.ask("cds", "*", "x") == ["cds +a=1 +b=1"])
    }

    @Test func `a star that comes later brings everything`() {
        let stream = stream("cds a 1, cds b 1")
        stream.ask("cds", "a")
        #expect(stream.ask("cds", "a", "*") == ["cds +a=1 +b=1"])
    }
}
