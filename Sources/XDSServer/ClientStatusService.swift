import EnvoyAPI
import Foundation
package import GRPC
import SwiftProtobuf
import XDSCore

/// `envoy.service.status.v3.ClientStatusDiscoveryService` (CSDS): what each client was given, and what it
/// said to it.
///
/// Secrets are named and never shown.
package struct ClientStatusService: Sendable {
    private static let name = "envoy.service.status.v3.ClientStatusDiscoveryService"

    private let discovery: DiscoveryService
    /// Bytes of resources in one response, and resources; who matches more has to ask for fewer nodes.
    private let maximumContentBytes: Int
    private let maximumResources: Int

    package init(
        discovery: DiscoveryService,
        maximumContentBytes: Int = 2 * 1024 * 1024,
        maximumResources: Int = 20_000
    ) {
        self.discovery = discovery
        self.maximumContentBytes = maximumContentBytes
        self.maximumResources = maximumResources
    }

    package func register(in methods: inout MethodTable) {
        methods.unary(Self.name, "FetchClientStatus") {
            (request: Envoy_Service_Status_V3_ClientStatusRequest, _) in
            try await answer(request)
        }
        methods.bidirectional(Self.name, "StreamClientStatus") {
            (
                requests: RequestStream<Envoy_Service_Status_V3_ClientStatusRequest>,
                responses: ResponseWriter<Envoy_Service_Status_V3_ClientStatusResponse>,
                _
            ) in
            for try await request in requests {
                try await responses.write(answer(request))
            }
        }
    }

    private func answer(
        _ request: Envoy_Service_Status_V3_ClientStatusRequest
    ) async throws -> Envoy_Service_Status_V3_ClientStatusResponse {
        try request.nodeMatchers.check()
        var response = Envoy_Service_Status_V3_ClientStatusResponse()
        var (count, bytes) = (0, 0)
        let clients = await discovery.clientStatuses { request.nodeMatchers.match($0) }
        for client in clients {
            count += client.resources.count
            if !request.excludeResourceContents {
                bytes += client.resources.reduce(0) { $0 + ($1.resource?.bytes.count ?? 0) }
            }
            guard count <= maximumResources, bytes <= maximumContentBytes else {
                throw GRPCError(
                    .resourceExhausted,
                    """
                    the answer is beyond \(maximumResources) resources or \(maximumContentBytes) bytes \
                    of them: give node_matchers, or exclude_resource_contents
                    """
                )
            }
            response.config.append(
                .with {
                    $0.node = client.node
                    $0.genericXdsConfigs = client.resources.map {
                        .init($0, showsContent: !request.excludeResourceContents)
                    }
                }
            )
        }
        return response
    }
}

extension Envoy_Service_Status_V3_ClientConfig.GenericXdsConfig {
    fileprivate init(_ status: ResourceStatus, showsContent: Bool) {
        self.init()
        typeURL = status.typeURL.rawValue
        name = status.name.rawValue
        versionInfo = status.resource?.version.rawValue ?? ""
        if showsContent, status.typeURL != .secret, let resource = status.resource {
            xdsConfig = Google_Protobuf_Any(resource)
        }
        switch status.state {
        case .synced:
            configStatus = .synced
            clientStatus = .acked
        case .sent:
            configStatus = .stale
            clientStatus = .requested
        case .notSent:
            configStatus = .notSent
            clientStatus = .requested
        case .absent:
            configStatus = .synced
            clientStatus = .doesNotExist
        case .nacked(let rejection):
            configStatus = .error
            clientStatus = .nacked
            errorState.details = rejection.error.message
            errorState.versionInfo = rejection.version?.rawValue ?? ""
        }
    }
}
