import EnvoyAPI
import GRPC
import Testing
import XDSCore
import XDSServer

/// The four ways to ask for secrets: both forms of the protocol, aggregated or on a stream of one type.
enum Place: CaseIterable, Sendable {
    case delta
    case deltaSecrets
    case stateOfTheWorld
    case stateOfTheWorldSecrets

    var isAggregated: Bool { self == .delta || self == .stateOfTheWorld }
}

/// A client of secrets that is the same to a test in each of the four places.
///
/// It sends what the test says, right or wrong, and answers nothing by itself.
struct DiscoveryPeer {
    /// A response, as far as both forms have it.
    struct Response: Sendable {
        let nonce: String
        /// Such as `a@1`.
        let contents: [String]
        let absent: [String]
    }

    private enum Call {
        case delta(DiscoveryCall<DeltaDiscoveryRequest, DeltaDiscoveryResponse>)
        case stateOfTheWorld(DiscoveryCall<DiscoveryRequest, DiscoveryResponse>)
    }

    private let call: Call
    private let node: Node
    private var names: [String] = []
    private var lastNonce = ""
    private var isFirst = true

    init(_ pair: DiscoveryPair, _ place: Place, node: String) async throws {
        self.node = .with { $0.id = node }
        let service = "envoy.service.secret.v3.SecretDiscoveryService"
        call =
            switch place {
            case .delta: .delta(try await pair.openDelta())
            case .deltaSecrets: .delta(try await pair.openDelta(service, "DeltaSecrets"))
            case .stateOfTheWorld: .stateOfTheWorld(try await pair.openSotw())
            case .stateOfTheWorldSecrets:
                .stateOfTheWorld(try await pair.openSotw(service, "StreamSecrets"))
            }
    }

    /// Sends one request: the first one with the node, each one of the state of the world with all
    /// names, and with the last nonce if none is given.
    mutating func request(
        _ type: TypeURL = .secret,
        subscribe: [String] = [],
        unsubscribe: [String] = [],
        nonce: String? = nil,
        error: String? = nil
    ) async throws {
        if !unsubscribe.isEmpty {
            let unsubscribed = Set(unsubscribe)
            names.removeAll { unsubscribed.contains($0) }
        }
        names += subscribe
        let (names, lastNonce, node) = (names, lastNonce, isFirst ? node : nil)
        isFirst = false
        switch call {
        case .delta(let call):
            try await call.send {
                if let node { $0.node = node }
                $0.typeURL = type.rawValue
                $0.resourceNamesSubscribe = subscribe
                $0.resourceNamesUnsubscribe = unsubscribe
                $0.responseNonce = nonce ?? ""
                if let error { $0.errorDetail.message = error }
            }
        case .stateOfTheWorld(let call):
            try await call.send {
                if let node { $0.node = node }
                $0.typeURL = type.rawValue
                $0.resourceNames = names
                $0.responseNonce = nonce ?? lastNonce
                if let error { $0.errorDetail.message = error }
            }
        }
    }

    /// Sends bytes that are none of our requests.
    func send(_ bytes: [UInt8]) async throws {
        switch call {
        case .delta(let call): try await call.call.write(GRPCFrame(bytes: bytes))
        case .stateOfTheWorld(let call): try await call.call.write(GRPCFrame(bytes: bytes))
        }
    }

    mutating func next() async throws -> Response {
        let response = try await read()
        lastNonce = response.nonce
        return response
    }

    private func read() async throws -> Response {
        switch call {
        case .delta(let call):
            let response = try await call.next()
            return Response(
                nonce: response.nonce,
                contents: response.resources.map {
                    String(decoding: $0.resource.value, as: UTF8.self)
                },
                absent: response.removedResources
            )
        case .stateOfTheWorld(let call):
            let response = try await call.next()
            return Response(
                nonce: response.nonce,
                contents: response.resources.map { String(decoding: $0.value, as: UTF8.self) },
                absent: response.resourceErrors.map(\.resourceName.name)
            )
        }
    }

    /// The next response, which it accepts.
    mutating func accept() async throws -> Response {
        let response = try await next()
        try await request(nonce: response.nonce)
        return response
    }

    /// The status that the stream ends with.
    func failure() async -> GRPCError? {
        switch call {
        case .delta(let call): await call.failure()
        case .stateOfTheWorld(let call): await call.failure()
        }
    }
}

extension DiscoveryPair {
    func counter(_ name: String) -> UInt64? { service.counters[name] }

    /// Waits for a counter; false when that takes too long.
    func reaches(_ name: String, _ value: UInt64) async throws -> Bool {
        for _ in 0..<3_000 {
            if let current = counter(name), current >= value { return true }
            try await Task.sleep(for: .milliseconds(10))
        }
        return false
    }
}
