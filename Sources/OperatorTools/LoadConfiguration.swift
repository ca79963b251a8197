package import Primitives

/// What `meridian load` is asked for.
package struct LoadConfiguration: Sendable {
    package var target: EndpointAddress
    /// Calls started each second, whatever becomes of the earlier ones.
    package var rate: Int
    package var duration: Duration
    /// Connections that the calls take in turn.
    package var connections: Int
    /// Decides which reports are asked for, and in which order.
    package var seed: UInt64
    /// Customers of the sample database, numbered from 1.
    package var customers: Int
    /// The deadline of each call.
    package var timeout: Duration
    /// Calls that may be under way; one that would be more is not sent and has failed.
    package var maximumInFlight: Int

    package init(
        target: EndpointAddress,
        rate: Int = 300,
        duration: Duration = .seconds(6),
        connections: Int = 4,
        seed: UInt64 = 1,
        customers: Int = 5_000,
        timeout: Duration = .seconds(3),
        maximumInFlight: Int = 2_000
    ) {
        self.target = target
        self.rate = rate
        self.duration = duration
        self.connections = connections
        self.seed = seed
        self.customers = customers
        self.timeout = timeout
        self.maximumInFlight = maximumInFlight
    }

    package static let rateRange = 1...100_000
    package static let durationRange: ClosedRange<Duration> =
        .milliseconds(100) ... .seconds(86_400)
    package static let connectionsRange = 1...1_000
    package static let customersRange = 1...100_000_000
    package static let timeoutRange: ClosedRange<Duration> = .milliseconds(1) ... .seconds(60)
    package static let maximumInFlightRange = 1...100_000
}
