import Primitives

/// Tells the deaths of workers from the deafness of the control plane.
///
/// **When.** A lease is judged at the moment when it has run out. It is believed, unless more than
/// the rule's number and share of its region's leases have fallen silent with it.
///
/// **The first ones of a mass event.** Leases run out one after the other, in the order in which
/// their last heartbeats came, spread over a third of a lease. Counting those that *have run out*
/// would let the first ones go before the count says anything. So what is counted is who is
/// *silent*: unheard for more than half of its own lease. Workers speak in every third of it. Let
/// the control plane go deaf at 0 and the leases have the length L: the last heartbeats came in
/// [-L/3, 0], so the first lease runs out at 2/3 L at the earliest, and by then the youngest of the
/// others has been silent for 2/3 L > L/2. Nobody goes before all of them count. Those that have
/// been let go within the judged lease's time are counted too, which catches deaths that trickle.
///
/// **Who says nothing.** A witness against deafness is a worker that was heard while the judged one
/// was overdue: within half of the judged lease. A long lease that is neither overdue nor was heard
/// so lately is no evidence and is left out on both sides, else a few of 60 s would outvote a
/// hundred of 1 s that lapse.
///
/// **What it does not see.** Which of many silent workers is really dead. They are all held until
/// the silent are few enough again, an operator confirms, or a worker's connection is reset, which
/// a dead control plane's ears can't invent.
struct MassExpiryGuard: Sendable {
    /// The workers of one service in one region: what is held and released together.
    struct Cohort: Sendable {
        let region: RegionName
        let service: ServiceName
        var members = 0
        /// The length of the lease that began the hold; nil while nothing is held.
        var heldLease: Int64?
        /// Leases that were silent then are dead, an operator said.
        var confirmedAt: MonotonicInstant?
        /// When leases ran out and were believed, oldest first.
        var lapses: [MonotonicInstant] = []

        var isHolding: Bool { heldLease != nil }
    }

    /// Lapses that are remembered in each cohort; where there were more, the silent say enough.
    static var maximumLapses: Int { 1_000 }

    private(set) var cohorts: [Cohort] = []
    private var numbers: [Key: Int] = [:]

    private struct Key: Hashable, Sendable {
        let region: RegionName
        let service: ServiceName
    }

    /// What the leases of a region say at one moment.
    struct Census {
        /// Silent leases, and those that were let go lately.
        var lost = 0
        /// Workers that were heard lately.
        var witnesses = 0

        var total: Int { lost + witnesses }
    }

    // MARK: Members

    /// A registration joins its cohort.
    mutating func joined(_ registration: Registration, now: MonotonicInstant) -> Int {
        let key = Key(region: registration.locality.region, service: registration.service)
        let number = numbers[key] ?? insert(key, now: now)
        cohorts[number].members += 1
        return number
    }

    mutating func left(_ number: Int) {
        cohorts[number].members -= 1
    }

    /// Takes the place of a cohort that nobody is in and that has nothing to remember, so that their
    /// number stays that of the mesh's services and regions however often those change.
    private mutating func insert(_ key: Key, now: MonotonicInstant) -> Int {
        let cohort = Cohort(region: key.region, service: key.service)
        let free = cohorts.firstIndex { other in
            other.members == 0
                && other.lapses.allSatisfy { $0.duration(to: now) > .seconds(60) }
        }
        if let free {
            numbers[Key(region: cohorts[free].region, service: cohorts[free].service)] = nil
            cohorts[free] = cohort
            numbers[key] = free
            return free
        }
        cohorts.append(cohort)
        numbers[key] = cohorts.count - 1
        return cohorts.count - 1
    }

    /// Cohorts of a region, of one service or of all.
    func numbers(in region: RegionName, of service: ServiceName?) -> [Int] {
        cohorts.indices.filter { number in
            cohorts[number].region == region
                && (service == nil || cohorts[number].service == service)
        }
    }

    // MARK: Judging

    /// Counts a region's leases, as far as they say something of a lease of the given length.
    ///
    /// One pass over plain values, so that ten thousand leases cost microseconds.
    func census(
        of region: RegionName,
        lease: Int64,
        in leases: [LeaseState],
        now: MonotonicInstant
    ) -> Census {
        let isInRegion = cohorts.map { $0.region == region }
        var census = Census()
        for member in leases where member.cohort >= 0 && isInRegion[Int(member.cohort)] {
            if case .withdrawn = member.standing { continue }
            if member.isSilent(now: now) {
                census.lost += 1
            } else if member.stream != nil, member.silence(now: now) <= lease / 2 {
                census.witnesses += 1
            }
        }
        return census
    }

    /// Leases of a region that ran out and were believed, within the given time.
    func lapses(in region: RegionName, within lease: Int64, now: MonotonicInstant) -> Int {
        cohorts.lazy.filter { $0.region == region }.reduce(0) { sum, cohort in
            sum + cohort.lapses.count { now.nanoseconds - $0.nanoseconds <= lease }
        }
    }

    mutating func believed(_ number: Int, now: MonotonicInstant) {
        if cohorts[number].lapses.count >= Self.maximumLapses {
            cohorts[number].lapses.removeFirst(Self.maximumLapses / 2)
        }
        cohorts[number].lapses.append(now)
    }

    mutating func beginsHolding(_ number: Int, lease: Int64) {
        cohorts[number].heldLease = lease
    }

    mutating func endsHolding(_ number: Int) {
        cohorts[number].heldLease = nil
    }

    mutating func confirmed(_ number: Int, now: MonotonicInstant) {
        cohorts[number].heldLease = nil
        cohorts[number].confirmedAt = now
        cohorts[number].lapses = []
    }

    /// True when the worker was silent already when an operator said that the silent are dead.
    func isConfirmed(_ lease: LeaseState) -> Bool {
        guard let confirmedAt = cohorts[Int(lease.cohort)].confirmedAt else { return false }
        return lease.isSilent(now: confirmedAt)
    }
}
