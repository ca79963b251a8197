import GRPC
import MeridianAPI
import Registry
import Store
import XDSServer

/// `meridian.v1.Admin`: the operators' side of the control plane.
struct AdminService<Storage: Store>: Sendable {
    private static var name: String { "meridian.v1.Admin" }

    let operators: Operator<Storage>
    let registry: WorkerRegistry<Storage>
    let discovery: DiscoveryService
    let state: MeshState
    let loads: LoadReportService
    /// The process's name for operators: the address that it serves on.
    let replica: @Sendable () -> String
    let counters: @Sendable () -> [String: UInt64]

    func register(in methods: inout AdminMethods) {
        methods.unary(Self.name, "ApplyMesh") { (request: Meridian_V1_ApplyMeshRequest, _) in
            try await operators.apply(request)
        }
        methods.unary(Self.name, "GetMesh") { (_: Meridian_V1_GetMeshRequest, _) in
            await operators.mesh
        }
        methods.unary(Self.name, "SetShares") { (request: Meridian_V1_SetSharesRequest, _) in
            try await operators.setShares(request)
        }
        methods.unary(Self.name, "ListWorkers") {
            (_: Meridian_V1_ListWorkersRequest, _) -> Meridian_V1_ListWorkersResponse in
            let workers = await registry.workers()
            return .with { $0.workers = workers.map { Meridian_V1_Worker($0) } }
        }
        methods.unary(Self.name, "ListProxies") { (request: Meridian_V1_ListProxiesRequest, _) in
            try await listProxies(request)
        }
        methods.unary(Self.name, "ConfirmExpiry") {
            (request: Meridian_V1_ConfirmExpiryRequest, _) in
            try await operators.confirmExpiry(request)
        }
        methods.unary(Self.name, "GetCounters") {
            (_: Meridian_V1_GetCountersRequest, _) -> Meridian_V1_GetCountersResponse in
            .with { $0.counters = counters() }
        }
        methods.unary(Self.name, "ListRefusals") {
            (_: Meridian_V1_ListRefusalsRequest, _) -> Meridian_V1_ListRefusalsResponse in
            .with { $0.refusals = state.refusals.map { Meridian_V1_Refusal($0) } }
        }
        methods.unary(Self.name, "ListLoads") { (request: Meridian_V1_ListLoadsRequest, _) in
            try Meridian_V1_ListLoadsResponse(
                loads.snapshot(clusters: request.clusters.isEmpty ? nil : request.clusters)
            )
        }
        registerRaw(in: &methods)
    }

    private func registerRaw(in methods: inout AdminMethods) {
        let name = "meridian.v1.RawResources"
        methods.unary(name, "PutRaw") { (request: Meridian_V1_PutRawRequest, _) in
            try await operators.putRaw(request)
        }
        methods.unary(name, "RemoveRaw") { (request: Meridian_V1_RemoveRawRequest, _) in
            try await operators.removeRaw(request)
        }
        methods.unary(name, "ListRaw") { (request: Meridian_V1_ListRawRequest, _) in
            try await operators.listRaw(request)
        }
        methods.unary(name, "SetRawSnapshot") { (request: Meridian_V1_SetRawSnapshotRequest, _) in
            try await operators.setRawSnapshot(request)
        }
    }

    private func listProxies(
        _ request: Meridian_V1_ListProxiesRequest
    ) async throws -> Meridian_V1_ListProxiesResponse {
        // All of a fleet's resources are more than a message holds.
        guard !request.withResources || !request.nodeID.isEmpty else {
            throw GRPCError(.invalidArgument, "node_id: expected one, as with_resources is set")
        }
        let proxies = await discovery.proxies(
            of: request.nodeID.isEmpty ? nil : request.nodeID,
            withResources: request.withResources
        )
        let replica = replica()
        return .with {
            $0.proxies = proxies.map { Meridian_V1_Proxy($0, replica: replica) }
        }
    }
}
