import GRPC
import XDSCore

/// One streaming method of the discovery services: which form of the protocol, and of which types.
struct DiscoveryMethod: Sendable {
    let service: String
    let name: String
    let variant: ProtocolVariant
    /// Nil for an aggregated stream.
    let onlyType: TypeURL?

    /// The aggregated service and one service for each type, as Envoy's `*ds.proto` files name them.
    static let all: [Self] =
        both("discovery.v3.AggregatedDiscoveryService", "AggregatedResources", nil)
        + both("listener.v3.ListenerDiscoveryService", "Listeners", .listener)
        + both("route.v3.RouteDiscoveryService", "Routes", .routeConfiguration)
        + both("route.v3.ScopedRoutesDiscoveryService", "ScopedRoutes", .scopedRouteConfiguration)
        + [
            // Virtual hosts are on demand, which the state of the world has no way to ask for.
            Self("route.v3.VirtualHostDiscoveryService", "DeltaVirtualHosts", .delta, .virtualHost)
        ]
        + both("cluster.v3.ClusterDiscoveryService", "Clusters", .cluster)
        + both("endpoint.v3.EndpointDiscoveryService", "Endpoints", .clusterLoadAssignment)
        + both("secret.v3.SecretDiscoveryService", "Secrets", .secret)
        + both("runtime.v3.RuntimeDiscoveryService", "Runtime", .runtime)
        + both(
            "extension.v3.ExtensionConfigDiscoveryService",
            "ExtensionConfigs",
            .extensionConfiguration
        )

    private init(
        _ service: String,
        _ name: String,
        _ variant: ProtocolVariant,
        _ onlyType: TypeURL?
    ) {
        self.service = "envoy.service." + service
        self.name = name
        self.variant = variant
        self.onlyType = onlyType
    }

    private static func both(_ service: String, _ name: String, _ type: TypeURL?) -> [Self] {
        [
            Self(service, "Stream" + name, .stateOfTheWorld, type),
            Self(service, "Delta" + name, .delta, type),
        ]
    }
}
