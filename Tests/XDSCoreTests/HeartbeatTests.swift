import Primitives
import Testing
import XDSCore

struct HeartbeatTests {
    private func view(_ mortal: String, _ others: String = "") -> View {
        View(id: ViewID(1)).replacing(
            with: samples(mortal).map { $0.living(for: .seconds(9)) } + samples(others)
        )
    }

    @Test func `what has a time to live is renewed without its content`() {
        let stream = TestStream(view: view("rtds a 1", "rtds b 1"))
        stream.subscribe("rtds", "a", "b")
        stream.ackAll()
        #expect(stream.heartbeatIsDue() == ["rtds heartbeat +a=1"])
        stream.ackAll()
        #expect(stream.state("rtds") == .synced)
        #expect(stream.heartbeatIsDue() == ["rtds heartbeat +a=1"])
    }

    @Test func `nothing is renewed for who has no time to live`() {
        let stream = TestStream(view: .sample("rtds a 1"))
        stream.subscribe("rtds", "a")
        #expect(stream.heartbeatIsDue() == [])
    }

    @Test func `a name that is not subscribed to is not renewed`() {
        let stream = TestStream(view: view("rtds a 1, rtds b 1"))
        stream.subscribe("rtds", "b")
        stream.ackAll()
        #expect(stream.heartbeatIsDue() == ["rtds heartbeat +b=1"])
    }

    @Test func `what is due anyway or was refused is not renewed`() {
        let stream = TestStream(view: view("rtds a 1, rtds b 1"))
        stream.subscribe("rtds", "a", "b")
        stream.nack("rtds", "a is bad")
        let next = stream.view.applying([.put(sample("rtds b 2").living(for: .seconds(9)))])
        stream.show(next)
        #expect(stream.heartbeatIsDue() == [])
    }

    @Test func `a client that answers nothing is not renewed for ever`() {
        let stream = TestStream(
            view: view("rtds a 1"),
            limits: StreamLimits(maximumOutstandingResponsesPerType: 3)
        )
        stream.subscribe("rtds", "a")
        #expect(stream.heartbeatIsDue() == [])
        stream.ackAll()
        let heartbeats = (0..<5).map { _ in stream.heartbeatIsDue().count }
        #expect(heartbeats == [1, 1, 1, 0, 0])
    }

    @Test func `a heartbeat changes nothing about a refusal`() {
        let stream = TestStream(view: view("rtds a 1", "rtds b 1"))
        stream.subscribe("rtds", "a", "b")
        stream.nack("rtds", "b is bad")
        stream.heartbeatIsDue()
        stream.ackAll()
        #expect(stream.state("rtds") == .nacked)
    }

    // MARK: State of the world

    @Test func `a client without wrappers is renewed by nothing`() {
        let stream = TestStream(.stateOfTheWorld, view: view("rtds a 1"))
        stream.ask("rtds", "a")
        stream.ask("rtds", "a")
        #expect(stream.heartbeatIsDue() == [])
    }

    @Test func `a client with wrappers is renewed by wrappers without content`() {
        let stream = TestStream(.stateOfTheWorld, view: view("rtds a 1", "rtds b 1"))
        stream.learnedOfWrappers()
        stream.ask("rtds", "a", "b")
        #expect(stream.heartbeatIsDue() == [])
        stream.ask("rtds", "a", "b")
        #expect(stream.heartbeatIsDue() == ["rtds heartbeat +a=1"])
        #expect(stream.lastPush?.wrapsResources == true)
    }

    @Test func `a full state is renewed in full, because what is absent is deleted`() {
        let stream = TestStream(.stateOfTheWorld, view: view("cds a 1", "cds b 1"))
        stream.learnedOfWrappers()
        stream.ask("cds")
        stream.ask("cds")
        #expect(stream.heartbeatIsDue() == ["cds +a=1 +b=1"])
    }
}
