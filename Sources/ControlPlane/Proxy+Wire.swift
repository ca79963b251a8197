import MeridianAPI
import XDSCore
import XDSServer

extension Meridian_V1_Proxy {
    /// One client as `ListProxies` shows it.
    init(_ status: ProxyStatus, replica: String) {
        self.init()
        nodeID = status.nodeID
        locality = .with {
            $0.region = status.region
            $0.zone = status.zone
            $0.subZone = status.subZone
        }
        userAgent = status.userAgent
        self.protocol = status.variant.name
        types = status.types.map { type in
            .with {
                $0.typeURL = type.typeURL.rawValue
                $0.state = type.state.rawValue
                $0.resources = UInt32(clamping: type.resourceCount)
                $0.error = type.errorText ?? ""
                $0.acceptedVersion = type.acknowledgedVersion?.rawValue ?? ""
                $0.overdue = type.isOverdue
                $0.refused = type.rejections.map { .init($0.name, $0.rejection) }
            }
        }
        connectedMilliseconds = UInt64(status.connected / .milliseconds(1))
        self.replica = replica
        resources = (status.resources ?? []).map { Meridian_V1_ProxyResource($0) }
    }
}

extension Meridian_V1_RefusedResource {
    fileprivate init(_ name: ResourceName, _ rejection: Subscription.Rejection) {
        self.init()
        self.name = name.rawValue
        version = rejection.version?.rawValue ?? ""
        error = rejection.error.message
        objects = rejection.origin?.objects ?? []
        revision = rejection.origin?.revision ?? 0
        isNamed = rejection.isNamed
    }
}

extension Meridian_V1_ProxyResource {
    fileprivate init(_ status: ResourceStatus) {
        self.init()
        typeURL = status.typeURL.rawValue
        name = status.name.rawValue
        version = status.resource?.version.rawValue ?? ""
        switch status.state {
        case .synced: state = "SYNCED"
        case .sent: state = "STALE"
        case .notSent: state = "NOT_SENT"
        case .absent: state = "ABSENT"
        case .nacked(let rejection):
            state = "NACKED"
            refused = .init(status.name, rejection)
        }
    }
}

extension ProtocolVariant {
    fileprivate var name: String {
        switch self {
        case .delta: "DELTA"
        case .stateOfTheWorld: "SOTW"
        }
    }
}
