import Primitives
import Testing
import XDSCore

struct StreamLimitsTests {
    private func stream(_ limits: StreamLimits, _ variant: ProtocolVariant = .delta) -> TestStream {
        TestStream(variant, view: .sample("eds a 1"), limits: limits)
    }

    @Test func `subscriptions at the bound are served`() {
        let stream = stream(StreamLimits(maximumSubscriptionsPerStream: 3))
        stream.subscribe("eds", "a", "b")
        stream.subscribe("rds", "c")
        #expect(stream.violations == [])
    }

    @Test func `subscriptions above the bound end the stream and name the bound`() {
        let stream = stream(StreamLimits(maximumSubscriptionsPerStream: 3))
        stream.subscribe("eds", "a", "b")
        #expect(stream.subscribe("rds", "c", "d") == [])
        #expect(stream.violations.map(\.code) == [.limitExceeded])
        #expect(
            stream.violations.first?.message
                == "maximumSubscriptionsPerStream is 3, but the request brings 4"
        )
        #expect(stream.publish("eds a 2") == [])
        #expect(stream.subscribe("eds", "a") == [])
    }

    @Test func `names above the bound end a state of the world stream too`() {
        let stream = stream(StreamLimits(maximumSubscriptionsPerStream: 1), .stateOfTheWorld)
        stream.ask("eds", "a", "b")
        #expect(stream.violations.map(\.code) == [.limitExceeded])
    }

    @Test func `unsubscribed names make room for others`() {
        let stream = stream(StreamLimits(maximumSubscriptionsPerStream: 1))
        stream.subscribe("eds", "a")
        stream.subscribe("eds", "b", unsubscribe: ["a"])
        #expect(stream.violations == [])
    }

    @Test func `types are bounded`() {
        let stream = stream(StreamLimits(maximumTypesPerStream: 2))
        stream.subscribe("cds")
        stream.subscribe("eds", "a")
        #expect(stream.violations == [])
        stream.subscribe("rds", "r")
        #expect(
            stream.violations.first?.message
                == "maximumTypesPerStream is 2, but the request brings 3"
        )
    }

    @Test func `initial versions are bounded`() {
        let limits = StreamLimits(maximumInitialVersionsPerRequest: 1)
        let within = stream(limits)
        within.subscribe("cds", has: ["a": "1"])
        #expect(within.violations == [])
        let beyond = stream(limits)
        beyond.subscribe("cds", has: ["a": "1", "b": "1"])
        #expect(beyond.violations.map(\.code) == [.limitExceeded])
    }

    @Test func `the length of a name is bounded`() {
        let limits = StreamLimits(maximumNameBytes: 4)
        let within = TestStream(view: .sample(""), limits: limits)
        within.request(DeltaRequest(typeURL: "t", subscribe: ["abcd"]))
        #expect(within.violations == [])
        let beyond = TestStream(view: .sample(""), limits: limits)
        beyond.request(DeltaRequest(typeURL: "t", subscribe: ["abcde"]))
        #expect(
            beyond.violations.first?.message == "maximumNameBytes is 4, but the request brings 5"
        )
        let type = TestStream(view: .sample(""), limits: limits)
        type.request(DeltaRequest(typeURL: "abcde"))
        #expect(type.violations.map(\.code) == [.limitExceeded])
    }

    @Test func `a request without a type ends the stream`() {
        let stream = stream(StreamLimits())
        stream.request(DeltaRequest(typeURL: ""))
        #expect(stream.violations.map(\.code) == [.malformedRequest])
    }

    @Test func `answers above the outstanding bound wait and coalesce`() {
        let stream = TestStream(
            view: .sample("eds a 1, eds b 1, eds c 1, eds d 1"),
            limits: StreamLimits(maximumOutstandingResponsesPerType: 2)
        )
        stream.subscribe("eds", "a")
        #expect(stream.subscribe("eds", "b") == ["eds +b=1"])
        #expect(stream.subscribe("eds", "c") == [])
        #expect(stream.subscribe("eds", "d") == [])
        #expect(stream.ack("eds") == ["eds +c=1 +d=1"])
    }

    @Test func `a stream without a request has nothing to send and no status`() {
        let stream = stream(StreamLimits())
        #expect(stream.publish("eds a 2") == [])
        #expect(stream.status("eds") == nil)
    }
}
