import EnvoyAPI
import SwiftProtobuf
import XDSCore

private typealias ConnectionManager =
    Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpConnectionManager
private typealias TCPProxy = Envoy_Extensions_Filters_Network_TcpProxy_V3_TcpProxy

extension ResourceFacts {
    mutating func read(_ listener: Envoy_Config_Listener_V3_Listener) {
        for (index, chain) in listener.filterChains.enumerated() {
            read(chain, at: "filter_chains[\(index)]")
        }
        if listener.hasDefaultFilterChain {
            read(listener.defaultFilterChain, at: "default_filter_chain")
        }
        if listener.hasApiListener {
            read(listener.apiListener.apiListener, at: "api_listener")
        }
        // With a field that we don't know it may not be bound, or be another protocol's.
        let address = listener.address
        if listener.unknownFields.data.isEmpty, address.unknownFields.data.isEmpty,
            case .socketAddress(let socket)? = address.address, socket.unknownFields.data.isEmpty,
            socket.portValue != 0
        {
            boundAddress = "\(socket.address):\(socket.portValue)/\(socket.protocol)"
        }
    }

    private mutating func read(_ chain: Envoy_Config_Listener_V3_FilterChain, at place: String) {
        for (index, filter) in chain.filters.enumerated() {
            read(filter.typedConfig, at: "\(place).filters[\(index)]")
        }
    }

    private mutating func read(_ config: Google_Protobuf_Any, at place: String) {
        if let manager = try? ConnectionManager(unpackingAny: config) {
            read(manager, at: place)
        } else if let proxy = try? TCPProxy(unpackingAny: config) {
            read(proxy, at: place)
        }
    }

    private mutating func read(_ manager: ConnectionManager, at place: String) {
        let isOnDemand = manager.httpFilters.contains { filter in
            filter.typedConfig.isOnDemand
        }
        switch manager.routeSpecifier {
        case .rds(let rds):
            guard rds.configSource.isFromHere else { return }
            need(.routeConfiguration, rds.routeConfigName, at: "\(place).rds.route_config_name")
            if isOnDemand { onDemandRoutes.insert(ResourceName(rds.routeConfigName)) }
        case .routeConfig(let routes):
            read(routes, at: "\(place).route_config.", isOnDemand: isOnDemand)
        // Scoped routes, or what we don't know.
        case nil: break
        }
    }

    private mutating func read(_ proxy: TCPProxy, at place: String) {
        let isOnDemand = proxy.hasOnDemand
        switch proxy.clusterSpecifier {
        case .cluster(let name):
            need(.cluster, name, at: "\(place).cluster", isOnDemand: isOnDemand)
        case .weightedClusters(let weighted):
            needWeighted(weighted.clusters.map(\.name), at: place, isOnDemand: isOnDemand)
        case nil: break
        }
    }
}

extension Google_Protobuf_Any {
    /// Whether it configures that clusters and routes are asked for when a request needs them.
    var isOnDemand: Bool {
        typeURL.hasSuffix("/envoy.extensions.filters.http.on_demand.v3.OnDemand")
            || typeURL.hasSuffix("/envoy.extensions.filters.http.on_demand.v3.PerRouteConfig")
    }
}
