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

    package init() {}
}
