import EnvoyAPI
import Mesh
import SwiftProtobuf
import XDSCore

extension Envoy_Config_Route_V3_RouteConfiguration {
    /// The routes of all parts, the most specific ones first, as the first that matches is taken.
    ///
    /// `validate_clusters` is left off: clusters and routes arrive in their own time, and a route
    /// to a cluster that is not there yet must not have the whole table refused.
    init(name: String, parts: [ObjectPart]) {
        self.init()
        self.name = name
        virtualHosts = [
            .with {
                $0.name = "services"
                $0.domains = ["*"]
                $0.routes = parts.flatMap(\.routes).sorted { $0.match.isBefore($1.match) }
            }
        ]
    }
}

extension ObjectPart {
    /// What a service contributes to the routes: a virtual host of its own, for storage only.
    convenience init(routesOf service: Service, revision: UInt64) {
        let host = Envoy_Config_Route_V3_VirtualHost.with {
            $0.routes = service.routes.map { .init($0, of: service) }
        }
        self.init(
            object: service.objectName,
            revision: revision,
            bytes: deterministicBytes(host),
            quotables: service.routes.flatMap(\.headers).compactMap { header in
                if case .regex(let expression) = header.pattern { expression } else { nil }
            }
        )
    }

    fileprivate var routes: [Envoy_Config_Route_V3_Route] {
        do {
            return try Envoy_Config_Route_V3_VirtualHost(serializedBytes: bytes).routes
        } catch {
            preconditionFailure("a part that was encoded here can't be decoded: \(error)")
        }
    }
}

extension Service {
    /// What operators call it in reports.
    var objectName: String { "service \(name)" }
}

extension Envoy_Config_Route_V3_RouteMatch {
    /// The longer prefix first, and of equal ones that with more headers; a total order, so that
    /// equal routes give equal bytes.
    fileprivate func isBefore(_ other: Self) -> Bool {
        if prefix != other.prefix {
            return (other.prefix.utf8.count, prefix) < (prefix.utf8.count, other.prefix)
        }
        if headers.count != other.headers.count { return headers.count > other.headers.count }
        return headers.map(\.sortKey).lexicographicallyPrecedes(other.headers.map(\.sortKey))
    }
}

extension Envoy_Config_Route_V3_HeaderMatcher {
    fileprivate init(_ header: Service.HeaderMatch) {
        self.init()
        name = header.name
        stringMatch = .with {
            switch header.pattern {
            case .exact(let text): $0.exact = text
            case .prefix(let text): $0.prefix = text
            case .regex(let expression): $0.safeRegex = .with { $0.regex = expression }
            }
        }
    }

    fileprivate var sortKey: String {
        switch stringMatch.matchPattern {
        case .exact(let text): "\(name) 0 \(text)"
        case .prefix(let text): "\(name) 1 \(text)"
        case .safeRegex(let matcher): "\(name) 2 \(matcher.regex)"
        case .suffix, .contains, nil: name
        }
    }
}

extension Envoy_Config_Route_V3_Route {
    /// `stream_idle_timeout` of the listener; a longer call may be silent for longer than that.
    static let streamIdleTimeout = Duration.seconds(30)

    fileprivate init(_ source: Service.Route, of service: Service) {
        self.init()
        match = .with {
            $0.prefix = source.prefix
            $0.headers = source.headers.map { .init($0) }
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
