import EnvoyAPI
import SwiftProtobuf
import XDSCore

/// The content of a resource, for the types that the check of a set knows.
enum KnownResource {
    case cluster(Envoy_Config_Cluster_V3_Cluster)
    case clusterLoadAssignment(Envoy_Config_Endpoint_V3_ClusterLoadAssignment)
    case listener(Envoy_Config_Listener_V3_Listener)
    case routeConfiguration(Envoy_Config_Route_V3_RouteConfiguration)
    case scopedRouteConfiguration(Envoy_Config_Route_V3_ScopedRouteConfiguration)
    case virtualHost(Envoy_Config_Route_V3_VirtualHost)
    case unknown

    init(_ typeURL: TypeURL, _ bytes: [UInt8]) throws {
        switch typeURL {
        case .cluster: self = .cluster(try .init(serializedBytes: bytes))
        case .clusterLoadAssignment:
            self = .clusterLoadAssignment(try .init(serializedBytes: bytes))
        case .listener: self = .listener(try .init(serializedBytes: bytes))
        case .routeConfiguration: self = .routeConfiguration(try .init(serializedBytes: bytes))
        case .scopedRouteConfiguration:
            self = .scopedRouteConfiguration(try .init(serializedBytes: bytes))
        case .virtualHost: self = .virtualHost(try .init(serializedBytes: bytes))
        default: self = .unknown
        }
    }

    /// The name by which clients ask for the resource, where the message has it.
    var ownName: String? {
        switch self {
        case .cluster(let cluster): cluster.name
        case .clusterLoadAssignment(let assignment): assignment.clusterName
        case .listener(let listener): listener.name
        case .routeConfiguration(let routes): routes.name
        case .scopedRouteConfiguration(let scoped): scoped.name
        // Asked for as `route configuration/host`, which the message does not know.
        case .virtualHost, .unknown: nil
        }
    }
}

extension Envoy_Config_Core_V3_ConfigSource {
    /// The resource comes from where this one came from.
    var isFromHere: Bool {
        switch configSourceSpecifier {
        case .ads, .self_p: true
        // A file, another server, or what we don't know.
        case nil: false
        }
    }
}
