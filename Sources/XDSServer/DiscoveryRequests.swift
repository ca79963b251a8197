import EnvoyAPI
import GRPC
import SwiftProtobuf
import XDSCore

/// A request of either form as it came in: what the machine needs, and the node if it was sent.
struct IncomingRequest<Request> {
    let request: Request
    let node: Envoy_Config_Core_V3_Node?
}

extension IncomingRequest where Request == DeltaRequest {
    init(_ bytes: MessageBytes) throws {
        let wire = try Envoy_Service_Discovery_V3_DeltaDiscoveryRequest(discarding: bytes)
        node = wire.hasNode ? wire.node : nil
        request = DeltaRequest(
            typeURL: TypeURL(wire.typeURL),
            subscribe: wire.resourceNamesSubscribe.map { ResourceName($0) },
            unsubscribe: wire.resourceNamesUnsubscribe.map { ResourceName($0) },
            initialVersions: Dictionary(
                wire.initialResourceVersions.map { (ResourceName($0.key), Version($0.value)) }
            ) { first, _ in first },
            nonce: wire.responseNonce,
            error: wire.hasErrorDetail ? ErrorDetail(wire.errorDetail) : nil
        )
    }
}

extension IncomingRequest where Request == SotwRequest {
    init(_ bytes: MessageBytes) throws {
        let wire = try Envoy_Service_Discovery_V3_DiscoveryRequest(discarding: bytes)
        node = wire.hasNode ? wire.node : nil
        request = SotwRequest(
            typeURL: TypeURL(wire.typeURL),
            version: Version(wire.versionInfo),
            names: wire.resourceNames.map { ResourceName($0) },
            nonce: wire.responseNonce,
            error: wire.hasErrorDetail ? ErrorDetail(wire.errorDetail) : nil
        )
    }
}

extension Message {
    /// Decodes without what our protos leave out: Envoy's node brings 60 kB of extension names.
    fileprivate init(discarding bytes: MessageBytes) throws {
        var options = BinaryDecodingOptions()
        options.discardUnknownFields = true
        try self.init(grpcMessage: bytes, options: options)
    }
}

extension ErrorDetail {
    fileprivate init(_ status: Google_Rpc_Status) {
        self.init(code: status.code, message: status.message)
    }
}
