import Primitives
import Testing
import XDSCore

/// What a client hears of names that it can't have.
struct AbsenceTests {
    private func absences(_ push: Push?) -> [String] {
        (push?.absences ?? []).map { "\($0.name): \($0.reason)" }
    }

    @Test(arguments: ["cds", "eds", "rds", "sds", "ecds", "example.com/Thing"])
    func `a name that does not exist is a removal and an error in delta`(type: String) {
        let stream = TestStream(view: .sample("\(type) a 1"))
        #expect(stream.subscribe(type, "a", "x") == ["\(type) +a=1 -x"])
        #expect(absences(stream.lastPush) == ["x: notFound"])
    }

    @Test(arguments: ["eds", "rds", "sds"])
    func `a name that does not exist is an error alone in the state of the world`(type: String) {
        let stream = TestStream(.stateOfTheWorld, view: .sample("\(type) a 1"))
        #expect(stream.ask(type, "a", "x") == ["\(type) +a=1"])
        #expect(absences(stream.lastPush) == ["x: notFound"])
        while !stream.unanswered.isEmpty { stream.ask(type, "a", "x") }
        #expect(stream.publish("\(type) a 1, \(type) x 1") == ["\(type) +x=1"])
        #expect(absences(stream.lastPush) == [])
    }

    @Test func `a missing cluster is an error beside the full state`() {
        let stream = TestStream(.stateOfTheWorld, view: .sample("cds a 1"))
        #expect(stream.ask("cds", "a", "x") == ["cds +a=1"])
        #expect(absences(stream.lastPush) == ["x: notFound"])
    }

    @Test(arguments: [ProtocolVariant.delta, .stateOfTheWorld])
    func `a name that is not for the node is said to be not allowed`(variant: ProtocolVariant) {
        let view = View.sample("sds a 1").denying([.secret: NameSet(["s"])])
        let stream = TestStream(variant, view: view)
        switch variant {
        case .delta: stream.subscribe("sds", "s", "x")
        case .stateOfTheWorld: stream.ask("sds", "s", "x")
        }
        #expect(absences(stream.lastPush) == ["s: notAllowed", "x: notFound"])
    }

    @Test func `a denial that comes or goes sends nothing by itself`() {
        let stream = TestStream(view: .sample("sds a 1"))
        stream.subscribe("sds", "a")
        stream.ackAll()
        #expect(stream.show(stream.view.denying([.secret: NameSet(["s"])])) == [])
        #expect(stream.show(stream.view.denying([:])) == [])
        #expect(stream.state("sds") == .synced)
    }

    @Test func `what is gone is a removal without an error`() {
        let stream = TestStream(view: .sample("cds a 1, cds b 1"))
        stream.subscribe("cds")
        stream.ackAll()
        #expect(stream.publish("cds b 1") == ["cds -a"])
        #expect(absences(stream.lastPush) == [])
    }

    // MARK: Virtual hosts on demand

    @Test func `a virtual host that does not exist is answered with its alias`() {
        let stream = TestStream(view: .sample("vhds r/a 1"))
        #expect(stream.subscribe("vhds", "r/a", "r/x") == ["vhds +r/a=1"])
        #expect(stream.lastPush?.unresolvedNames == ["r/x"])
        #expect(absences(stream.lastPush) == [])
        stream.ackAll()
        #expect(stream.publish("vhds r/a 1, vhds r/x 1") == ["vhds +r/x=1"])
    }

    @Test func `a virtual host that is gone is removed though another one is asked for`() {
        let stream = TestStream(view: .sample("vhds r/a 1, vhds r/b 1"))
        stream.subscribe("vhds", "r/a", "r/b")
        #expect(stream.publish("vhds r/b 2") == [])
        stream.subscribe("vhds", "r/x")
        stream.ackAll()
        let said = stream.pushes.map(\.summary)
        #expect(said.contains("vhds -r/a"))
        #expect(stream.pushes.flatMap(\.unresolvedNames) == ["r/x"])
        #expect(said.contains { $0.contains("+r/b=2") })
        #expect(stream.state("vhds") == .synced)
    }

    // MARK: Endpoints that nobody has, in the state of the world

    @Test func `a client is not left waiting for endpoints that are gone with their cluster`() {
        let stream = TestStream(.stateOfTheWorld, view: .sample("cds b 1, eds b 1, rds r 1"))
        // It came back with the cluster `a` in warming, so it doesn't ask for clusters yet.
        #expect(stream.ask("eds", "a", "b") == ["eds +b=1"])
        #expect(stream.ask("rds", "r") == [])
        #expect(stream.ask("eds", "a", "b") == ["rds +r=1"])
        #expect(stream.ask("rds", "r") == ["eds"])
        #expect(stream.lastPush?.emptiedNames == ["a"])
    }

    @Test func `a client is not left waiting for endpoints of no cluster`() {
        let stream = TestStream(.stateOfTheWorld, view: .sample("eds a 1"))
        stream.ask("eds", "a", "x")
        #expect(stream.ask("eds", "a", "x") == ["eds"])
        #expect(stream.lastPush?.emptiedNames == ["x"])
        stream.ask("eds", "a", "x")
        #expect(stream.publish("eds a 1, eds x 1") == ["eds +x=1"])
    }

    @Test func `a client waits for the endpoints of a cluster that is there`() {
        let stream = TestStream(.stateOfTheWorld, view: .sample("cds a 1"))
        stream.ask("eds", "a")
        #expect(stream.ask("eds", "a") == [])
        #expect(stream.publish("cds a 1, eds a 1") == ["eds +a=1"])
    }
}
