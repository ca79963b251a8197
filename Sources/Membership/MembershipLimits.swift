/// What one membership machine accepts at most, and the times that it works with.
package struct MembershipLimits: Hashable, Sendable {
    /// Workers that hold a registration at one time.
    package var maximumRegistrations = 20_000
    /// UTF-8 bytes of a worker id, a service, a region or a zone: the length of a DNS name.
    package var maximumNameBytes = 253
    /// UTF-8 bytes of a version or a sub-zone.
    package var maximumTextBytes = 128
    /// Requests at once of one worker.
    package var maximumCapacity: UInt32 = 1_000_000
    /// Leases shorter than the minimum would make every network hiccup an outage; longer ones than the maximum would
    /// keep dead workers.
    package var leaseRange: ClosedRange<Duration> = .seconds(1) ... .seconds(60)
    /// Added to the leases of restored registrations, so that workers have time to find the control plane again.
    package var restoreGrace: Duration = .seconds(15)
    /// Deadlines are rounded up to a multiple of this, so that thousands of leases share a few wake-ups.
    package var expiryGranularity: Duration = .milliseconds(50)

    /// Which lapses a service's workers are not believed to have died of, when its mesh says nothing
    /// of it.
    package var massExpiry = MassExpiryRule()
    /// Longest time between two ticks that passes for a busy machine; after a longer one the control
    /// plane was stopped, and every lease begins again.
    ///
    /// Less than two thirds of the shortest lease: when a stop begins, a worker's last heartbeat is a
    /// third of its lease old at most, so a stop that goes unnoticed can't end a lease by itself.
    package var maximumTickGap: Duration = .milliseconds(500)
    /// Registrations of one worker: so many at once, then so many each second.
    package var registrationsOfWorker = RegistrationRateLimit(burst: 10, perSecond: 2)
    /// Registrations on one connection, which may be a gateway's and carry many workers.
    package var registrationsOfConnection = RegistrationRateLimit(burst: 2_000, perSecond: 1_000)
    /// Workers and connections whose registrations are counted at one time, each.
    package var maximumTrackedRates = 20_000
    /// Labels of one worker, and UTF-8 bytes of all its names and values together.
    package var maximumLabels = 32
    package var maximumLabelBytes = 4_096
    /// When sidecars' ejections make a worker unhealthy for all.
    package var ejectionQuorum = EjectionQuorum()

    package init() {}
}
