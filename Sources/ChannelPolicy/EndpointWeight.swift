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
