import EnvoyAPI
import Testing
import XDSCore
import XDSServer

/// Clients that ask and ask: what they cost is bounded by what they are subscribed to, and by what
/// they read.
@Suite struct ChurnTests {
    @Test(arguments: Place.allCases)
    func `nothing is left of ten thousand names that come and go`(place: Place) async throws {
        try await BadInputTests.beside(place) { pair, good in
            var churning = try await DiscoveryPeer(pair, place, node: "churning")
            try await churning.request(subscribe: ["a"])
            _ = try await churning.accept()
            let limit = StreamLimits().maximumSubscriptionsPerStream
            for round in 1...5 {
                let names = (1..<limit).map { "\(round)-\($0)" }
                try await churning.request(subscribe: names)
                let response = try await churning.accept()
                #expect(response.contents == [])
                #expect(response.absent.count == names.count)
                try await churning.request(unsubscribe: names)
            }
            // Its ACK was the last word: nothing is due, and of all those names none is kept.
            let known = try await pair.statuses(of: "churning")
            #expect(known == ["a"])
            // Two for `a`, one for each round.
            #expect(pair.counter("xds_responses_sent") == 7)
        }
    }

    /// Each request is answered with more than it brings, and each of many types may have several
    /// answers out; so requests wait until the answers are read.
    @Test func `a client that reads nothing is not heard any more`() async throws {
        try await BadInputTests.beside(.delta) { pair, good in
            let unread = try await pair.openDelta()
            async let written: Void = Self.write(on: unread)
            let heard = try await Self.settledRequests(pair, &good)
            let total = UInt64(Self.types * Self.rounds)
            #expect(heard < total / 4)
            for _ in 0..<total { _ = try await unread.next() }
            try await written
            #expect(pair.counter("xds_unknown_type_requests") == total)
        }
    }

    /// How many requests were heard when a client that is served gets no more ahead of it.
    private static func settledRequests(
        _ pair: DiscoveryPair,
        _ good: inout DiscoveryPeer
    ) async throws -> UInt64 {
        var heard: [UInt64] = []
        while heard.count < 20 || Set(heard.suffix(20)).count > 1 {
            heard.append(pair.counter("xds_unknown_type_requests") ?? 0)
            try await BadInputTests.expectServed(&good, pair)
        }
        return heard.last ?? 0
    }

    private static let types = 30
    /// As many answers as one type may have out, so that each request has one.
    private static let rounds = StreamLimits().maximumOutstandingResponsesPerType

    private static func write(
        on stream: DiscoveryCall<DeltaDiscoveryRequest, DeltaDiscoveryResponse>
    ) async throws {
        for round in 0..<rounds {
            for type in 0..<types {
                try await stream.send {
                    if round == 0, type == 0 { $0.node = .test }
                    $0.typeURL = "example.com/Type\(type)"
                    $0.resourceNamesSubscribe = names(round)
                    $0.resourceNamesUnsubscribe = names(round - 1)
                }
            }
        }
    }

    /// Forty kilobytes that no two rounds share.
    private static func names(_ round: Int) -> [String] {
        round < 0 ? [] : (0..<300).map { "\(round)-\($0)-" + String(repeating: "x", count: 128) }
    }
}

extension DiscoveryPair {
    /// The names that the node is subscribed to, by CSDS.
    fileprivate func statuses(of node: String) async throws -> [String] {
        let response: Envoy_Service_Status_V3_ClientStatusResponse = try await client.unary(
            "/envoy.service.status.v3.ClientStatusDiscoveryService/FetchClientStatus",
            Envoy_Service_Status_V3_ClientStatusRequest.with {
                $0.nodeMatchers = [.with { $0.nodeID.exact = node }]
            },
            timeout: .seconds(300)
        )
        return response.config.flatMap { $0.genericXdsConfigs.map(\.name) }
    }
}
