import EnvoyAPI
import Foundation
import GRPCAPI
import MeridianAPI
import SwiftProtobuf
import Testing

/// Server reflection can answer with the descriptors that `scripts/generate` embeds.
@Suite struct DescriptorTests {
    @Test(arguments: [
        (API.envoy, "envoy.service.discovery.v3.AggregatedDiscoveryService"),
        (API.meridian, "meridian.v1.ReportService"),
        (API.grpc, "grpc.health.v1.Health"),
        (API.grpc, "grpc.reflection.v1.ServerReflection"),
    ])
    func `a service is found by its name, with its methods`(api: API, service: String) throws {
        let file = try #require(api.files.first { $0.symbols.contains(service) })
        let descriptor = try decode(file.base64)
        let declared = try #require(
            descriptor.service.first { "\(descriptor.package).\($0.name)" == service }
        )
        let methods = declared.method.map { "\(service).\($0.name)" }
        #expect(!methods.isEmpty)
        #expect(methods.allSatisfy(file.symbols.contains))
    }

    @Test(arguments: API.allCases)
    func `every file says what its descriptor says, and its imports are there`(api: API) throws {
        let names = Set(api.files.map(\.name))
        #expect(names.count == api.files.count)
        for file in api.files {
            let descriptor = try decode(file.base64)
            #expect(file.name == descriptor.name)
            #expect(file.dependencies == descriptor.dependency)
            #expect(names.isSuperset(of: file.dependencies), "\(file.name)")
            for message in descriptor.messageType {
                #expect(file.symbols.contains("\(descriptor.package).\(message.name)"))
            }
        }
    }

    /// Envoy sends 60 kB of extensions with each first request; the server must be able to leave them out.
    @Test func `a node's extensions can be discarded while decoding`() throws {
        // A node with the id "a" (field 1) and one extension, which has the name "b" (field 1 in field 9).
        let wire: [UInt8] = [0x0a, 0x01, 0x61, 0x4a, 0x03, 0x0a, 0x01, 0x62]
        var options = BinaryDecodingOptions()
        options.discardUnknownFields = true
        let node = try Envoy_Config_Core_V3_Node(serializedBytes: wire, options: options)
        let expected = Envoy_Config_Core_V3_Node.with { $0.id = "a" }
        #expect(node == expected)
        #expect(node.unknownFields.data.isEmpty)
    }

    private func decode(_ base64: String) throws -> Google_Protobuf_FileDescriptorProto {
        let data = try #require(Data(base64Encoded: base64))
        return try Google_Protobuf_FileDescriptorProto(serializedBytes: data)
    }
}

/// The targets that have descriptors.
enum API: CaseIterable {
    case envoy
    case meridian
    case grpc

    var files: [MeridianDescriptors.File] {
        switch self {
        case .envoy: EnvoyDescriptors.files
        case .meridian: MeridianDescriptors.files
        case .grpc: GRPCDescriptors.files
        }
    }
}
