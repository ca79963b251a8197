package import GRPC
import Membership
import MeridianAPI
package import Store
import SwiftProtobuf

/// `meridian.v1.WorkerRegistry`: one stream for each worker.
package struct RegistrationService<Storage: Store>: Sendable {
    private let registry: WorkerRegistry<Storage>

    package init(registry: WorkerRegistry<Storage>) {
        self.registry = registry
    }

    package func register(in methods: inout MethodTable) {
        methods.add(
            "meridian.v1.WorkerRegistry",
            "Register",
            .streaming { call in try await serve(call) }
        )
    }

    private func serve(_ call: ServerCall) async throws {
        guard let first = try await call.next() else { return }
        let request = try Meridian_V1_RegisterRequest(grpcMessage: first)
        guard case .registration(let registration) = request.message else {
            throw GRPCError(
                .invalidArgument,
                "registration: expected as the first message of the stream"
            )
        }
        let stream = CallStream(call: call)
        let connection = call.remoteAddress
        let id = await registry.opened(stream)
        do {
            let grant = try await registry.register(
                RegistrationRequest(registration),
                on: id,
                connection: connection
            )
            try await stream.send(.lease(Meridian_V1_LeaseGranted(grant)))
            while let bytes = try await call.next() {
                try await receive(
                    Meridian_V1_RegisterRequest(grpcMessage: bytes),
                    stream: stream,
                    id: id
                )
            }
        } catch {
            await registry.ended(id, call.endCause)
            throw RegistrationFailure.status(of: error)
        }
        // The worker has closed its side in good order.
        await registry.ended(id, .closed)
    }

    private func receive(
        _ request: Meridian_V1_RegisterRequest,
        stream: CallStream,
        id: StreamID
    ) async throws {
        switch request.message {
        case .heartbeat(let heartbeat):
            let epoch = Epoch(heartbeat.epoch)
            let outcome = await registry.heartbeat(
                stream: id,
                epoch: epoch,
                load: WorkerLoad(heartbeat.load),
                isServing: heartbeat.health.isServing
            )
            switch outcome {
            case .renewed, .renewedWithChange:
                try await stream.send(.renewed(.with { $0.epoch = heartbeat.epoch }))
            case .fenced: throw RegistrationFailure.fenced(epoch)
            case .unknown: throw RegistrationFailure.unknownEpoch("heartbeat.epoch", epoch)
            }
        case .drain(let drain):
            let epoch = Epoch(drain.epoch)
            switch await registry.drain(stream: id, epoch: epoch) {
            case .announce, .ignoreRepeated: break
            case .fenced: throw RegistrationFailure.fenced(epoch)
            case .unknown: throw RegistrationFailure.unknownEpoch("drain.epoch", epoch)
            }
        case .registration:
            throw GRPCError(.invalidArgument, "registration: the stream has registered already")
        case nil:
            throw GRPCError(.invalidArgument, "message: expected a heartbeat or a drain request")
        }
    }
}

extension Meridian_V1_LeaseGranted {
    fileprivate init(_ grant: MembershipMachine.Grant) {
        self.init()
        epoch = grant.epoch.rawValue
        lease = Google_Protobuf_Duration(grant.lease)
        heartbeatInterval = Google_Protobuf_Duration(grant.heartbeatInterval)
    }
}

extension ServerCall {
    fileprivate var endCause: MembershipMachine.StreamEndCause {
        eventLoop.preconditionInEventLoop()
        guard let end = streamEnd else { return .closed }
        switch end {
        case .connectionLost: return end.isOurDoing ? .givenUp : .connectionLost
        case .finished, .reset, .unprocessed, .unsent: return .closed
        }
    }
}

/// The call as the registry writes to it, from whichever thread.
private struct CallStream: RegistrationStream {
    let call: ServerCall

    func send(_ message: Meridian_V1_RegisterResponse.OneOf_Message) async throws {
        try await call.write(GRPCFrame(Meridian_V1_RegisterResponse.with { $0.message = message }))
    }

    func end(_ fence: Fence) {
        let status = RegistrationFailure.status(of: fence)
        let mayReturn = fence.reason == .leaseExpired
        call.eventLoop.execute {
            call.trailers.add(RegistrationTrailer.mayReturn, mayReturn ? "true" : "false")
            call.finish(status)
        }
    }

    func controlPlaneStops() {
        call.eventLoop.execute { call.finish(GRPCStatus(.unavailable, "the control plane stops")) }
    }

    func mayStop(_ epoch: Epoch, _ confirmations: Confirmations) {
        let response = Meridian_V1_RegisterResponse.with {
            $0.drained = .with {
                $0.epoch = epoch.rawValue
                $0.confirmedProxies = UInt32(clamping: confirmations.confirmed)
                $0.subscribedProxies = UInt32(clamping: confirmations.subscribed)
            }
        }
        guard let frame = try? GRPCFrame(response) else { return }
        call.eventLoop.execute { call.send(frame) }
    }
}

/// What a fenced worker is told beside the status.
enum RegistrationTrailer {
    /// `false` when another process has taken the worker's place: registering again would only take
    /// it back.
    static let mayReturn = "meridian-may-return"
}

/// The registry's errors as gRPC statuses.
private enum RegistrationFailure {
    static func fenced(_ epoch: Epoch) -> GRPCError {
        GRPCError(.aborted, "FENCED: epoch \(epoch) no longer holds a lease; register again")
    }

    static func unknownEpoch(_ field: String, _ epoch: Epoch) -> GRPCError {
        GRPCError(.invalidArgument, "\(field): \(epoch) was never granted")
    }

    static func status(of fence: Fence) -> GRPCStatus {
        let why =
            switch fence.reason {
            case .superseded(let epoch): "the worker registered again with epoch \(epoch)"
            case .addressTaken(let worker): "worker \(worker) registered at the same address"
            case .leaseExpired: "the lease ran out"
            }
        return GRPCStatus(.aborted, "FENCED: epoch \(fence.epoch) of \(fence.workerID): \(why)")
    }

    static func status(of error: any Error) -> any Error {
        switch error {
        case let refusal as Refusal:
            switch refusal.kind {
            case .invalid: GRPCError(.invalidArgument, "\(refusal)")
            case .exhausted: GRPCError(.resourceExhausted, "\(refusal)")
            case .taken: GRPCError(.alreadyExists, "\(refusal)")
            }
        case let error as BusyConnection:
            GRPCError(
                .resourceExhausted,
                "registration: the connection registers too often, "
                    + "expected at most \(error.limit)"
            )
        case is RegistryBusy:
            GRPCError(.resourceExhausted, "too many registrations wait to be stored; try again")
        case let error as StoreError:
            GRPCError(.unavailable, "the registration can't be stored: \(error)")
        default: error
        }
    }
}
