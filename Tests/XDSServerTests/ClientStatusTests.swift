import EnvoyAPI
import GRPC
import Testing
import XDSCore
import XDSServer

/// What CSDS says of the clients.
@Suite struct ClientStatusTests {
    private typealias Request = Envoy_Service_Status_V3_ClientStatusRequest
    private typealias Response = Envoy_Service_Status_V3_ClientStatusResponse

    private static let service = "envoy.service.status.v3.ClientStatusDiscoveryService"

    private func fetch(_ pair: DiscoveryPair, _ request: Request) async throws -> Response {
        try await pair.client.unary(
            "/\(Self.service)/FetchClientStatus",
            request,
            timeout: .seconds(300)
        )
    }

    /// A client that has accepted a cluster, refused a secret and not answered for a layer.
    private func connect(_ pair: DiscoveryPair, _ id: String) async throws {
        let stream = try await pair.openDelta()
        try await stream.subscribe(.cluster, node: .with { $0.id = id })
        try await stream.ack(stream.next())
        try await stream.subscribe(.secret, "s")
        let secret = try await stream.next()
        try await stream.send {
            $0.typeURL = secret.typeURL
            $0.responseNonce = secret.nonce
            $0.errorDetail.message = "a bad key"
        }
        try await stream.subscribe(.runtime, "l")
        _ = try await stream.next()
    }

    private static let resources = [
        resource(.cluster, "c"), resource(.secret, "s", "7"), resource(.runtime, "l"),
    ]

    @Test func `each resource has its state, and a refused one its text`() async throws {
        try await DiscoveryPair.with(Self.resources) { pair in
            try await connect(pair, "one")
            let response = try await fetch(pair, Request())
            let client = try #require(response.config.first)
            let configs = client.genericXdsConfigs
            #expect(client.node.id == "one")
            #expect(configs.map(\.name) == ["l", "c", "s"])
            #expect(configs.map(\.configStatus) == [.stale, .synced, .error])
            #expect(configs.map(\.clientStatus) == [.requested, .acked, .nacked])
            #expect(configs.map(\.errorState.details) == ["", "", "a bad key"])
            #expect(configs.map(\.errorState.versionInfo) == ["", "", "7"])
        }
    }

    @Test func `a secret is never shown, and nothing is when contents are excluded`() async throws {
        try await DiscoveryPair.with(Self.resources) { pair in
            try await connect(pair, "one")
            let shown = try await fetch(pair, Request())
            let hidden = try await fetch(pair, .with { $0.excludeResourceContents = true })
            let contents = [shown, hidden].map { $0.config.flatMap(\.genericXdsConfigs) }
            #expect(contents[0].map(\.hasXdsConfig) == [true, true, false])
            #expect(contents[1].map(\.hasXdsConfig) == [false, false, false])
        }
    }

    @Test func `matchers select the clients`() async throws {
        try await DiscoveryPair.with(Self.resources) { pair in
            try await connect(pair, "eu-1")
            try await connect(pair, "us-1")
            let response = try await fetch(
                pair,
                .with { $0.nodeMatchers = [.with { $0.nodeID.prefix = "us-" }] }
            )
            #expect(response.config.map(\.node.id) == ["us-1"])
        }
    }

    @Test func `the streams of one node are one client`() async throws {
        let resources = Self.resources + [resource(.clusterLoadAssignment, "e")]
        try await DiscoveryPair.with(resources) { pair in
            try await connect(pair, "one")
            let stream = try await pair.openDelta()
            try await stream.subscribe(.clusterLoadAssignment, "e", node: .with { $0.id = "one" })
            _ = try await stream.next()
            // The same resource on another stream, where it stands better than on the first.
            try await stream.subscribe(.runtime, "l")
            try await stream.ack(stream.next())
            // Answered, so the ACK has been taken in.
            try await stream.subscribe(.runtime, "l")
            try await stream.ack(stream.next())
            let response = try await fetch(pair, Request())
            #expect(response.config.map(\.node.id) == ["one"])
            let configs = response.config.flatMap(\.genericXdsConfigs)
            #expect(configs.map(\.name) == ["l", "c", "e", "s"])
            #expect(configs.map(\.clientStatus) == [.requested, .acked, .requested, .nacked])
        }
    }

    @Test func `a matcher of metadata selects, and one that can't be decided is refused`()
        async throws
    {
        try await DiscoveryPair.with(Self.resources) { pair in
            for id in ["one", "two"] {
                let stream = try await pair.openDelta()
                try await stream.subscribe(
                    .cluster,
                    node: .with {
                        $0.id = id
                        $0.metadata = ["rank": .init(stringValue: id)]
                    }
                )
                _ = try await stream.next()
            }
            func request(_ fill: (inout Envoy_Type_Matcher_V3_StringMatcher) -> Void) -> Request {
                .with {
                    $0.nodeMatchers = [
                        .with {
                            $0.nodeMetadatas = [
                                .with {
                                    $0.path = [.with { $0.key = "rank" }]
                                    fill(&$0.value.stringMatch)
                                }
                            ]
                        }
                    ]
                }
            }
            let response = try await fetch(pair, request { $0.exact = "two" })
            #expect(response.config.map(\.node.id) == ["two"])
            let error = await #expect(throws: GRPCError.self) {
                try await fetch(pair, request { $0.safeRegex.regex = "t.*" })
            }
            #expect(error?.code == .invalidArgument)
        }
    }

    @Test func `a stream answers each request`() async throws {
        try await DiscoveryPair.with(Self.resources) { pair in
            try await connect(pair, "one")
            let stream: DiscoveryCall<Request, Response> = try await pair.open(
                Self.service,
                "StreamClientStatus"
            )
            for _ in 0..<2 {
                try await stream.send { _ in }
                let response = try await stream.next()
                #expect(response.config.map(\.node.id) == ["one"])
            }
        }
    }

    @Test(arguments: [(3, true), (2, false)])
    func `an answer beyond its bound is refused`(bound: Int, isAnswered: Bool) async throws {
        try await DiscoveryPair.with(Self.resources, maximumStatusResources: bound) { pair in
            try await connect(pair, "one")
            let error: GRPCError?
            do {
                _ = try await fetch(pair, Request())
                error = nil
            } catch let failure as GRPCError {
                error = failure
            }
            #expect((error == nil) == isAnswered)
            #expect(error?.code == (isAnswered ? nil : .resourceExhausted))
        }
    }
}
