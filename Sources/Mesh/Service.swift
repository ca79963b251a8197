package import Primitives

/// One gRPC service of the mesh: how calls to it are recognised, and how they are carried.
package struct Service: Hashable, Sendable {
    package let name: ServiceName
    /// Which calls are calls to this service; each goes to the most specific route that matches.
    package let routes: [Route]
    /// The longest that a call may take, all tries together.
    ///
    /// It is the deadline of a caller that sets none and the ceiling of one that sets its own.
    package let timeout: Duration
    package let retries: Retries
    /// What a worker is granted that asks for no lease of its own.
    package let lease: Duration
    package let massExpiry: MassExpiry
    /// How the control plane asks workers for their health; nil when it does not.
    package let healthProbe: HealthProbe?
    /// Consumer regions whose traffic is split by percent; all others go to the nearest region.
    package let shares: [RegionName: RegionShares]

    package static let defaultTimeout = Duration.seconds(3)
    package static let defaultLease = Duration.seconds(5)

    package init(
        name: ServiceName,
        routes: [Route],
        timeout: Duration = Self.defaultTimeout,
        retries: Retries = Retries(),
        lease: Duration = Self.defaultLease,
        massExpiry: MassExpiry = MassExpiry(),
        healthProbe: HealthProbe? = nil,
        shares: [RegionName: RegionShares] = [:]
    ) {
        self.name = name
        self.routes = routes
        self.timeout = timeout
        self.retries = retries
        self.lease = lease
        self.massExpiry = massExpiry
        self.healthProbe = healthProbe
        self.shares = shares
    }
}

extension Service {
    /// How a call is recognised: by its path, and by headers if there are some.
    package struct Route: Hashable, Sendable, ExpressibleByStringLiteral {
        /// A path prefix such as `/meridian.v1.ReportService/`.
        package let prefix: String
        /// All of them have to match; in the order of the description.
        package let headers: [HeaderMatch]

        package init(prefix: String, headers: [HeaderMatch] = []) {
            self.prefix = prefix
            self.headers = headers
        }

        package init(stringLiteral prefix: String) {
            self.init(prefix: prefix)
        }
    }

    /// What one header of a call has to be.
    package struct HeaderMatch: Hashable, Sendable {
        package enum Pattern: Hashable, Sendable {
            case exact(String)
            case prefix(String)
            /// The whole value, in RE2's syntax.
            ///
            /// Only the proxies know whether it is one: what they can't compile, they refuse.
            case regex(String)
        }

        /// In lower case.
        package let name: String
        package let pattern: Pattern

        package init(name: String, pattern: Pattern) {
            self.name = name
            self.pattern = pattern
        }
    }

    /// How calls that a worker could not serve are tried again.
    package struct Retries: Hashable, Sendable {
        /// Tries after the first one; 0 turns retries off.
        package let attempts: Int
        /// After this long without an answer a try is given up and the next one goes elsewhere.
        ///
        /// It must be well above what a healthy worker takes, or slow reports are run twice.
        package let perTryTimeout: Duration
        /// How much of the traffic may be retries at any moment, in percent.
        ///
        /// The bound that keeps a slow service from being drowned in its own retries.
        package let budgetPercent: Int
        /// Retries that are always allowed at once, whatever the budget says.
        ///
        /// A retry counts until it completes, so failover of a quiet service needs this floor.
        package let minimumConcurrency: Int

        package init(
            attempts: Int = 3,
            perTryTimeout: Duration = .seconds(1),
            budgetPercent: Int = 25,
            minimumConcurrency: Int = 64
        ) {
            self.attempts = attempts
            self.perTryTimeout = perTryTimeout
            self.budgetPercent = budgetPercent
            self.minimumConcurrency = minimumConcurrency
        }
    }
}
