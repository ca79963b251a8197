import EnvoyAPI
import Mesh
import Primitives
import SwiftProtobuf
import XDSCore

/// What gRPC clients without a sidecar get of a mesh, beside endpoints.
///
/// `xds:///reports` asks for a listener named `reports`, whose HttpConnectionManager names the
/// routes, which name the cluster, which names the endpoints; gRPC asks for each by name. All of a
/// service's resources have the service's name.
///
/// gRPC ignores much of what Envoy understands, and refuses some of it, so these are its own and
/// have only what it reads (grpc/doc/grpc_xds_features.md and the gRFCs A27 to A52).
struct ProxylessResources {
    let clusters: [EncodedResource]
    let listeners: [EncodedResource]
    let routes: [EncodedResource]

    init(of mesh: Mesh, revision: UInt64) {
        let services = mesh.services.sorted { $0.name < $1.name }
        func encoded(
            _ typeURL: TypeURL,
            with companion: TypeURL?,
            _ message: (Service) -> some Message
        ) -> [EncodedResource] {
            services.map { service in
                let name = ResourceName(service.name.rawValue)
                return EncodedResource(
                    message(service),
                    typeURL: typeURL,
                    name: name,
                    companions: companion.map { [ResourceReference($0, name)] } ?? [],
                    origin: ResourceOrigin(
                        objects: ["service \(service.name)"],
                        revision: revision
                    )
                )
            }
        }
        clusters = encoded(.cluster, with: .clusterLoadAssignment) {
            Envoy_Config_Cluster_V3_Cluster(proxyless: $0)
        }
        listeners = encoded(.listener, with: .routeConfiguration) {
            Envoy_Config_Listener_V3_Listener(proxyless: $0)
        }
        routes = encoded(.routeConfiguration, with: nil) {
            Envoy_Config_Route_V3_RouteConfiguration(proxyless: $0)
        }
    }
}

private typealias ConnectionManager =
    Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpConnectionManager

extension Envoy_Config_Listener_V3_Listener {
    /// A listener without a socket: the channel itself takes the calls.
    fileprivate init(proxyless service: Service) {
        self.init()
        name = service.name.rawValue
        apiListener = .with {
            $0.apiListener = .init(
                packing: ConnectionManager.with {
                    $0.statPrefix = service.name.rawValue
                    $0.rds = .with {
                        $0.routeConfigName = service.name.rawValue
                        $0.configSource = .ads()
                    }
                    $0.httpFilters = [.router]
                }
            )
        }
    }
}

extension Envoy_Config_Route_V3_RouteConfiguration {
    /// How much too early gRPC's C core, and so C++, Python and others, ends a call by this limit.
    ///
    /// It counts from the whole second before last of its own start, so by one to two seconds, the
    /// same for all calls of a process (grpc/grpc#40633, seen with grpcio 1.85). Without this, every
    /// call of a service with a timeout of 1 s fails. With it a call has up to two seconds too many.
    private static let earliness = Duration.seconds(2)

    /// Every call of the channel goes to the service, whatever its method.
    ///
    /// The target says which service is meant. The mesh's path prefixes tell services apart where
    /// only the path can, behind a sidecar; here they would shut out health checks and reflection.
    fileprivate init(proxyless service: Service) {
        self.init()
        name = service.name.rawValue
        let timeout = service.timeout + Self.earliness
        virtualHosts = [
            .with {
                $0.name = service.name.rawValue
                $0.domains = ["*"]
                $0.routes = [
                    .with {
                        $0.match.prefix = ""
                        $0.route = .with {
                            $0.cluster = service.name.rawValue
                            $0.maxStreamDuration = .with {
                                $0.maxStreamDuration = .init(timeout)
                                $0.grpcTimeoutHeaderMax = .init(timeout)
                            }
                            if service.retries.attempts > 0 {
                                $0.retryPolicy = .init(proxyless: service.retries)
                            }
                        }
                    }
                ]
            }
        ]
    }
}

extension Envoy_Config_Route_V3_RetryPolicy {
    /// Tries again where the next pick leads.
    ///
    /// gRPC retries by status alone (gRFC A44). It knows no time limit for a try, and no predicates,
    /// which it needs less: an endpoint whose connection broke is not picked again. It makes five
    /// tries at most, whatever is asked for.
    fileprivate init(proxyless retries: Service.Retries) {
        self.init()
        retryOn = "unavailable"
        numRetries = .init(UInt32(clamping: retries.attempts))
        retryBackOff = .with {
            $0.baseInterval = .init(.milliseconds(25))
            $0.maxInterval = .init(.milliseconds(250))
        }
    }
}

extension Envoy_Config_Cluster_V3_Cluster {
    /// Endpoints over ADS, divided between localities by weight and inside one by utilization.
    ///
    /// No outlier detection: gRPC counts every status but OK there (gRFC A50), and a report that fails
    /// everywhere must not take every worker out. Whose connection breaks is left out anyway.
    fileprivate init(proxyless service: Service) {
        self.init()
        name = service.name.rawValue
        type = .eds
        edsClusterConfig = .with { $0.edsConfig = .ads() }
        // Clients from before `load_balancing_policy` (gRFC A52) take the enum, and balancers that a
        // client doesn't know are skipped, so round robin is the last one in both.
        lbPolicy = .roundRobin
        var endpoints = Envoy_Config_Cluster_V3_LoadBalancingPolicy.clientSideWeightedRoundRobin
        endpoints.policies += Envoy_Config_Cluster_V3_LoadBalancingPolicy.roundRobin.policies
        loadBalancingPolicy = .localityWeights(over: endpoints)
        // The one limit that gRPC has (gRFC A32): calls at a time, to all of the service.
        circuitBreakers = .with { $0.thresholds = [.with { $0.maxRequests = 16384 }] }
    }
}

extension Envoy_Config_Cluster_V3_LoadBalancingPolicy {
    fileprivate static var roundRobin: Self {
        single(
            "envoy.load_balancing_policies.round_robin",
            Envoy_Extensions_LoadBalancingPolicies_RoundRobin_V3_RoundRobin()
        )
    }
}
