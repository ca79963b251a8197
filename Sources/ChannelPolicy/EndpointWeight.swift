/// What a backend says of its load, per call or out of band (ORCA's `OrcaLoadReport`).
package struct LoadReport: Hashable, Sendable {
    /// `rps_fractional`: requests a second.
    package var requestsPerSecond: Double
    /// `eps`: errors a second.
    package var errorsPerSecond: Double
    /// `application_utilization`, which counts when it is above 0.
    package var applicationUtilization: Double
    /// `cpu_utilization`, which counts otherwise.
    package var cpuUtilization: Double

    package init(
        requestsPerSecond: Double,
        errorsPerSecond: Double = 0,
        applicationUtilization: Double = 0,
        cpuUtilization: Double = 0
    ) {
        self.requestsPerSecond = requestsPerSecond
        self.errorsPerSecond = errorsPerSecond
        self.applicationUtilization = applicationUtilization
        self.cpuUtilization = cpuUtilization
    }
}

/// The weight of one endpoint, and whether it may be used yet or still (gRFC A58).
package struct EndpointWeight: Sendable, Equatable {
    private var weight = 0.0
    private var lastUpdated: MonotonicTime?
    /// When reports began to come; nil from a (re)connection or expiry until the next report.
    private var reportingSince: MonotonicTime?

    package init() {}

    /// Takes over a report: `qps / (utilization + eps / qps * penalty)`.
    ///
    /// One without load or with numbers that are none changes nothing: the peer may send anything.
    package mutating func reported(
        _ report: LoadReport,
        _ configuration: WeightedRoundRobinConfiguration,
        now: MonotonicTime
    ) {
        let rate = report.requestsPerSecond
        let application = report.applicationUtilization
        let utilization = application > 0 ? application : report.cpuUtilization
        guard rate > 0, utilization > 0 else { return }
        let errors = report.errorsPerSecond > 0 ? report.errorsPerSecond : 0
        let penalized = utilization + errors / rate * configuration.errorUtilizationPenalty
        let weight = rate / penalized
        guard weight.isFinite, weight > 0 else { return }
        self.weight = weight
        lastUpdated = now
        if reportingSince == nil { reportingSince = now }
    }

    /// The subchannel connected again: the blackout period starts with the next report.
    package mutating func becameReady() {
        reportingSince = nil
    }

    /// The weight, or 0 when it may not be used.
    package mutating func weight(
        _ configuration: WeightedRoundRobinConfiguration,
        now: MonotonicTime
    ) -> Double {
        guard let lastUpdated, now - lastUpdated < configuration.weightExpirationPeriod else {
            reportingSince = nil
            return 0
        }
        guard configuration.blackoutPeriod > .zero else { return weight }
        guard let reportingSince, now - reportingSince >= configuration.blackoutPeriod else {
            return 0
        }
        return weight
    }
}
