package import Primitives

/// A registration as a worker sent it: nothing in it has been looked at.
package struct RegistrationRequest: Hashable, Sendable {
    package var workerID: String
    package var service: String
    package var version: String
    package var region: String
    package var zone: String
    package var subZone: String
    package var host: String
    package var port: UInt32
    package var capacity: UInt32
    /// The lease that the worker would like; nil means the service's default.
    package var lease: Duration?
    package var labels: [String: String]

    package init(
        workerID: String,
        service: String,
        version: String,
        region: String,
        zone: String,
        subZone: String,
        host: String,
        port: UInt32,
        capacity: UInt32,
        lease: Duration?,
        labels: [String: String] = [:]
    ) {
        self.workerID = workerID
        self.service = service
        self.version = version
        self.region = region
        self.zone = zone
        self.subZone = subZone
        self.host = host
        self.port = port
        self.capacity = capacity
        self.lease = lease
        self.labels = labels
    }
}

/// What a worker is and where it is reached, checked against the rules.
package struct Registration: Hashable, Sendable {
    package let workerID: WorkerID
    package let service: ServiceName
    package let version: String
    package let locality: Locality
    /// The host is in canonical form, so that equal addresses are equal texts.
    package let address: EndpointAddress
    package let capacity: Int
    /// How long the registration lives without a sign of its worker.
    package let lease: Duration
    /// What operators call their workers by; nothing here depends on them.
    package let labels: [String: String]

    /// For the registrations that come back from the store; what workers send goes through `RegistrationRules`.
    package init(
        workerID: WorkerID,
        service: ServiceName,
        version: String,
        locality: Locality,
        address: EndpointAddress,
        capacity: Int,
        lease: Duration,
        labels: [String: String] = [:]
    ) {
        self.workerID = workerID
        self.service = service
        self.version = version
        self.locality = locality
        self.address = address
        self.capacity = capacity
        self.lease = lease
        self.labels = labels
    }
}

/// What the store keeps of a registration, so that it survives the control plane.
package struct StoredRegistration: Hashable, Sendable {
    package let registration: Registration
    package let epoch: Epoch
    package let health: MemberHealth

    package init(registration: Registration, epoch: Epoch, health: MemberHealth) {
        self.registration = registration
        self.epoch = epoch
        self.health = health
    }
}

/// Whether new requests should go to a worker.
package enum MemberHealth: Hashable, BitwiseCopyable, Sendable, CaseIterable {
    /// The worker takes requests.
    case serving
    /// The worker said itself that it can't serve now.
    case notServing
    /// The worker wants to stop: it finishes what it has and gets nothing new.
    case draining
}

/// What a worker is doing, measured by itself; the fields of `meridian.v1.Load`.
package struct WorkerLoad: Hashable, BitwiseCopyable, Sendable {
    package var inFlight: UInt32
    package var requests: UInt64
    package var errors: UInt64
    package var utilization: Double

    package init(
        inFlight: UInt32 = 0,
        requests: UInt64 = 0,
        errors: UInt64 = 0,
        utilization: Double = 0
    ) {
        self.inFlight = inFlight
        self.requests = requests
        self.errors = errors
        self.utilization = utilization
    }
}

/// One live endpoint, as routing needs it.
package struct MemberEndpoint: Hashable, Sendable {
    package let workerID: WorkerID
    package let service: ServiceName
    package let version: String
    package let locality: Locality
    package let address: EndpointAddress
    package let capacity: Int
    package let health: MemberHealth

    package init(_ registration: Registration, health: MemberHealth) {
        self.workerID = registration.workerID
        self.service = registration.service
        self.version = registration.version
        self.locality = registration.locality
        self.address = registration.address
        self.capacity = registration.capacity
        self.health = health
    }
}

/// One registration as operators see it.
package struct MemberStatus: Hashable, Sendable {
    package let registration: Registration
    package let epoch: Epoch
    /// What proxies are told: the verdict over all that follows.
    package let health: MemberHealth
    /// What the worker says itself.
    package let reported: MemberHealth
    package let probe: ProbeState
    package let sidecars: SidecarViews.Count
    /// The lease has lapsed together with too many others to be believed; the endpoint stays.
    package let isHeld: Bool
    /// The endpoint is out already; its proxies have not all confirmed yet.
    package let isWithdrawn: Bool
    /// No stream: the registration came from the store, or its stream ended in a way that proves
    /// nothing, and its worker has not been heard of since.
    package let isAwaitingReturn: Bool
    package let load: WorkerLoad
    /// Zero when the lease has run out and `expire` has not been called yet.
    package let leaseRemaining: Duration
}
