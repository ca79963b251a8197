import Primitives
import Testing
import XDSCore

struct PushTests {
    @Test func `wildcard streams in the same place get one key`() {
        let streams = (0..<3).map { _ in TestStream(view: .sample("cds a 1")) }
        for stream in streams { stream.subscribe("cds") }
        #expect(Set(streams.compactMap { $0.lastPush?.key }).count == 1)
        for stream in streams { stream.ack("cds") }
        for stream in streams { stream.publish("cds a 2") }
        #expect(Set(streams.compactMap { $0.lastPush?.key }).count == 1)
        #expect(streams.first?.lastPush?.summary == "cds +a=2")
    }

    @Test func `a stream by name shares the key when it is subscribed to all that changed`() {
        let wildcard = TestStream(view: .sample("eds a 1, eds b 1"))
        let named = TestStream(view: .sample("eds a 1, eds b 1"))
        let other = TestStream(view: .sample("eds a 1, eds b 1"))
        wildcard.subscribe("eds", "*")
        named.subscribe("eds", "a", "b")
        other.subscribe("eds", "a")
        #expect(wildcard.lastPush?.key == named.lastPush?.key)
        for stream in [wildcard, named, other] {
            stream.ack("eds")
            stream.publish("eds a 2, eds b 2")
        }
        #expect(wildcard.lastPush?.key == named.lastPush?.key)
        #expect(wildcard.lastPush?.key != other.lastPush?.key)
    }

    @Test func `streams that missed different changes get different keys`() {
        let one = TestStream(view: .sample("cds a 1, cds b 1"))
        let other = TestStream(view: one.view)
        one.subscribe("cds")
        other.subscribe("cds")
        one.ack("cds")
        one.publish("cds a 2, cds b 1")
        one.ack("cds")
        for stream in [one, other] { stream.publish("cds a 2, cds b 2") }
        other.ack("cds")
        #expect(one.lastPush?.summary == "cds +b=2")
        #expect(other.lastPush?.summary == "cds +a=2 +b=2")
        #expect(one.lastPush?.key != other.lastPush?.key)
    }

    @Test func `the two forms of the protocol never share a key`() {
        let delta = TestStream(view: .sample("cds a 1"))
        let sotw = TestStream(.stateOfTheWorld, view: .sample("cds a 1"))
        delta.subscribe("cds")
        sotw.ask("cds")
        #expect(delta.lastPush?.nonce == sotw.lastPush?.nonce)
        #expect(delta.lastPush?.key != sotw.lastPush?.key)
    }

    @Test func `responses of one type on one stream have different nonces`() {
        let stream = TestStream(view: .sample("eds a 1"))
        for _ in 0..<5 { stream.subscribe("eds", "a") }
        stream.ackAll()
        let first = stream.view
        stream.show(View.sample("eds a 2", id: 2).with("eds a 3").with("eds a 4"))
        stream.ackAll()
        stream.show(first)
        stream.ackAll()
        stream.subscribe("eds", "a")
        let nonces = stream.pushes.map(\.nonce)
        #expect(nonces.count == 8)
        #expect(Set(nonces).count == 8)
    }

    @Test func `a nonce is read back from its text`() {
        let nonce = Nonce(
            cursor: Cursor(view: ViewID(.max), revision: Revision(300)),
            ordinal: 17
        )
        #expect(nonce.text == "ffffffffffffffff.12c.11")
        #expect(Nonce(nonce.text) == nonce)
    }

    @Test(arguments: [
        "1.2.00", "01.2.0", "+1.2.0", "1.2.A", "1.2", "1.2.3.4", "", "1..2", "-1.2.3",
    ])
    func `only its own spelling of a nonce is read`(text: String) {
        #expect(Nonce(text) == nil)
    }

    @Test func `equal content has an equal version on another replica`() {
        let one = TestStream(view: .sample("cds a 1, cds b 1", id: 1))
        let other = TestStream(view: View.sample("cds b 0", id: 9).with("cds b 1, cds a 1"))
        one.subscribe("cds")
        other.subscribe("cds")
        #expect(one.lastPush?.version == other.lastPush?.version)
    }
}

struct NameSetTests {
    @Test func `names are sorted and without duplicates`() {
        var names = NameSet(["c", "a", "c", "b"])
        names.insert("b")
        names.formUnion(NameSet(["d", "a"]))
        names.subtract(NameSet(["c"]))
        names.remove("x")
        #expect(names.sorted == ["a", "b", "d"])
    }

    @Test func `membership follows the names`() {
        let names = NameSet(["a", "c"])
        #expect(names.contains("c"))
        #expect(!names.contains("b"))
        #expect(!NameSet().contains("a"))
    }
}
