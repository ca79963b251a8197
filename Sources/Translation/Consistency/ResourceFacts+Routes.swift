import EnvoyAPI
import SwiftProtobuf
import XDSCore

extension ResourceFacts {
    mutating func read(_ cluster: Envoy_Config_Cluster_V3_Cluster) {
        guard case .type(.eds)? = cluster.clusterDiscoveryType,
            cluster.edsClusterConfig.edsConfig.isFromHere
        else { return }
        let service = cluster.edsClusterConfig.serviceName
        need(
            .clusterLoadAssignment,
            service.isEmpty ? cluster.name : service,
            at: service.isEmpty ? "type" : "eds_cluster_config.service_name"
        )
    }

    mutating func read(
        _ routes: Envoy_Config_Route_V3_RouteConfiguration,
        at place: String,
        isOnDemand: Bool
    ) {
        let isOnDemand = isOnDemand || routes.typedPerFilterConfig.isOnDemand
        var names = Set<String>()
        var domains = Set<String>()
        for host in routes.virtualHosts {
            let hostPlace = "\(place)virtual_hosts[\(host.name)]"
            if !names.insert(host.name).inserted {
                duplicates.append("\(hostPlace): another virtual host has this name")
            }
            // Envoy compares domains without case.
            for domain in host.domains where !domains.insert(domain.lowercased()).inserted {
                duplicates.append("\(hostPlace).domains: \"\(domain)\" is there already")
            }
            read(host, at: "\(hostPlace).", isOnDemand: isOnDemand)
        }
    }

    mutating func read(
        _ host: Envoy_Config_Route_V3_VirtualHost,
        at place: String,
        isOnDemand: Bool
    ) {
        let isOnDemand = isOnDemand || host.typedPerFilterConfig.isOnDemand
        for (index, route) in host.routes.enumerated() {
            guard case .route(let action)? = route.action else { continue }
            read(
                action,
                at: "\(place)routes[\(index)].route",
                isOnDemand: isOnDemand || route.typedPerFilterConfig.isOnDemand
            )
        }
    }

    private mutating func read(
        _ action: Envoy_Config_Route_V3_RouteAction,
        at place: String,
        isOnDemand: Bool
    ) {
        switch action.clusterSpecifier {
        case .cluster(let name):
            need(.cluster, name, at: "\(place).cluster", isOnDemand: isOnDemand)
        case .weightedClusters(let weighted):
            needWeighted(weighted.clusters.map(\.name), at: place, isOnDemand: isOnDemand)
        // Named by a header of the request, or by a plugin.
        case .clusterHeader, nil: break
        }
        for (index, mirror) in action.requestMirrorPolicies.enumerated() {
            need(
                .cluster,
                mirror.cluster,
                at: "\(place).request_mirror_policies[\(index)].cluster",
                isOnDemand: isOnDemand
            )
        }
    }

    /// The clusters that a route or a TCP proxy divides its traffic among.
    ///
    /// One without a name is named by a header of the request.
    mutating func needWeighted(_ clusters: [String], at place: String, isOnDemand: Bool) {
        for (index, name) in clusters.enumerated() {
            need(
                .cluster,
                name,
                at: "\(place).weighted_clusters.clusters[\(index)]",
                isOnDemand: isOnDemand
            )
        }
    }
}

extension [String: Google_Protobuf_Any] {
    /// The configuration of the filter may be wrapped to say that it is optional or off; that isn't
    /// looked into.
    fileprivate var isOnDemand: Bool { values.contains { $0.isOnDemand } }
}
