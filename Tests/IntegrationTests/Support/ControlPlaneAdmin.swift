import GRPC
import MeridianAPI
import NIOPosix
import Primitives
import SwiftProtobuf

/// A control plane's admin API, through our own client.
struct ControlPlaneAdmin {
    let client: GRPCClient

    init(_ address: EndpointAddress) {
        client = GRPCClient(
            addresses: [address],
            eventLoop: MultiThreadedEventLoopGroup.singleton.any()
        )
    }

    func apply(_ yaml: String) async throws -> Meridian_V1_ApplyMeshResponse {
        try await call(
            "ApplyMesh",
            Meridian_V1_ApplyMeshRequest.with {
                $0.fileName = "changed.yaml"
                $0.yaml = yaml
            }
        )
    }

    func mesh() async throws -> Meridian_V1_GetMeshResponse {
        try await call("GetMesh", Meridian_V1_GetMeshRequest())
    }

    /// Sets the shares of consumers in a region; none goes back to nearest first.
    func setShares(from region: String, _ shares: [String: UInt32]) async throws {
        let _: Meridian_V1_SetSharesResponse = try await call(
            "SetShares",
            Meridian_V1_SetSharesRequest.with {
                $0.service = "reports"
                $0.fromRegion = region
                $0.shares = shares
            }
        )
    }

    func workers() async throws -> [Meridian_V1_Worker] {
        let response: Meridian_V1_ListWorkersResponse = try await call(
            "ListWorkers",
            Meridian_V1_ListWorkersRequest()
        )
        return response.workers
    }

    /// The worker's epoch while it is serving.
    func servingEpoch(of worker: String) async throws -> UInt64? {
        try await workers()
            .first { $0.registration.workerID == worker && $0.state == "SERVING" }?.epoch
    }

    func proxies() async throws -> [Meridian_V1_Proxy] {
        let response: Meridian_V1_ListProxiesResponse = try await call(
            "ListProxies",
            Meridian_V1_ListProxiesRequest()
        )
        return response.proxies
    }

    func refusals() async throws -> [Meridian_V1_Refusal] {
        let response: Meridian_V1_ListRefusalsResponse = try await call(
            "ListRefusals",
            Meridian_V1_ListRefusalsRequest()
        )
        return response.refusals
    }

    func counters() async throws -> [String: UInt64] {
        let response: Meridian_V1_GetCountersResponse = try await call(
            "GetCounters",
            Meridian_V1_GetCountersRequest()
        )
        return response.counters
    }

    /// Waits until the one proxy has accepted everything of the four types, and returns it.
    func syncedProxy() async throws -> Meridian_V1_Proxy {
        try await waitFor("the proxy to be synced") {
            let proxies = try await proxies()
            guard let proxy = proxies.first, proxies.count == 1, proxy.types.count >= 4 else {
                return nil
            }
            return proxy.types.allSatisfy { $0.state == "SYNCED" } ? proxy : nil
        }
    }

    private func call<Response: Message>(
        _ method: String,
        _ request: some Message
    ) async throws -> Response {
        try await client.unary("/meridian.v1.Admin/\(method)", request, timeout: .seconds(5))
    }
}
