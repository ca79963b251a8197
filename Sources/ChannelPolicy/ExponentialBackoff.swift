/// Delays that grow by a factor up to a maximum, each with jitter on both sides.
///
/// `min(initial * multiplier^(n-1), maximum) * random(1 - jitter, 1 + jitter)`: the rule of gRFC A6
/// for retries and of gRPC's connection-backoff.md for connections. A delay may therefore lie a
/// little under `initial` and a little over `maximum`.
package struct ExponentialBackoff: Sendable, Equatable {
    /// The parameters, apart from how far the delays have grown.
    package struct Configuration: Hashable, Sendable {
        package var initial: Duration
        package var multiplier: Double
        package var maximum: Duration
        /// The part of the delay by which it may be shorter or longer, from 0 to below 1.
        package var jitter: Double

        package init(
            initial: Duration,
            multiplier: Double,
            maximum: Duration,
            jitter: Double = 0.2
        ) {
            precondition(initial >= .zero && maximum >= .zero, "a backoff delay is not negative")
            precondition(multiplier > 0 && jitter >= 0 && jitter < 1, "0 < multiplier, jitter < 1")
            self.initial = initial
            self.multiplier = multiplier
            self.maximum = maximum
            self.jitter = jitter
        }

        /// What connection-backoff.md sets for connections.
        package static let connection = Self(
            initial: .seconds(1),
            multiplier: 1.6,
            maximum: .seconds(120)
        )
    }

    package let configuration: Configuration
    /// The next delay before jitter.
    private var next: Duration

    package init(_ configuration: Configuration) {
        self.configuration = configuration
        self.next = min(configuration.initial, configuration.maximum)
    }

    /// The delay after one more failure.
    package mutating func failed(using random: inout some RandomNumberGenerator) -> Duration {
        let delay = next
        next = min(next * configuration.multiplier, configuration.maximum)
        guard configuration.jitter > 0 else { return delay }
        let range = (1 - configuration.jitter)...(1 + configuration.jitter)
        return delay * Double.random(in: range, using: &random)
    }

    /// The next delay is the initial one again.
    package mutating func reset() {
        next = min(configuration.initial, configuration.maximum)
    }
}
