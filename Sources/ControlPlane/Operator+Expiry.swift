import GRPC
import MeridianAPI
import Primitives

extension Operator {
    /// The held workers of a region are dead.
    func confirmExpiry(
        _ request: Meridian_V1_ConfirmExpiryRequest
    ) async throws -> Meridian_V1_ConfirmExpiryResponse {
        let region = RegionName(request.region)
        guard state.mesh.region(named: region) != nil else {
            throw GRPCError(.invalidArgument, "region: the mesh has no region \"\(region)\"")
        }
        let service = request.service.isEmpty ? nil : ServiceName(request.service)
        let ended: [WorkerID]?
        do {
            ended = try await registry.confirmExpiry(in: region, of: service)
        } catch {
            throw GRPCError(.unavailable, "the change can't be stored: \(error)")
        }
        guard let ended else {
            let what = service.map { "of service \"\($0)\" " } ?? ""
            throw GRPCError(
                .failedPrecondition,
                "region: no workers \(what)are held in \"\(region)\""
            )
        }
        return .with { $0.workerIds = ended.map(\.rawValue) }
    }
}
