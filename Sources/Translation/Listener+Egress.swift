import EnvoyAPI
import Primitives
import SwiftProtobuf

extension Envoy_Config_Listener_V3_Listener {
    /// Where a client sends its calls: HTTP/1 or HTTP/2, routes over ADS, a count for each gRPC
    /// method.
    init(name: String, address: EndpointAddress, routeConfigurationName: String) {
        self.init()
        self.name = name
        self.address = .init(address)
        perConnectionBufferLimitBytes = 1_048_576
        trafficDirection = .outbound
        filterChains = [
            .with {
                $0.filters = [
                    .with {
                        $0.name = "envoy.filters.network.http_connection_manager"
                        $0.typedConfig = .init(
                            packing: ConnectionManager.egress(
                                statPrefix: name,
                                routeConfigurationName: routeConfigurationName
                            )
                        )
                    }
                ]
            }
        ]
    }
}

private typealias ConnectionManager =
    Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpConnectionManager
private typealias HTTPFilter =
    Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpFilter

extension ConnectionManager {
    fileprivate static func egress(statPrefix: String, routeConfigurationName: String) -> Self {
        .with {
            $0.statPrefix = statPrefix
            $0.codecType = .auto
            $0.rds = .with {
                $0.routeConfigName = routeConfigurationName
                $0.configSource = .ads()
            }
            $0.httpFilters = [.grpcStatistics, .router]
            $0.streamIdleTimeout = .init(Envoy_Config_Route_V3_Route.streamIdleTimeout)
            $0.http2ProtocolOptions = .with {
                $0.maxConcurrentStreams = 1024
                $0.connectionKeepalive = .with {
                    $0.interval = .init(.seconds(30))
                    $0.timeout = .init(.seconds(5))
                }
            }
            $0.commonHTTPProtocolOptions = .with {
                $0.idleTimeout = .init(.seconds(600))
                // So that clients spread again over the sidecars of a node after one restarted.
                $0.maxConnectionDuration = .init(.seconds(3600))
            }
        }
    }
}

extension HTTPFilter {
    /// Counts each method under its own name.
    ///
    /// Envoy splits a statistic's name at dots, so the dots of a gRPC package have to be replaced.
    fileprivate static var grpcStatistics: Self {
        .with {
            $0.name = "envoy.filters.http.grpc_stats"
            $0.typedConfig = .init(
                packing: Envoy_Extensions_Filters_Http_GrpcStats_V3_FilterConfig.with {
                    $0.statsForAllMethods = true
                    $0.replaceDotsInGrpcServiceName = true
                    $0.enableUpstreamStats = true
                }
            )
        }
    }

    static var router: Self {
        .with {
            $0.name = "envoy.filters.http.router"
            $0.typedConfig = .init(packing: Envoy_Extensions_Filters_Http_Router_V3_Router())
        }
    }
}
