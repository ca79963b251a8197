package import Loads

/// The rhythm and the bounds of load reports.
package struct LoadReportConfiguration: Sendable {
    /// How often a client is asked to report.
    ///
    /// An Envoy sends 61 kB each time, whatever there is to report.
    package var interval: Duration
    package var limits: LoadLimits

    package init(interval: Duration = .seconds(10), limits: LoadLimits? = nil) {
        self.interval = interval
        self.limits = limits ?? Self.limits(for: interval)
    }

    /// A window of six reports, of a minute at least; a client that misses as many is silent.
    private static func limits(for interval: Duration) -> LoadLimits {
        let slot = max(interval, .seconds(10))
        return LoadLimits(slots: 6, slot: slot, silence: slot * 6)
    }
}
