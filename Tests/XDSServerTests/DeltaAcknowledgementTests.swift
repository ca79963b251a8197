import EnvoyAPI
import SwiftProtobuf
import Testing
import XDSCore

@testable import XDSServer

/// What is taken for an ACK without being decoded, and what isn't.
struct DeltaAcknowledgementTests {
    private typealias Request = Envoy_Service_Discovery_V3_DeltaDiscoveryRequest

    private static func read(_ bytes: [UInt8]) -> DeltaAcknowledgement? {
        bytes.withUnsafeBytes { DeltaAcknowledgement($0) }
    }

    private static func read(_ change: (inout Request) -> Void) throws -> DeltaAcknowledgement? {
        var request = Request()
        request.typeURL = TypeURL.clusterLoadAssignment.rawValue
        request.responseNonce = "1.2f.0"
        change(&request)
        return read(try request.serializedBytes())
    }

    @Test(arguments: TypeURL.standard)
    func `a type and a nonce are an acknowledgement, with a node or without`(
        typeURL: TypeURL
    ) throws {
        for id in ["", "n"] {
            let read = try Self.read {
                $0.typeURL = typeURL.rawValue
                if !id.isEmpty { $0.node.id = id }
            }
            #expect(read?.typeURL == typeURL)
            #expect(read?.nonce.text == "1.2f.0")
        }
    }

    @Test func `a request that says more is none`() throws {
        let changes: [(inout Request) -> Void] = [
            { $0.resourceNamesSubscribe = ["a"] },
            { $0.resourceNamesUnsubscribe = ["a"] },
            { $0.initialResourceVersions = ["a": "1"] },
            { $0.errorDetail.message = "no" },
            { $0.typeURL = "type.googleapis.com/none" },
            { $0.typeURL = "" },
            { $0.responseNonce = "1.02.0" },
            { $0.responseNonce = "" },
        ]
        for change in changes {
            let read = try Self.read(change)
            #expect(read == nil)
        }
        let cut = Self.read([0x12, 9, 1])
        #expect(cut == nil)
    }
}
