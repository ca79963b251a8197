import MeridianAPI
import XDSCore
import XDSServer

extension Meridian_V1_Proxy {
    /// One client as `ListProxies` shows it.
    init(_ status: ProxyStatus) {
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
            }
        }
        connectedMilliseconds = UInt64(status.connected / .milliseconds(1))
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
