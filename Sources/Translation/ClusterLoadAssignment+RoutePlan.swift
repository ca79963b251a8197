import EnvoyAPI
import Primitives
import Routing
import SwiftProtobuf

extension Envoy_Config_Endpoint_V3_ClusterLoadAssignment {
    /// A plan in Envoy's terms.
    ///
    /// A plan without endpoints is an empty assignment, which ends a cluster's
    /// warming; a missing one would hold it, and the CDS ACK with it.
    init(clusterName: ServiceName, plan: RoutePlan) {
        self.init()
        self.clusterName = clusterName.rawValue
        endpoints = plan.priorities.enumerated().flatMap { priority, groups in
            groups.map { group in
                .with {
                    $0.locality = .init(group.locality)
                    $0.priority = UInt32(clamping: priority)
                    $0.loadBalancingWeight = .init(group.weight)
                    $0.lbEndpoints = group.endpoints.map { .init($0) }
                }
            }
        }
    }
}

extension Envoy_Config_Core_V3_Locality {
    fileprivate init(_ locality: Locality) {
        self.init()
        region = locality.region.rawValue
        zone = locality.zone.rawValue
        subZone = locality.subZone
    }
}

extension Envoy_Config_Endpoint_V3_LbEndpoint {
    fileprivate init(_ endpoint: Routing.Endpoint) {
        self.init()
        self.endpoint = .with { $0.address = .init(endpoint.address) }
        // Serving endpoints leave the field out: UNKNOWN counts as healthy, and the CLA stays
        // small.
        switch endpoint.health {
        case .serving: break
        case .notServing: healthStatus = .unhealthy
        case .draining: healthStatus = .draining
        }
    }
}

extension Envoy_Config_Core_V3_Address {
    init(_ address: EndpointAddress) {
        self = .with {
            $0.socketAddress = .with {
                $0.address = address.host
                $0.portValue = UInt32(address.port)
            }
        }
    }
}
