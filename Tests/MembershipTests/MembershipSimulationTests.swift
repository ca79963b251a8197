import Membership
import Primitives
import Testing

/// 500 schedules of kills, stops, cuts, clock jumps and restarts, each drawn from a seed.
///
/// A failure names its seed and the last things that happened; `seeds: [that one]` plays it again, step by step the same.
@Suite struct MembershipSimulationTests {
    @Test(arguments: 0..<10)
    func `no schedule breaks what always holds`(block: UInt64) {
        var counts: [String: Int] = [:]
        for seed in block * 50..<(block + 1) * 50 {
            var simulation = Simulation(seed: seed)
            simulation.run(faults: 24)
            let problems = simulation.problems
            if !problems.isEmpty {
                let trail = simulation.trail.joined(separator: "\n")
                Issue.record("seed \(seed): \(problems)\n\(trail)")
                return
            }
            counts.merge(simulation.counts, uniquingKeysWith: +)
        }
        // The schedules are worth something only if all of it happens in them.
        for fault in Simulation.Fault.allCases { #expect(counts["\(fault)", default: 0] > 0) }
        #expect(counts["withdrawals", default: 0] > 100)
        #expect(counts["holds", default: 0] > 0)
        #expect(counts["noticed stops", default: 0] > 10)
    }

    @Test func `a seed plays the same schedule again`() {
        var one = Simulation(seed: 7)
        var other = Simulation(seed: 7)
        one.run(faults: 12)
        other.run(faults: 12)
        let (trail, again) = (one.trail, other.trail)
        #expect(trail == again)
        #expect(!trail.isEmpty)
    }
}

/// What always holds.
extension Simulation {
    mutating func check() {
        guard downUntil == nil else { return }
        let clock = MonotonicInstant(sinceOrigin: now + clockAhead)
        let statuses = machine.workers(now: clock)
        let listed = statuses.filter { !$0.isWithdrawn }.map(\.registration.workerID)
        expect(listed == published.keys.sorted(), "the table and what is published disagree")
        expect(
            Set(statuses.map(\.registration.workerID)).count == statuses.count,
            "a worker has two registrations"
        )
        for status in statuses where newestEpoch[status.registration.workerID] != status.epoch {
            expect(
                false,
                "\(status.registration.workerID) holds epoch \(status.epoch), which is an old one"
            )
        }
        guard now >= stoppedUntil else { return }
        for status in statuses where !status.isHeld { checkIsNotLate(status) }
    }

    /// No endpoint outlives its worker by more than the lease and one push.
    private mutating func checkIsNotLate(_ status: MemberStatus) {
        let worker = status.registration.workerID
        let heard = processes.filter { $0.worker == worker }.map(\.heardAt).max() ?? .zero
        let now = now
        let limit = max(heard + Self.lease, excusedUntil) + Self.pushAndTick
        expect(now <= limit, "\(worker) was last heard at \(heard) and is listed at \(now)")
    }

    /// Nobody is taken out who lives, can be reached and was not replaced.
    mutating func checkWithdrawal(of worker: WorkerID, isReplaced: Bool) {
        guard !isReplaced else { return }
        let same = processes.filter { $0.worker == worker }
        // With two processes of one name, the loser's end may be the one that is seen.
        guard same.count == 1, let process = same.first else { return }
        let now = now
        guard process.holdsSince != nil, process.isAlive(now) else { return }
        expect(false, "\(worker) lives and was taken out at \(now)")
    }

    /// After peace everyone has what they should have.
    mutating func checkPeace() {
        guard problems.isEmpty else { return }
        let held = machine.heldCount
        expect(held == 0, "\(held) leases are still held")
        let alive = processes.filter { $0.isAlive(now) }
        for process in alive {
            let clock = MonotonicInstant(sinceOrigin: now + clockAhead)
            let status = machine.workers(now: clock).first {
                $0.registration.workerID == process.worker
            }
            expect(
                status?.epoch == process.epoch && process.epoch != nil,
                "\(process.worker) believes in epoch \(process.epoch.map(\.description) ?? "none"), "
                    + "the registry in \(status?.epoch.description ?? "none")"
            )
        }
        let identities = Set(processes.map(\.worker)).sorted()
        for worker in identities {
            let living = alive.count { $0.worker == worker }
            expect(living <= 1, "\(worker) has \(living) live processes that hold a lease")
            expect(living == 1, "\(worker) was lost")
        }
    }
}
