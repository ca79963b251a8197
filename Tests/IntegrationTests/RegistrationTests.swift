import GRPC
import MeridianAPI
import Testing

extension IntegrationTests {
    /// What a worker may not say of itself, over plain gRPC.
    @Suite struct RegistrationTests {
        private typealias Change = (inout Meridian_V1_Registration) -> Void

        @Test func `a registration that makes no sense is refused by its field`() async throws {
            let changes: [(field: String, change: Change)] = [
                ("registration.worker_id", { $0.workerID = "" }),
                ("registration.service", { $0.service = "" }),
                ("registration.service", { $0.service = "nobody-knows-it" }),
                ("registration.locality.region", { $0.locality.region = "mars" }),
                ("registration.address.host", { $0.address.host = "worker.example" }),
                ("registration.address.host", { $0.address.host = "0.0.0.0" }),
                ("registration.address.port", { $0.address.port = 0 }),
                ("registration.address.port", { $0.address.port = 65_536 }),
                ("registration.capacity", { $0.capacity = 0 }),
                ("registration.lease", { $0.lease.seconds = 0 }),
            ]
            try await Fleet.with { fleet in
                let control = try await fleet.startControlPlane()
                var refusals: [GRPCError?] = []
                for (_, change) in changes {
                    var registration = Self.good
                    change(&registration)
                    let first = Meridian_V1_RegisterRequest.with { $0.registration = registration }
                    refusals.append(await Self.refusal(of: first, by: control))
                }
                let workers = try await control.admin.workers()

                #expect(refusals.map { $0?.code } == changes.map { _ in .invalidArgument })
                for (refusal, change) in zip(refusals, changes) {
                    let message = refusal?.message ?? ""
                    #expect(message.hasPrefix("\(change.field): "), "\(message)")
                }
                #expect(workers == [])
            }
        }

        @Test func `a stream that does not begin with a registration is refused`() async throws {
            let requests: [Meridian_V1_RegisterRequest] = [
                .with { $0.heartbeat.epoch = 1 },
                .with { $0.drain.epoch = 1 },
                .init(),
            ]
            try await Fleet.with { fleet in
                let control = try await fleet.startControlPlane()
                for request in requests {
                    let refusal = await Self.refusal(of: request, by: control)
                    #expect(refusal?.code == .invalidArgument)
                    #expect(
                        refusal?.message.hasPrefix("registration: ") == true,
                        "\(String(describing: refusal))"
                    )
                }
            }
        }

        private static let good = Meridian_V1_Registration.with {
            $0.workerID = "eu-1"
            $0.service = "reports"
            $0.version = "1.0.0"
            $0.locality.region = "eu"
            $0.address.host = "127.0.0.1"
            $0.address.port = 9_000
            $0.capacity = 8
        }

        private static func refusal(
            of request: Meridian_V1_RegisterRequest,
            by control: Fleet.ControlPlane
        ) async -> GRPCError? {
            await grpcError {
                let call = try await control.admin.client.open(
                    "/meridian.v1.WorkerRegistry/Register",
                    timeout: .seconds(5)
                )
                defer { call.cancel() }
                try await call.write(try GRPCFrame(request))
                _ = try await call.next()
            }
        }
    }
}
