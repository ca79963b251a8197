import Logging
import Membership
import Mesh
import ServiceLifecycle
import XDSServer

/// Gives workers time to come back to a control plane that has lost their registrations.
///
/// An empty registry is not an empty fleet: without this, a new data directory would take every
/// endpoint from every sidecar that reconnects before the workers do.
struct RegistryGrace: ServiceLifecycle.Service {
    let discovery: DiscoveryService
    /// Nil when the store had all registrations.
    let span: Duration?
    let logger: Logger

    /// Before anything is served.
    func begin() {
        guard let span else { return }
        discovery.endpointsAreProvisional()
        logger.notice(
            "the registry may be incomplete: sidecars keep the endpoints that they have",
            metadata: ["for": "\(span)"]
        )
    }

    func run() async throws {
        if let span {
            await cancelWhenGracefulShutdown {
                guard (try? await Task.sleep(for: span)) != nil else { return }
                discovery.endpointsAreKnown()
                logger.notice("the registry counts as complete")
            }
        }
        // A service that returns would end the process.
        try? await gracefulShutdown()
    }
}

extension Mesh {
    /// As long as restored registrations would be kept without a word of their workers.
    var registryGrace: Duration {
        (services.map(\.lease).max() ?? .zero) + MembershipLimits().restoreGrace
    }
}
