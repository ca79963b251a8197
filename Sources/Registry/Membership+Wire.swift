package import Membership
package import MeridianAPI
import SwiftProtobuf

/// The registry's protobuf messages as the values that `Membership` works with, and back.
extension RegistrationRequest {
    init(_ wire: Meridian_V1_Registration) {
        self.init(
            workerID: wire.workerID,
            service: wire.service,
            version: wire.version,
            region: wire.locality.region,
            zone: wire.locality.zone,
            subZone: wire.locality.subZone,
            host: wire.address.host,
            port: wire.address.port,
            capacity: wire.capacity,
            lease: wire.hasLease ? Duration(wire.lease) : nil,
            labels: wire.labels
        )
    }
}

extension Duration {
    init(_ wire: Google_Protobuf_Duration) {
        self = .seconds(wire.seconds) + .nanoseconds(Int64(wire.nanos))
    }
}

extension Google_Protobuf_Duration {
    init(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        self.init(seconds: seconds, nanos: Int32(attoseconds / 1_000_000_000))
    }
}

extension WorkerLoad {
    init(_ wire: Meridian_V1_Load) {
        self.init(
            inFlight: wire.inFlight,
            requests: wire.requests,
            errors: wire.errors,
            utilization: wire.utilization
        )
    }
}

extension Meridian_V1_Health {
    /// Nil when the heartbeat says nothing.
    var isServing: Bool? {
        switch self {
        case .serving: true
        case .notServing: false
        case .unspecified, .UNRECOGNIZED: nil
        }
    }
}

extension Meridian_V1_Registration {
    init(_ registration: Registration) {
        self.init()
        workerID = registration.workerID.rawValue
        service = registration.service.rawValue
        version = registration.version
        locality = .with {
            $0.region = registration.locality.region.rawValue
            $0.zone = registration.locality.zone.rawValue
            $0.subZone = registration.locality.subZone
        }
        address = .with {
            $0.host = registration.address.host
            $0.port = UInt32(registration.address.port)
        }
        capacity = UInt32(registration.capacity)
        lease = Google_Protobuf_Duration(registration.lease)
        labels = registration.labels
    }
}

extension Meridian_V1_Worker {
    /// One registration as `ListWorkers` shows it.
    package init(_ status: MemberStatus) {
        self.init()
        registration = Meridian_V1_Registration(status.registration)
        epoch = status.epoch.rawValue
        state = status.wireState
        reportedState = status.reported.wireName
        probeState = status.probe.verdict.wireName
        ejectedBy = UInt32(clamping: status.sidecars.ejectedBy)
        seenBy = UInt32(clamping: status.sidecars.of)
        load = .with {
            $0.inFlight = status.load.inFlight
            $0.requests = status.load.requests
            $0.errors = status.load.errors
            $0.utilization = status.load.utilization
        }
        leaseRemainingMilliseconds = UInt64(status.leaseRemaining / .milliseconds(1))
    }
}

extension MemberStatus {
    fileprivate var wireState: String {
        if isWithdrawn { return "WITHDRAWN" }
        return isHeld ? "SUSPECT" : health.wireName
    }
}

extension ProbeState.Verdict {
    fileprivate var wireName: String {
        switch self {
        case .unknown: ""
        case .serving: "SERVING"
        case .failing: "FAILING"
        case .doubted: "DOUBTED"
        }
    }
}

extension MemberHealth {
    var wireName: String {
        switch self {
        case .serving: "SERVING"
        case .notServing: "NOT_SERVING"
        case .draining: "DRAINING"
        }
    }

    init?(wireName: String) {
        guard let health = Self.allCases.first(where: { $0.wireName == wireName }) else {
            return nil
        }
        self = health
    }
}
