import Synchronization

/// What has happened in the registry, by metric name.
package final class RegistryCounters: Sendable {
    private struct Values {
        var registrations: UInt64 = 0
        var refused: UInt64 = 0
        var expired: UInt64 = 0
        var confirmed: UInt64 = 0
        var holds: UInt64 = 0
        var stops: UInt64 = 0
        var probes: UInt64 = 0
        var failedProbes: UInt64 = 0
        var registered = 0
        var held = 0
    }

    private let state = Mutex(Values())

    func granted() { state.withLock { $0.registrations += 1 } }
    func refused() { state.withLock { $0.refused += 1 } }
    func expired(_ count: Int) { state.withLock { $0.expired += UInt64(count) } }
    func confirmed(_ count: Int) { state.withLock { $0.confirmed += UInt64(count) } }
    func held() { state.withLock { $0.holds += 1 } }
    func stopped() { state.withLock { $0.stops += 1 } }

    func probed(isServing: Bool) {
        state.withLock {
            $0.probes += 1
            if !isServing { $0.failedProbes += 1 }
        }
    }

    func set(registered: Int, held: Int) {
        state.withLock {
            $0.registered = registered
            $0.held = held
        }
    }

    package var values: [String: UInt64] {
        let values = state.withLock { $0 }
        return [
            "registry_registrations": values.registrations,
            "registry_registrations_refused": values.refused,
            "registry_leases_expired": values.expired,
            "registry_leases_confirmed_expired": values.confirmed,
            "registry_mass_expiries_held": values.holds,
            "registry_stops_noticed": values.stops,
            "registry_probes": values.probes,
            "registry_probes_failed": values.failedProbes,
            "registry_workers": UInt64(values.registered),
            "registry_workers_held": UInt64(values.held),
        ]
    }
}
