import GRPC
import Logging
import Testing
import XDSCore
import XDSServer

/// What clients may not do, each in both forms and on both kinds of streams, beside a client that
/// goes on being served.
@Suite struct BadInputTests {
    // MARK: Requests that end their stream

    @Test(arguments: Place.allCases)
    func `a node without an id is refused`(place: Place) async throws {
        try await Self.beside(place) { pair, good in
            var bad = try await DiscoveryPeer(pair, place, node: "")
            try await bad.request(subscribe: ["a"])
            let error = await bad.failure()
            #expect(error?.code == .invalidArgument)
            #expect(error?.message.contains("node.id") == true)
            #expect(pair.counter("xds_refused_nodes") == 1)
            try await Self.expectServed(&good, pair)
        }
    }

    @Test(arguments: Place.allCases)
    func `bytes that are no protobuf are refused`(place: Place) async throws {
        try await Self.beside(place) { pair, good in
            let first = try await DiscoveryPeer(pair, place, node: "bad")
            try await first.send([0xFF, 0xFF, 0xFF])
            let atOnce = await first.failure()
            var second = try await DiscoveryPeer(pair, place, node: "bad")
            try await second.request(subscribe: ["a"])
            _ = try await second.accept()
            try await second.send(Array("GET / HTTP/1.1".utf8))
            let later = await second.failure()
            #expect(atOnce?.code == .invalidArgument)
            #expect(later?.code == .invalidArgument)
            #expect(pair.counter("xds_malformed_requests") == 2)
            try await Self.expectServed(&good, pair)
        }
    }

    @Test(arguments: Place.allCases)
    func `a hundred thousand subscriptions are refused`(place: Place) async throws {
        try await Self.beside(place) { pair, good in
            var bad = try await DiscoveryPeer(pair, place, node: "bad")
            try await bad.request(subscribe: (1...100_000).map { "name-\($0)" })
            let error = await bad.failure()
            #expect(error?.code == .resourceExhausted)
            #expect(error?.message.contains("maximumSubscriptionsPerStream is 10000") == true)
            #expect(pair.counter("xds_violations") == 1)
            try await Self.expectServed(&good, pair)
        }
    }

    @Test func `subscriptions add up over requests`() async throws {
        try await Self.beside(.delta) { pair, good in
            var bad = try await DiscoveryPeer(pair, .delta, node: "bad")
            for round in 0..<11 {
                try await bad.request(subscribe: (1...1_000).map { "\(round)-\($0)" })
                try await Self.expectServed(&good, pair)
            }
            let error = await bad.failure()
            #expect(error?.code == .resourceExhausted)
            #expect(pair.counter("xds_violations") == 1)
        }
    }

    @Test(arguments: Place.allCases)
    func `a type that nobody knows is served where all are, and refused on a stream of another`(
        place: Place
    ) async throws {
        try await Self.beside(place) { pair, good in
            var bad = try await DiscoveryPeer(pair, place, node: "bad")
            try await bad.request("example.com/Unknown", subscribe: ["x"])
            if place.isAggregated {
                let response = try await bad.next()
                #expect(response.contents == [])
                #expect(response.absent == ["x"])
                #expect(pair.counter("xds_violations") == 0)
            } else {
                let error = await bad.failure()
                #expect(error?.code == .invalidArgument)
                #expect(pair.counter("xds_violations") == 1)
            }
            #expect(pair.counter("xds_unknown_type_requests") == 1)
            try await Self.expectServed(&good, pair)
        }
    }

    // MARK: Answers to nothing

    @Test(arguments: Place.allCases)
    func `a nonce of another stream answers nothing`(place: Place) async throws {
        try await Self.beside(place) { pair, good in
            pair.publish([resource(.secret, "a", "2")])
            let foreign = try await good.next().nonce
            var bad = try await DiscoveryPeer(pair, place, node: "bad")
            try await bad.request(subscribe: ["a"], nonce: foreign)
            let response = try await bad.next()
            // It has answered nothing yet, so it gets nothing more, and the other one isn't settled.
            #expect(response.contents == ["a@2"])
            #expect(pair.counter("xds_ignored_nonces") == 1)
            #expect(pair.counter("xds_acks") == 1)
            try await good.request(nonce: foreign)
            try await Self.expectServed(&good, pair)
        }
    }

    @Test(arguments: Place.allCases)
    func `answers to what was not sent change nothing`(place: Place) async throws {
        try await Self.beside(place) { pair, good in
            var bad = try await DiscoveryPeer(pair, place, node: "bad")
            try await bad.request(subscribe: ["a"])
            let response = try await bad.next()
            let made = [
                "7.7.7", "nonsense", "1.99999999999999999999.0", response.nonce + "0", "-1..2",
            ]
            for nonce in made {
                try await bad.request(nonce: nonce)
                try await bad.request(nonce: nonce, error: "no")
            }
            let areCounted = try await pair.reaches("xds_ignored_nonces", UInt64(2 * made.count))
            #expect(areCounted)
            #expect(pair.counter("xds_acks") == 1)
            #expect(pair.counter("xds_nacks") == 0)
            try await Self.expectServed(&good, pair)
            // The one response is still the one that counts.
            try await bad.request(nonce: response.nonce)
            let next = try await bad.next()
            #expect(next.contents == ["a@\(Self.published(pair))"])
        }
    }

    @Test(arguments: Place.allCases)
    func `a client that never answers gets one response and is counted`(
        place: Place
    ) async throws {
        let configuration = DiscoveryConfiguration(watchdogInterval: .milliseconds(10))
        try await Self.beside(place, configuration, isRunning: true) { pair, good in
            var silent = try await DiscoveryPeer(pair, place, node: "silent")
            try await silent.request(subscribe: ["a"])
            let first = try await silent.next()
            for _ in 1...50 { try await Self.expectServed(&good, pair) }
            let isCounted = try await pair.reaches("xds_watchdog_unacknowledged", 1)
            #expect(isCounted)
            // 51 for the one, one for the other.
            #expect(pair.counter("xds_responses_sent") == 52)
            try await silent.request(nonce: first.nonce)
            let second = try await silent.next()
            #expect(second.contents == ["a@\(Self.published(pair))"])
        }
    }

    // MARK: Refusals

    @Test(arguments: Place.allCases)
    func `a flood of refusals counts as one`(place: Place) async throws {
        try await Self.beside(place) { pair, good in
            var bad = try await DiscoveryPeer(pair, place, node: "bad")
            try await bad.request(subscribe: ["a"])
            let response = try await bad.next()
            let text = "a is bad " + String(repeating: "é", count: 10_000)
            for _ in 1...500 { try await bad.request(nonce: response.nonce, error: text) }
            try await Self.expectServed(&good, pair)
            let next = try await bad.next()
            // Nothing came again before it had changed.
            #expect(next.contents == ["a@\(Self.published(pair))"])
            let kept = await pair.service.proxies().first { $0.nodeID == "bad" }?.types.first
            #expect(pair.counter("xds_nacks") == 1)
            #expect(kept?.errorText?.utf8.count ?? 0 <= StreamLimits().maximumErrorTextBytes)
        }
    }

    @Test(arguments: Place.allCases)
    func `refusals fill the log up to a bound`(place: Place) async throws {
        let log = LineCounter()
        let configuration = DiscoveryConfiguration(maximumLoggedRefusalsPerStream: 3)
        try await Self.beside(place, configuration, logger: log.logger) { pair, good in
            var bad = try await DiscoveryPeer(pair, place, node: "bad")
            try await bad.request(subscribe: ["a"])
            for _ in 1...10 {
                let response = try await bad.next()
                try await bad.request(nonce: response.nonce, error: "no")
                try await Self.expectServed(&good, pair)
            }
            _ = try await bad.next()
            #expect(pair.counter("xds_nacks") == 10)
            #expect(log.count(of: "a proxy refused a response") == 3)
        }
    }

    // MARK: -

    /// Lends the services with `a`, and a client that has it, and is served at the end, too.
    ///
    /// - Parameter isRunning: the heartbeats and the watchdog run.
    static func beside(
        _ place: Place,
        _ configuration: DiscoveryConfiguration = DiscoveryConfiguration(),
        logger: Logger? = nil,
        isRunning: Bool = false,
        _ body: (DiscoveryPair, inout DiscoveryPeer) async throws -> Void
    ) async throws {
        try await DiscoveryPair.with(
            [resource(.secret, "a")],
            configuration: configuration,
            logger: logger
        ) { pair in
            let running = isRunning ? Task { try await pair.service.run() } : nil
            defer { running?.cancel() }
            var good = try await DiscoveryPeer(pair, place, node: "good")
            try await good.request(subscribe: ["a"])
            _ = try await good.accept()
            // Its ACK has to be in before anything is counted.
            _ = try await pair.reaches("xds_acks", 1)
            try await body(pair, &good)
            try await expectServed(&good, pair)
        }
    }

    /// Publishes a change, which the client gets and accepts.
    static func expectServed(
        _ good: inout DiscoveryPeer,
        _ pair: DiscoveryPair,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let next = (Int(published(pair)) ?? 0) + 1
        pair.publish([resource(.secret, "a", Version("\(next)"))])
        let response = try await good.accept()
        #expect(response.contents == ["a@\(next)"], sourceLocation: sourceLocation)
    }

    /// The version of `a`.
    static func published(_ pair: DiscoveryPair) -> String {
        pair.view.current.journal(of: .secret).version(of: "a")?.rawValue ?? ""
    }
}
