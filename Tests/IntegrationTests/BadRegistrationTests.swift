import GRPC
import MeridianAPI
import Testing

extension IntegrationTests {
    /// What one worker does wrong, on the wire, with another one beside it that must not notice.
    @Suite struct BadRegistrationTests {
        @Test func `of two workers with one identity the later one has it`() async throws {
            try await withBystander { control in
                let first = try await RegistrationCall(Self.worker("w"), with: control)
                let second = try await RegistrationCall(Self.worker("w", port: 2), with: control)
                let end = await first.end()
                let renewed = try await second.heartbeat()

                #expect(end?.code == .aborted)
                #expect(end?.message.contains("registered again with epoch \(renewed)") == true)
                #expect(end?.metadata.texts("meridian-may-return") == ["false"])
                #expect(renewed > first.lease.epoch)
            }
        }

        @Test func `an address that a live worker holds is refused to another`() async throws {
            try await withBystander { control in
                let holder = try await RegistrationCall(Self.worker("w"), with: control)
                let refusal = await Self.refusal(Self.worker("x"), by: control)
                let renewed = try await holder.heartbeat()

                #expect(refusal?.code == .alreadyExists)
                #expect(refusal?.message.hasPrefix("registration.address: ") == true)
                #expect(refusal?.message.contains("belongs to w") == true)
                #expect(renewed == holder.lease.epoch)
            }
        }

        @Test func `a successor at a silent worker's address wins, and that one is fenced`()
            async throws
        {
            try await withBystander { control in
                var registration = Self.worker("w")
                registration.lease = .with { $0.seconds = 2 }
                let silent = try await RegistrationCall(registration, with: control)
                // Refused for as long as the holder is thought to live: half its lease.
                let successor = try await waitFor("the address to be free") {
                    try? await RegistrationCall(Self.worker("x"), with: control)
                }
                let end = await silent.end()

                #expect(end?.code == .aborted)
                #expect(end?.message.contains("FENCED") == true)
                #expect(try await successor.heartbeat() == successor.lease.epoch)
            }
        }

        @Test(arguments: [(0, 999_000_000), (60, 1), (-1, 0), (3_600, 0)] as [(Int64, Int32)])
        func `a lease outside of the range is refused`(seconds: Int64, nanos: Int32) async throws {
            try await withBystander { control in
                var registration = Self.worker("w")
                registration.lease = .with {
                    $0.seconds = seconds
                    $0.nanos = nanos
                }
                let refusal = await Self.refusal(registration, by: control)
                #expect(refusal?.code == .invalidArgument)
                #expect(
                    refusal?.message.hasPrefix(
                        "registration.lease: expected 1.0 seconds to 60.0 seconds"
                    ) == true,
                    "\(refusal?.message ?? "")"
                )
            }
        }

        @Test func `a heartbeat for an epoch that nobody was granted ends the stream`()
            async throws
        {
            try await withBystander { control in
                let call = try await RegistrationCall(Self.worker("w"), with: control)
                let error = await grpcError { _ = try await call.heartbeat(epoch: 1_000_000) }
                #expect(error?.code == .invalidArgument)
                #expect(error?.message == "heartbeat.epoch: 1000000 was never granted")
            }
        }

        @Test func `a heartbeat for an older epoch is answered FENCED`() async throws {
            try await withBystander { control in
                let first = try await RegistrationCall(Self.worker("w"), with: control)
                let second = try await RegistrationCall(Self.worker("w"), with: control)
                let error = await grpcError {
                    _ = try await second.heartbeat(epoch: first.lease.epoch)
                }
                #expect(error?.code == .aborted)
                #expect(error?.message.hasPrefix("FENCED: epoch") == true)
            }
        }

        @Test func `a megabyte of labels is refused by its size`() async throws {
            try await withBystander { control in
                var registration = Self.worker("w")
                registration.labels = ["note": String(repeating: "x", count: 1_048_576)]
                let refusal = await Self.refusal(registration, by: control)
                #expect(refusal?.code == .invalidArgument)
                #expect(
                    refusal?.message
                        == "registration.labels: expected at most 4096 bytes of names and values, "
                        + "came 1048580"
                )
            }
        }

        @Test func `labels within the limits are kept and shown`() async throws {
            try await withBystander { control in
                var registration = Self.worker("w")
                registration.labels = ["rack": "r7", "team": "reports"]
                let call = try await RegistrationCall(registration, with: control)
                let workers = try await control.admin.workers()
                #expect(
                    workers.first { $0.registration.workerID == "w" }?.registration.labels
                        == registration.labels
                )
                call.cancel()
            }
        }

        @Test func `a worker that registers a hundred times a second is held to its rate`()
            async throws
        {
            try await withBystander { control in
                var granted = 0
                var refusals: [GRPCError] = []
                for _ in 0..<100 {
                    do {
                        _ = try await RegistrationCall(
                            Self.worker("w"),
                            with: control,
                            client: control.admin.client
                        )
                        granted += 1
                    } catch let error as GRPCError {
                        refusals.append(error)
                    }
                }
                let counters = try await control.admin.counters()

                // Ten at once, and two for each second that the hundred took.
                #expect(granted >= 10)
                #expect(refusals.count >= 20)
                #expect(refusals.allSatisfy { $0.code == .resourceExhausted })
                #expect(
                    refusals.first?.message
                        == "registration.worker_id: w registers too often, "
                        + "expected at most 10 at once and 2 a second"
                )
                #expect(counters["registry_registrations_refused"] == UInt64(refusals.count))
            }
        }

        // MARK: - Around them

        /// A worker that has nothing to do with it keeps its lease and its endpoint.
        private func withBystander(
            _ body: (Fleet.ControlPlane) async throws -> Void
        ) async throws {
            try await Fleet.with { fleet in
                let control = try await fleet.startControlPlane()
                let bystander = try await RegistrationCall(
                    Self.worker("bystander", port: 1),
                    with: control
                )
                try await body(control)
                let renewed = try await bystander.heartbeat()
                let epoch = try await control.admin.servingEpoch(of: "bystander")
                #expect(renewed == bystander.lease.epoch)
                #expect(epoch == bystander.lease.epoch)
            }
        }

        private static func worker(_ id: String, port: UInt32 = 9_000) -> Meridian_V1_Registration {
            .with {
                $0.workerID = id
                $0.service = "reports"
                $0.version = "1.0.0"
                $0.locality.region = "eu"
                $0.address.host = "127.0.0.1"
                $0.address.port = port
                $0.capacity = 8
                $0.lease.seconds = 60
            }
        }

        private static func refusal(
            _ registration: Meridian_V1_Registration,
            by control: Fleet.ControlPlane
        ) async -> GRPCError? {
            await grpcError { _ = try await RegistrationCall(registration, with: control) }
        }
    }
}
