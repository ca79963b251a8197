import EnvoyAPI
import Mesh
import SwiftProtobuf

extension Envoy_Config_Cluster_V3_Cluster {
    /// The cluster of a service: endpoints over ADS, fast to notice what fails, slow to give up.
    ///
    /// Envoy's defaults are made for large, stable clusters and break failover between regions;
    /// each value that differs says why.
    init(_ service: Service) {
        self.init()
        name = service.name.rawValue
        type = .eds
        connectTimeout = .init(.milliseconds(500))
        edsClusterConfig = .with {
            $0.edsConfig = .ads(initialFetchTimeout: .seconds(3))
        }
        loadBalancingPolicy = .localityWeights(over: .clientSideWeightedRoundRobin)
        commonLbConfig = .with {
            // The default of 50 % sends calls to dead regions; at 1 % Envoy fails open only when
            // all are dead.
            $0.healthyPanicThreshold = .with { $0.value = 1 }
            // The default of 1 s holds health changes back while a region dies.
            $0.updateMergeWindow = .init(.zero)
        }
        // What EDS takes out goes at once, even if it looks healthy from here.
        ignoreHealthOnHostRemoval = true
        outlierDetection = .failingFast
        circuitBreakers = .init(service.retries)
        lrsReportEndpointMetrics = ["application_utilization", "named_metrics.*"]
        typedExtensionProtocolOptions = [
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions":
                .init(packing: Envoy_Extensions_Upstreams_Http_V3_HttpProtocolOptions.grpcUpstream)
        ]
    }
}

extension Envoy_Config_Core_V3_ConfigSource {
    /// From the aggregated stream that brought the resource which refers to this one.
    static func ads(initialFetchTimeout: Duration? = nil) -> Self {
        .with {
            $0.ads = .init()
            $0.resourceApiVersion = .v3
            if let initialFetchTimeout { $0.initialFetchTimeout = .init(initialFetchTimeout) }
        }
    }
}

extension Envoy_Config_Cluster_V3_LoadBalancingPolicy {
    /// Divides between localities by their weights, and inside a locality as `endpoints` says.
    static func localityWeights(over endpoints: Self) -> Self {
        single(
            "envoy.load_balancing_policies.wrr_locality",
            Envoy_Extensions_LoadBalancingPolicies_WrrLocality_V3_WrrLocality.with {
                $0.endpointPickingPolicy = endpoints
            }
        )
    }

    /// By the utilization that workers report with their answers; evenly for those that report
    /// none.
    static var clientSideWeightedRoundRobin: Self {
        typealias Policy =
            Envoy_Extensions_LoadBalancingPolicies_ClientSideWeightedRoundRobin_V3_ClientSideWeightedRoundRobin
        return single(
            "envoy.load_balancing_policies.client_side_weighted_round_robin",
            Policy.with {
                $0.blackoutPeriod = .init(.seconds(5))
                $0.weightUpdatePeriod = .init(.seconds(1))
                $0.weightExpirationPeriod = .init(.seconds(60))
            }
        )
    }

    static func single(_ name: String, _ configuration: some Message) -> Self {
        .with {
            $0.policies = [
                .with {
                    $0.typedExtensionConfig = .with {
                        $0.name = name
                        $0.typedConfig = .init(packing: configuration)
                    }
                }
            ]
        }
    }
}

extension Envoy_Config_Cluster_V3_OutlierDetection {
    /// Takes an endpoint out after three calls that it did not answer at all.
    ///
    /// Only gateway failures count (refused, reset, timed out). An error that the service returns
    /// is an answer, and a report that fails everywhere must not take every worker out.
    fileprivate static var failingFast: Self {
        .with {
            $0.consecutive5Xx = 5
            $0.enforcingConsecutive5Xx = 0
            $0.consecutiveGatewayFailure = 3
            $0.enforcingConsecutiveGatewayFailure = 100
            $0.enforcingSuccessRate = 0
            $0.interval = .init(.seconds(1))
            $0.baseEjectionTime = .init(.seconds(5))
            $0.maxEjectionTime = .init(.seconds(60))
            $0.maxEjectionTimeJitter = .init(.seconds(1))
            // The default of 10 % never ejects one of a region's few workers.
            $0.maxEjectionPercent = 100
        }
    }
}

extension Envoy_Config_Cluster_V3_CircuitBreakers {
    /// Limits against overload, with retries as a share of the traffic.
    ///
    /// The default allows 3 retries at a time for the whole cluster, which turns the loss of a
    /// region into errors; a budget grows with the traffic, and still keeps slow reports from being
    /// run over and over.
    fileprivate init(_ retries: Service.Retries) {
        self = .with {
            $0.thresholds = [
                .with {
                    $0.maxConnections = 4096
                    $0.maxPendingRequests = 4096
                    $0.maxRequests = 16384
                    $0.trackRemaining = true
                    $0.retryBudget = .with {
                        $0.budgetPercent = .with { $0.value = Double(retries.budgetPercent) }
                        $0.minRetryConcurrency = .init(
                            UInt32(clamping: retries.minimumConcurrency)
                        )
                    }
                }
            ]
        }
    }
}

extension Envoy_Extensions_Upstreams_Http_V3_HttpProtocolOptions {
    /// HTTP/2 with keepalive, so that a worker which hangs or whose host is gone is noticed in 7 s.
    fileprivate static var grpcUpstream: Self {
        .with {
            $0.commonHTTPProtocolOptions = .with { $0.idleTimeout = .init(.seconds(300)) }
            $0.explicitHTTPConfig = .with {
                $0.http2ProtocolOptions = .with {
                    $0.connectionKeepalive = .with {
                        $0.interval = .init(.seconds(5))
                        $0.timeout = .init(.seconds(2))
                        $0.connectionIdleInterval = .init(.seconds(5))
                    }
                }
            }
        }
    }
}
