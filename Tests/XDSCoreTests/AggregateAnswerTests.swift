import Primitives
import Testing
import XDSCore

/// What a stream tells of resources that are made of several objects' parts.
struct AggregateAnswerTests {
    private static func origin(_ revision: UInt64) -> ResourceOrigin {
        let part = ObjectPart(object: "service a", revision: revision, bytes: [UInt8(revision)])
        return ResourceOrigin(
            objects: ["service a"],
            revision: revision,
            composition: Composition([part])
        )
    }

    private static func routes(
        _ revision: UInt64,
        _ name: ResourceName = "egress",
        isAggregate: Bool = true
    ) -> EncodedResource {
        EncodedResource(
            typeURL: .routeConfiguration,
            name: name,
            version: Version("\(revision)"),
            bytes: [],
            origin: isAggregate
                ? origin(revision) : ResourceOrigin(objects: ["raw"], revision: revision)
        )
    }

    private static func view(_ resources: EncodedResource..., id: UInt64 = 1) -> View {
        View(id: ViewID(id)).replacing(with: resources)
    }

    /// `+7` for an accepted resource of revision 7, `-8(7)` for a refused one after an accepted
    /// one.
    private static func summary(_ answers: [AggregateAnswer]) -> [String] {
        answers.map { answer in
            switch answer.verdict {
            case .accepted: "+\(answer.origin.revision)"
            case .refused(let before, _):
                "-\(answer.origin.revision)(\(before.map { "\($0.revision)" } ?? "?"))"
            }
        }
    }

    private static func nonce(_ actions: [ADSStream.Action]) -> String {
        for case .send(let push) in actions { return push.nonce.text }
        return ""
    }

    private static func delta(
        nonce: String = "",
        error: String? = nil,
        subscribe: [ResourceName] = [],
        has versions: [ResourceName: Version] = [:]
    ) -> DeltaRequest {
        DeltaRequest(
            typeURL: .routeConfiguration,
            subscribe: subscribe,
            unsubscribe: [],
            initialVersions: versions,
            nonce: nonce,
            error: error.map { ErrorDetail(code: 13, message: $0) }
        )
    }

    private static func sotw(
        nonce: String = "",
        error: String? = nil,
        names: [ResourceName] = ["egress"]
    ) -> SotwRequest {
        SotwRequest(
            typeURL: .routeConfiguration,
            version: "",
            names: names,
            nonce: nonce,
            error: error.map { ErrorDetail(code: 13, message: $0) }
        )
    }

    @Test func `an ack and a nack say which parts they are about, in delta`() {
        var stream = ADSStream(variant: .delta)
        let first = Self.view(Self.routes(1))
        let sent = stream.received(Self.delta(subscribe: ["egress"]), in: first)
        let unanswered = stream.takeAggregateAnswers()
        _ = stream.received(Self.delta(nonce: Self.nonce(sent)), in: first)
        let accepted = stream.takeAggregateAnswers()
        let second = first.replacing(with: [Self.routes(2)])
        let next = stream.viewChanged(to: second)
        _ = stream.received(Self.delta(nonce: Self.nonce(next), error: "no"), in: second)
        let refused = stream.takeAggregateAnswers()
        let taken = stream.takeAggregateAnswers()
        #expect(unanswered.isEmpty)
        #expect(Self.summary(accepted) == ["+1"])
        #expect(Self.summary(refused) == ["-2(1)"])
        #expect(taken.isEmpty)
    }

    @Test func `an ack and a nack say which parts they are about, in the state of the world`() {
        var stream = ADSStream(variant: .stateOfTheWorld)
        let first = Self.view(Self.routes(1))
        let sent = stream.received(Self.sotw(), in: first)
        _ = stream.received(Self.sotw(nonce: Self.nonce(sent)), in: first)
        let accepted = stream.takeAggregateAnswers()
        let second = first.replacing(with: [Self.routes(2)])
        let next = stream.viewChanged(to: second)
        _ = stream.received(Self.sotw(nonce: Self.nonce(next), error: "no"), in: second)
        let refused = stream.takeAggregateAnswers()
        #expect(Self.summary(accepted) == ["+1"])
        #expect(Self.summary(refused) == ["-2(1)"])
    }

    @Test func `after a refusal the next view is answered for, whatever it has`() {
        var stream = ADSStream(variant: .delta)
        let bad = Self.view(Self.routes(2))
        let sent = stream.received(Self.delta(subscribe: ["egress"]), in: bad)
        _ = stream.received(Self.delta(nonce: Self.nonce(sent), error: "no"), in: bad)
        let probe = stream.viewChanged(to: Self.view(Self.routes(1), id: 2))
        _ = stream.received(
            Self.delta(nonce: Self.nonce(probe)),
            in: Self.view(Self.routes(1), id: 2)
        )
        #expect(Self.summary(stream.takeAggregateAnswers()) == ["-2(?)", "+1"])
    }

    @Test func `a client that comes back with what is current has accepted it`() {
        var stream = ADSStream(variant: .delta)
        let view = Self.view(Self.routes(3))
        _ = stream.received(
            Self.delta(subscribe: ["egress"], has: ["egress": "3"]),
            in: view
        )
        let same = stream.takeAggregateAnswers()
        var other = ADSStream(variant: .delta)
        _ = other.received(Self.delta(subscribe: ["egress"], has: ["egress": "1"]), in: view)
        let older = other.takeAggregateAnswers()
        #expect(Self.summary(same) == ["+3"])
        #expect(older.isEmpty)
    }

    @Test func `only what was refused for certain counts, and only what is made of parts`() {
        var stream = ADSStream(variant: .delta)
        let view = Self.view(Self.routes(1), Self.routes(1, "raw", isAggregate: false))
        let sent = stream.received(Self.delta(subscribe: ["egress", "raw"]), in: view)
        let next = stream.received(Self.delta(nonce: Self.nonce(sent), error: "no"), in: view)
        let unclear = stream.takeAggregateAnswers()
        let last = stream.received(Self.delta(nonce: Self.nonce(next), error: "no"), in: view)
        let certain = stream.takeAggregateAnswers()
        _ = stream.received(Self.delta(nonce: Self.nonce(last), error: "no"), in: view)
        let raw = stream.takeAggregateAnswers()
        #expect(unclear.isEmpty)
        #expect(Self.summary(certain) == ["-1(?)"])
        #expect(raw.isEmpty)
    }
}

struct CompositionTests {
    private static func part(_ object: String, _ byte: UInt8, revision: UInt64 = 1) -> ObjectPart {
        ObjectPart(object: object, revision: revision, bytes: [byte])
    }

    @Test func `equal parts make equal compositions, in whatever order and revision`() {
        let one = Composition([Self.part("b", 1), Self.part("a", 2)])
        let other = Composition([Self.part("a", 2, revision: 7), Self.part("b", 1)])
        #expect(one == other)
        #expect(one != Composition([Self.part("a", 1), Self.part("b", 2)]))
        #expect(one != Composition([Self.part("a", 2)]))
    }

    @Test func `a part is found by its object`() {
        let objects = (0..<100).map { "service s\($0)" }
        let composition = Composition(objects.map { Self.part($0, 1) })
        #expect(objects.allSatisfy { composition[$0]?.object == $0 })
        #expect(composition["service s"] == nil)
        #expect(composition["service s999"] == nil)
        #expect(Composition()["a"] == nil)
    }

    @Test func `a part replaces the one of its object`() {
        let composition = Composition([Self.part("a", 1), Self.part("b", 1)])
        let added = composition.adding([Self.part("b", 2), Self.part("c", 1)])
        #expect(added.parts.map(\.object) == ["a", "b", "c"])
        #expect(added["b"] == Self.part("b", 2))
        #expect(added.restricted(to: composition).parts.map(\.object) == ["a", "b"])
    }

    @Test func `a text that names an object or quotes it is about it`() {
        let part = ObjectPart(object: "service orders", revision: 1, bytes: [], quotables: ["(x"])
        #expect(part.isMentioned(in: "route to orders is bad"))
        #expect(part.isMentioned(in: "missing ): (x"))
        #expect(!part.isMentioned(in: "preorders"))
        #expect(!part.isMentioned(in: ""))
    }
}
