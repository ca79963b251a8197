import Testing
import XDSCore
import XDSServer

/// Versions that an operator gave.
@Suite struct RawVersionTests {
    @Test func `a delta client is told each resource's own`() async throws {
        try await DiscoveryPair.with([
            resource(.cluster, "a", "blue/1"), resource(.cluster, "b", "blue/2"),
        ]) { pair in
            let stream = try await pair.openDelta()
            try await stream.subscribe(.cluster, "*")
            let response = try await stream.next()
            #expect(response.resources.map(\.version) == ["blue/1", "blue/2"])
        }
    }

    @Test func `a state of the world client is told the one that all have`() async throws {
        let same = [resource(.cluster, "a", "blue/1"), resource(.cluster, "b", "blue/1")]
        try await DiscoveryPair.with(same) { pair in
            let stream = try await pair.openSotw()
            try await stream.subscribe(.cluster)
            let first = try await stream.next()
            try await stream.ack(first)
            pair.publish([resource(.cluster, "a", "blue/1"), resource(.cluster, "b", "blue/2")])
            let second = try await stream.next()

            #expect(first.versionInfo == "blue/1")
            #expect(second.versionInfo != "blue/1" && second.versionInfo != "blue/2")
        }
    }

    @Test func `a client that comes back with it is sent what may have changed`() async throws {
        // The version of a response says nothing of which resources had it.
        try await DiscoveryPair.with([resource(.cluster, "a", "blue/1")]) { pair in
            let stream = try await pair.openSotw()
            try await stream.subscribe(.cluster, version: "blue/1")
            let response = try await stream.next()
            #expect(response.resources.count == 1)
        }
    }

    @Test func `a hash is no operator's version`() async throws {
        let hashed = EncodedResource(typeURL: .cluster, name: "a", bytes: [1])
        try await DiscoveryPair.with([hashed]) { pair in
            let stream = try await pair.openSotw()
            try await stream.subscribe(.cluster)
            let response = try await stream.next()
            #expect(hashed.version.isHash)
            #expect(response.versionInfo != hashed.version.rawValue)
        }
    }
}

extension DiscoveryCall where Request == DiscoveryRequest, Response == DiscoveryResponse {
    fileprivate func subscribe(_ type: TypeURL, version: String = "") async throws {
        try await send {
            $0.node = .test
            $0.typeURL = type.rawValue
            $0.versionInfo = version
        }
    }

    fileprivate func ack(_ response: DiscoveryResponse) async throws {
        try await send {
            $0.typeURL = response.typeURL
            $0.versionInfo = response.versionInfo
            $0.responseNonce = response.nonce
        }
    }
}
