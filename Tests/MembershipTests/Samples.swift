import Membership
import Primitives

extension RegistrationRequest {
    /// A registration that every rule accepts; tests change what they are about.
    static func sample(_ worker: String = "w1", port: UInt32 = 9001) -> Self {
        RegistrationRequest(
            workerID: worker,
            service: "reports",
            version: "1.0.0",
            region: "eu",
            zone: "eu-a",
            subZone: "",
            host: "10.0.0.1",
            port: port,
            capacity: 32,
            lease: nil
        )
    }

    func with(_ change: (inout Self) -> Void) -> Self {
        var copy = self
        change(&copy)
        return copy
    }
}

extension MeshDirectory {
    static let sample = MeshDirectory(
        regions: ["eu": ["eu-a", "eu-b"], "us": []],
        services: ["reports": .seconds(5), "billing": .seconds(10)]
    )
}

extension MonotonicInstant {
    static func seconds(_ seconds: Double) -> Self {
        // Whole milliseconds, because a fraction such as 5.05 has no exact `Double`.
        Self(sinceOrigin: .milliseconds(Int64((seconds * 1_000).rounded())))
    }
}

extension StreamID: ExpressibleByIntegerLiteral {
    package init(integerLiteral value: UInt64) {
        self.init(value)
    }
}

extension Epoch: ExpressibleByIntegerLiteral {
    package init(integerLiteral value: UInt64) {
        self.init(value)
    }
}

func machine(limits: MembershipLimits = MembershipLimits()) -> MembershipMachine {
    MembershipMachine(directory: .sample, limits: limits)
}

extension MembershipMachine {
    /// Registers and returns the grant; a refusal is a mistake in the test.
    mutating func grant(
        _ request: RegistrationRequest = .sample(),
        stream: StreamID,
        at now: MonotonicInstant = .seconds(0)
    ) -> Grant {
        switch register(request, stream: stream, now: now) {
        case .granted(let grant): return grant
        case .refused(let refusal): preconditionFailure("unexpected refusal: \(refusal)")
        }
    }

    mutating func refusal(
        _ request: RegistrationRequest,
        stream: StreamID = 1,
        at now: MonotonicInstant = .seconds(0)
    ) -> Refusal? {
        switch register(request, stream: stream, now: now) {
        case .granted: return nil
        case .refused(let refusal): return refusal
        }
    }

    /// A stream that its worker has closed.
    mutating func streamEnded(_ stream: StreamID) -> [Instruction] {
        streamEnded(stream, .closed, now: .seconds(0))
    }

    mutating func beat(
        _ stream: StreamID,
        _ epoch: Epoch,
        isServing: Bool? = true,
        at now: MonotonicInstant = .seconds(0)
    ) -> OnHeartbeat {
        heartbeat(stream: stream, epoch: epoch, load: WorkerLoad(), isServing: isServing, now: now)
    }
}

extension Registration {
    static func sample(
        _ worker: String = "w1",
        port: UInt16 = 9001,
        lease: Duration = .seconds(5)
    ) -> Self {
        Registration(
            workerID: WorkerID(worker),
            service: "reports",
            version: "1.0.0",
            locality: Locality(region: "eu", zone: "eu-a"),
            address: EndpointAddress(host: "10.0.0.1", port: port),
            capacity: 32,
            lease: lease
        )
    }
}

extension StoredRegistration {
    static func sample(
        _ worker: String = "w1",
        port: UInt16 = 9001,
        epoch: Epoch,
        health: MemberHealth = .serving
    ) -> Self {
        StoredRegistration(
            registration: .sample(worker, port: port),
            epoch: epoch,
            health: health
        )
    }
}
