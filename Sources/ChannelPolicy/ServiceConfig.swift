/// What a service asks of the clients that call it: gRPC's service config.
///
/// The JSON form is `service_config.proto` of the gRPC project with the rules of gRFC A2, A6, A21,
/// A24, A48, A58 and A62; `ServiceConfig+Decoding` says which fields are read. Two keys are our own
/// and ignored by other gRPC clients: `meridianCircuitBreaker` and `meridianRetryBudget`.
package struct ServiceConfig: Hashable, Sendable {
    package var loadBalancing: LoadBalancingPolicy
    package var retryThrottling: RetryThrottling?
    /// The service whose health the subchannels are asked for (gRFC A17); nil asks for none.
    package var healthCheckServiceName: String?
    package var circuitBreaker: CircuitBreakers
    package var retryBudget: RetryBudget.Configuration?
    /// The settings of methods, as they were written.
    package let methods: [MethodConfig]
    /// `/service/method`, `/service/` or nothing to the position in `methods`.
    private let byName: [Substring: Int]

    package init(
        methods: [MethodConfig] = [],
        loadBalancing: LoadBalancingPolicy = .standard,
        retryThrottling: RetryThrottling? = nil,
        healthCheckServiceName: String? = nil,
        circuitBreaker: CircuitBreakers = CircuitBreakers(),
        retryBudget: RetryBudget.Configuration? = nil
    ) {
        self.methods = methods
        self.loadBalancing = loadBalancing
        self.retryThrottling = retryThrottling
        self.healthCheckServiceName = healthCheckServiceName
        self.circuitBreaker = circuitBreaker
        self.retryBudget = retryBudget
        var byName: [Substring: Int] = [:]
        for (index, method) in methods.enumerated() {
            for name in method.names where byName[name.key] == nil { byName[name.key] = index }
        }
        self.byName = byName
    }

    /// The settings of a call of `/service/method`: those of the method, of the service or of all.
    ///
    /// Allocates nothing.
    package func method(forPath path: String) -> MethodConfig? {
        guard !byName.isEmpty else { return nil }
        var index = byName[path[...]]
        if index == nil, let slash = path.lastIndex(of: "/") { index = byName[path[...slash]] }
        return (index ?? byName[""]).map { methods[$0] }
    }
}

/// The settings of some methods.
package struct MethodConfig: Hashable, Sendable {
    /// What the settings are for: a method, all methods of a service, or all methods.
    package struct Name: Hashable, Sendable, CustomStringConvertible {
        /// Empty for all services.
        package let service: String
        /// Empty for all methods.
        package let method: String

        package init(service: String = "", method: String = "") {
            self.service = service
            self.method = method
        }

        /// The start of a path, or all of it, by which the settings are found.
        fileprivate var key: Substring { service.isEmpty ? "" : "/\(service)/\(method)"[...] }

        package var description: String { service.isEmpty ? "the default" : String(key) }
    }

    /// What happens to an attempt that fails or takes long: never both (gRFC A6).
    package enum Attempts: Hashable, Sendable {
        case once
        case retry(RetryPolicy)
        case hedge(HedgingPolicy)
    }

    package var names: [Name]
    /// Whether calls wait out a failing channel; nil leaves it to the caller.
    package var waitForReady: Bool?
    /// The longest that a call may take; the caller's own deadline may be earlier.
    package var timeout: Duration?
    package var maximumRequestBytes: Int?
    package var maximumResponseBytes: Int?
    package var attempts: Attempts

    package init(
        names: [Name],
        waitForReady: Bool? = nil,
        timeout: Duration? = nil,
        maximumRequestBytes: Int? = nil,
        maximumResponseBytes: Int? = nil,
        attempts: Attempts = .once
    ) {
        self.names = names
        self.waitForReady = waitForReady
        self.timeout = timeout
        self.maximumRequestBytes = maximumRequestBytes
        self.maximumResponseBytes = maximumResponseBytes
        self.attempts = attempts
    }
}

/// When a failed attempt is made again (gRFC A6).
package struct RetryPolicy: Hashable, Sendable {
    /// Attempts with the first one, from 2.
    package var maximumAttempts: Int
    package var backoff: ExponentialBackoff.Configuration
    package var retryableStatusCodes: StatusCodeSet

    package init(
        maximumAttempts: Int,
        backoff: ExponentialBackoff.Configuration,
        retryableStatusCodes: StatusCodeSet
    ) {
        self.maximumAttempts = maximumAttempts
        self.backoff = backoff
        self.retryableStatusCodes = retryableStatusCodes
    }
}

/// How one call is sent several times, to take the answer that comes first (gRFC A6).
package struct HedgingPolicy: Hashable, Sendable {
    /// Attempts with the first one, from 2 to `HedgingMachine.maximumAttempts`.
    package var maximumAttempts: Int
    /// The time between two attempts; zero sends all at once.
    package var delay: Duration
    /// The failures that leave the other attempts running.
    package var nonFatalStatusCodes: StatusCodeSet

    package init(
        maximumAttempts: Int,
        delay: Duration = .zero,
        nonFatalStatusCodes: StatusCodeSet = []
    ) {
        self.maximumAttempts = maximumAttempts
        self.delay = delay
        self.nonFatalStatusCodes = nonFatalStatusCodes
    }
}

/// When retries and hedges stop because too many calls fail (gRFC A6).
package struct RetryThrottling: Hashable, Sendable {
    /// From 1 to 1,000.
    package var maximumTokens: Int
    /// What a success gives back, in thousandths of a token.
    package var tokenRatioThousandths: Int

    package init(maximumTokens: Int, tokenRatioThousandths: Int) {
        self.maximumTokens = maximumTokens
        self.tokenRatioThousandths = tokenRatioThousandths
    }
}

/// The circuit breakers of a channel; nil is none.
package struct CircuitBreakers: Hashable, Sendable {
    package var perChannel: CircuitBreaker.Configuration?
    package var perSubchannel: CircuitBreaker.Configuration?

    package init(
        perChannel: CircuitBreaker.Configuration? = nil,
        perSubchannel: CircuitBreaker.Configuration? = nil
    ) {
        self.perChannel = perChannel
        self.perSubchannel = perSubchannel
    }
}
