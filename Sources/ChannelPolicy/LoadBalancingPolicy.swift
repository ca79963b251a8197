/// How a channel spreads its calls over its subchannels.
package enum LoadBalancingPolicy: Hashable, Sendable {
    /// All calls go to the first address that connects (gRFC A62).
    case pickFirst(shuffleAddressList: Bool)
    case roundRobin
    /// The least loaded of some that are drawn at random (gRFC A48).
    case leastRequest(choiceCount: Int)
    case weightedRoundRobin(WeightedRoundRobinConfiguration)

    /// What gRPC does when no policy is named.
    package static let standard = LoadBalancingPolicy.pickFirst(shuffleAddressList: false)

    /// Whether subchannels are health-checked; `pick_first` never is (gRFC A17).
    package var allowsHealthChecks: Bool {
        switch self {
        case .pickFirst: false
        case .roundRobin, .leastRequest, .weightedRoundRobin: true
        }
    }
}

/// The settings of weighted round robin (gRFC A58).
package struct WeightedRoundRobinConfiguration: Hashable, Sendable {
    /// Whether load comes in streams of its own instead of with the calls' trailers.
    package var usesOutOfBandReports = false
    /// How often such a stream is asked to report.
    package var outOfBandReportingPeriod: Duration = .seconds(10)
    /// How long an endpoint must have reported before its weight is used.
    package var blackoutPeriod: Duration = .seconds(10)
    /// How long a weight is used after the last report.
    package var weightExpirationPeriod: Duration = .seconds(180)
    /// How often the picker takes new weights, at least `minimumWeightUpdatePeriod`.
    package var weightUpdatePeriod: Duration = .seconds(1)
    /// How much an error counts against an endpoint.
    package var errorUtilizationPenalty = 1.0

    package static let minimumWeightUpdatePeriod: Duration = .milliseconds(100)

    package init() {}
}
