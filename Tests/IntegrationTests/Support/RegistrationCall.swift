import GRPC
import MeridianAPI
import Testing

/// One registration stream, spoken by hand.
struct RegistrationCall {
    private let call: ClientCall
    let lease: Meridian_V1_LeaseGranted

    /// Registers, on a connection of its own unless one is given.
    ///
    /// Throws the refusal.
    init(
        _ registration: Meridian_V1_Registration,
        with control: Fleet.ControlPlane,
        client: GRPCClient? = nil
    ) async throws {
        let client = client ?? ControlPlaneAdmin(control.address).client
        call = try await client.open(
            "/meridian.v1.WorkerRegistry/Register",
            timeout: .seconds(60)
        )
        let request = Meridian_V1_RegisterRequest.with { $0.registration = registration }
        try await call.write(GRPCFrame(request))
        guard let answer = try await call.next() else {
            throw GRPCError(.internal, "no answer to a registration")
        }
        lease = try Meridian_V1_RegisterResponse(grpcMessage: answer).lease
    }

    /// Sends a heartbeat, and returns the epoch that was renewed.
    func heartbeat(epoch: UInt64? = nil) async throws -> UInt64 {
        let request = Meridian_V1_RegisterRequest.with {
            $0.heartbeat.epoch = epoch ?? lease.epoch
            $0.heartbeat.health = .serving
        }
        try await call.write(GRPCFrame(request))
        guard let answer = try await call.next() else {
            throw GRPCError(.internal, "no answer to a heartbeat")
        }
        return try Meridian_V1_RegisterResponse(grpcMessage: answer).renewed.epoch
    }

    /// How the control plane ends the stream.
    func end() async -> GRPCError? {
        await grpcError { while try await call.next() != nil {} }
    }

    func cancel() { call.cancel() }
}
