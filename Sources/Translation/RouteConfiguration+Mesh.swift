import EnvoyAPI
import Mesh
import SwiftProtobuf

extension Envoy_Config_Route_V3_RouteConfiguration {
    /// The routes of every service, the longest prefix first, so that the most specific one wins.
    ///
    /// `validate_clusters` is left off: clusters and routes arrive in their own time, and a route
    /// to a cluster that is not there yet must not have the whole table refused.
    init(name: String, mesh: Mesh) {
        self.init()
        self.name = name
        let routes = mesh.services.flatMap { service in
            service.routes.map { (prefix: $0, service: service) }
        }
        .sorted {
            ($1.prefix.utf8.count, $0.prefix) < ($0.prefix.utf8.count, $1.prefix)
        }
        virtualHosts = [
            .with {
                $0.name = "services"
                $0.domains = ["*"]
                $0.routes = routes.map { .init(prefix: $0.prefix, service: $0.service) }
            }
        ]
    }
}

extension Envoy_Config_Route_V3_Route {
    /// `stream_idle_timeout` of the listener; a longer call may be silent for longer than that.
    static let streamIdleTimeout = Duration.seconds(30)

    fileprivate init(prefix: String, service: Service) {
        self.init()
        match = .with {
            $0.prefix = prefix
            $0.grpc = .init()
        }
        route = .with {
            $0.cluster = service.name.rawValue
            // Both are needed: the first alone ignores the caller's deadline towards the worker,
            // the second alone leaves calls without a deadline unlimited. Envoy's `timeout` is not
            // used with them.
            $0.maxStreamDuration = .with {
                $0.maxStreamDuration = .init(service.timeout)
                $0.grpcTimeoutHeaderMax = .init(service.timeout)
            }
            if service.timeout >= Self.streamIdleTimeout {
                // Zero turns it off; the call's duration is limited above.
                $0.idleTimeout = .init(.zero)
            }
            if service.retries.attempts > 0 {
                $0.retryPolicy = .init(service.retries)
            }
        }
    }
}

extension Envoy_Config_Route_V3_RetryPolicy {
    /// Tries again elsewhere: another worker, and another priority when there is one.
    ///
    /// Not `resource-exhausted`: a worker with a full queue says so to be left alone. `reset` is
    /// what makes a try that reached `per_try_timeout` count, and `refused-stream` covers the
    /// moment in which a new connection does not know the worker's stream limit yet.
    fileprivate init(_ retries: Service.Retries) {
        self.init()
        retryOn = "connect-failure,refused-stream,reset,unavailable"
        numRetries = .init(UInt32(clamping: retries.attempts))
        perTryTimeout = .init(retries.perTryTimeout)
        retryBackOff = .with {
            $0.baseInterval = .init(.milliseconds(25))
            $0.maxInterval = .init(.milliseconds(250))
        }
        retryHostPredicate = [
            .with {
                $0.name = "envoy.retry_host_predicates.previous_hosts"
                $0.typedConfig = .init(
                    packing:
                        Envoy_Extensions_Retry_Host_PreviousHosts_V3_PreviousHostsPredicate()
                )
            }
        ]
        hostSelectionRetryMaxAttempts = 5
        retryPriority = .with {
            $0.name = "envoy.retry_priorities.previous_priorities"
            $0.typedConfig = .init(
                packing:
                    Envoy_Extensions_Retry_Priority_PreviousPriorities_V3_PreviousPrioritiesConfig
                    .with { $0.updateFrequency = 1 }
            )
        }
    }
}
