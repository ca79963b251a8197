import Membership
import Primitives
import Testing

/// Who is held when leases run out together, and until when.
@Suite struct MassExpiryTests {
    // MARK: The first ones of a mass event

    @Test func `a deaf control plane loses nobody, not even the first whose lease runs out`() {
        var region = Region(of: 10)
        region.run(until: 10)
        region.deaf = true
        region.run(until: 20)
        let statuses = region.machine.workers(now: region.now)
        #expect(region.withdrawn.isEmpty)
        #expect(statuses.filter(\.isHeld).count == 10)
        #expect(statuses.map(\.health) == Array(repeating: .serving, count: 10))
        let holds = region.events.filter { if case .holding = $0 { true } else { false } }
        #expect(holds == [.holding("eu", "reports", lost: 10, of: 10)])
    }

    @Test func `renewals end a hold, and nobody was ever out`() {
        var region = Region(of: 10)
        region.run(until: 10)
        region.deaf = true
        region.run(until: 20)
        region.deaf = false
        region.run(until: 40)
        #expect(region.withdrawn.isEmpty)
        #expect(region.machine.heldCount == 0)
        #expect(region.events.last == .released("eu", "reports", .renewals))
    }

    @Test func `a single death goes at the lease and a look at the clock`() {
        var region = Region(of: 10)
        region.run(until: 10)
        region.die("w3")
        region.run(until: 20)
        #expect(region.withdrawn.keys.sorted() == ["w3"])
        let after = region.withdrawn["w3"].map {
            region.lastBeat["w3", default: .seconds(0)].duration(to: $0)
        }
        #expect(
            after.map { $0 >= .seconds(5) && $0 <= .milliseconds(5_250) } == true,
            "\(after as Any)"
        )
        #expect(region.events.isEmpty)
    }

    @Test(arguments: [1, 2, 3])
    func `up to three of ten that die together are believed`(count: Int) {
        var region = Region(of: 10)
        region.run(until: 10)
        for worker in 1...count { region.die(WorkerID("w\(worker)")) }
        region.run(until: 20)
        #expect(region.withdrawn.count == count)
        #expect(region.events.isEmpty)
    }

    @Test func `three of three are believed, as the number must be exceeded too`() {
        var region = Region(of: 3)
        region.run(until: 10)
        region.deaf = true
        region.run(until: 20)
        #expect(region.withdrawn.count == 3)
    }

    @Test(arguments: [(5, 5), (6, 0)])
    func `half of a region is believed and one more is not`(dying: Int, gone: Int) {
        var region = Region(of: 10)
        region.run(until: 10)
        for worker in 1...dying { region.die(WorkerID("w\(worker)")) }
        region.run(until: 30)
        #expect(region.withdrawn.count == gone)
        #expect(region.machine.heldCount == dying - gone)
    }

    @Test func `deaths that trickle within a lease are held from the one that is too many`() {
        var region = Region(of: 10)
        region.run(until: 10)
        for worker in 1...8 {
            region.die(WorkerID("w\(worker)"))
            region.run(until: 10 + 0.6 * Double(worker))
        }
        region.run(until: 40)
        #expect(region.withdrawn.count <= 5)
        #expect(region.machine.heldCount == 8 - region.withdrawn.count)
    }

    @Test func `deaths that take their time are each believed`() {
        var region = Region(of: 10)
        region.run(until: 10)
        for worker in 1...6 {
            region.die(WorkerID("w\(worker)"))
            region.run(until: 10 + 8 * Double(worker))
        }
        #expect(region.withdrawn.count == 6)
        #expect(region.events.isEmpty)
    }

    // MARK: Proof

    @Test func `a region that is really dead is held until an operator confirms`() {
        var region = Region(of: 6)
        region.run(until: 10)
        for worker in 1...6 { region.die(WorkerID("w\(worker)")) }
        region.run(until: 600)
        let held = region.machine.heldCount
        let confirmed = region.machine.expiryConfirmed(in: "eu", of: nil, now: region.now)
        #expect(held == 6)
        guard case .ended(let workers, let instructions) = confirmed else {
            Issue.record("nothing was held")
            return
        }
        #expect(workers == ["w1", "w2", "w3", "w4", "w5", "w6"])
        #expect(instructions.count { if case .withdraw = $0 { true } else { false } } == 6)
        #expect(instructions.count { if case .forget = $0 { true } else { false } } == 6)
        #expect(region.machine.count == 0)
        let again = region.machine.expiryConfirmed(in: "eu", of: nil, now: region.now)
        #expect(again == .ignoreNothingHeld)
    }

    @Test func `a confirmation spares who came back, and covers who is silent and not yet due`() {
        var region = Region(of: 10)
        region.run(until: 10)
        for worker in 1...8 { region.die(WorkerID("w\(worker)")) }
        // The leases run out between 13.4 s and 15 s: some are held by now, some are only silent.
        region.run(until: 14.2)
        region.revive("w1")
        let held = region.machine.heldCount
        _ = region.machine.expiryConfirmed(in: "eu", of: "reports", now: region.now)
        region.run(until: 30)
        #expect(held > 0 && held < 8)
        #expect(
            region.machine.workers(now: region.now).map { $0.registration.workerID.rawValue } == [
                "w1", "w10", "w9",
            ]
        )
        #expect(region.machine.heldCount == 0)
    }

    @Test func `a confirmation for another region or service changes nothing`() {
        var region = Region(of: 6)
        region.run(until: 10)
        region.deaf = true
        region.run(until: 20)
        #expect(
            region.machine.expiryConfirmed(in: "us", of: nil, now: region.now) == .ignoreNothingHeld
        )
        #expect(
            region.machine.expiryConfirmed(in: "eu", of: "billing", now: region.now)
                == .ignoreNothingHeld
        )
        #expect(region.machine.heldCount == 6)
    }

    @Test func `a reset connection is proof for its worker while the others are held`() {
        var region = Region(of: 6)
        region.run(until: 10)
        region.deaf = true
        region.run(until: 20)
        let instructions = region.machine.streamEnded(2, .connectionLost, now: region.now)
        #expect(
            instructions == [
                .forget("w2", 2),
                .withdraw(MemberEndpoint(.sample("w2", port: 2), health: .serving)),
            ]
        )
        #expect(region.machine.heldCount == 5)
    }

    @Test func `a connection that we gave up ourselves is no proof`() {
        var region = Region(of: 6)
        region.run(until: 10)
        region.deaf = true
        region.run(until: 20)
        let instructions = region.machine.streamEnded(2, .givenUp, now: region.now)
        #expect(instructions.isEmpty)
        #expect(region.machine.heldCount == 6)
    }

    @Test func `a held worker that ends its stream itself is on its way back`() {
        var region = Region(of: 6)
        region.run(until: 10)
        region.deaf = true
        region.run(until: 20)
        let ended = region.machine.streamEnded(2, .closed, now: region.now)
        let back = region.machine.grant(.sample("w2", port: 2), stream: 102, at: region.now)
        #expect(ended.isEmpty)
        #expect(back.instructions == [.save(.sample("w2", port: 2, epoch: 7))])
    }

    @Test func `a held worker that registers anew is held no more`() {
        var region = Region(of: 6)
        region.run(until: 10)
        region.deaf = true
        region.run(until: 20)
        let back = region.machine.grant(.sample("w2", port: 2), stream: 102, at: region.now)
        #expect(back.instructions.contains { if case .save = $0 { true } else { false } })
        #expect(!back.instructions.contains { if case .withdraw = $0 { true } else { false } })
        #expect(region.machine.heldCount == 5)
    }

    // MARK: Leases of different lengths, rules of services

    @Test func `long leases neither outvote short ones that lapse nor testify for them`() {
        var region = Region(of: 0)
        for worker in 1...5 { region.register(worker, lease: .seconds(1)) }
        for worker in 6...30 { region.register(worker, lease: .seconds(60)) }
        region.run(until: 60)
        region.deaf = true
        region.run(until: 70)
        #expect(region.withdrawn.isEmpty)
        #expect(region.machine.heldCount == 5)
    }

    @Test func `a service has the rule that the mesh gives it`() {
        var region = Region(of: 10, rule: MassExpiryRule(percent: 10, workers: 0))
        region.run(until: 10)
        for worker in 1...2 { region.die(WorkerID("w\(worker)")) }
        region.run(until: 20)
        #expect(region.withdrawn.isEmpty)
        #expect(region.events == [.holding("eu", "reports", lost: 2, of: 10)])
    }

    @Test func `a share of a hundred percent turns the guard off`() {
        var region = Region(of: 10, rule: MassExpiryRule(percent: 100, workers: 0))
        region.run(until: 10)
        region.deaf = true
        region.run(until: 20)
        #expect(region.withdrawn.count == 10)
    }

    @Test func `one region's hold leaves the deaths of another alone`() {
        var region = Region(of: 6)
        region.register(20, region: "us")
        region.register(21, region: "us")
        region.run(until: 10)
        for worker in 1...6 { region.die(WorkerID("w\(worker)")) }
        region.die("w20")
        region.run(until: 20)
        #expect(region.withdrawn.keys.sorted() == ["w20"])
        #expect(region.machine.heldCount == 6)
    }

    @Test func `workers that a restart waits for in vain are held`() {
        var machine = machine()
        let stored = (1...10).map {
            StoredRegistration.sample("w\($0)", port: UInt16($0), epoch: Epoch(UInt64($0)))
        }
        _ = machine.restored(stored, highestEpoch: 10, now: .seconds(0))
        var lost: [Instruction] = []
        for step in 0...400 { lost += machine.ticked(now: .seconds(Double(step) / 4)).instructions }
        #expect(lost.isEmpty)
        #expect(machine.heldCount == 10)
    }

    // MARK: Stops of the control plane itself

    @Test func `a control plane that was stopped for twice the lease gives all leases anew`() {
        var region = Region(of: 10)
        region.run(until: 10)
        region.now = .seconds(20)
        let tick = region.machine.ticked(now: region.now)
        let remaining = region.machine.workers(now: region.now).map(\.leaseRemaining)
        #expect(tick.instructions.isEmpty)
        #expect(tick.events == [.wasStopped(.seconds(10))])
        #expect(remaining == Array(repeating: .seconds(5), count: 10))
        region.run(until: 40)
        #expect(region.withdrawn.isEmpty)
    }

    @Test func `two workers are kept over a stop too, which no share could tell`() {
        var region = Region(of: 2)
        region.run(until: 10)
        region.now = .seconds(20)
        region.run(until: 40)
        #expect(region.withdrawn.isEmpty)
    }

    @Test func `streams that workers gave up while we were stopped are no proof`() {
        var region = Region(of: 2)
        region.run(until: 10)
        region.now = .seconds(20)
        // Read before the timer fires: the machine has to notice by itself.
        let ended = region.machine.streamEnded(1, .connectionLost, now: region.now)
        let kept = region.machine.endpoints(of: "reports").map(\.workerID)
        let back = region.machine.grant(.sample("w1", port: 1), stream: 101, at: .seconds(21))
        #expect(ended.isEmpty)
        #expect(kept == ["w1", "w2"])
        #expect(back.instructions == [.save(.sample("w1", port: 1, epoch: 3))])
    }

    @Test func `a worker that does not come back from such a stream goes with its lease`() {
        var region = Region(of: 2)
        region.run(until: 10)
        region.now = .seconds(20)
        _ = region.machine.streamEnded(1, .connectionLost, now: region.now)
        region.die("w1")
        region.run(until: 25.3)
        #expect(region.withdrawn.keys.sorted() == ["w1"])
    }

    @Test func `a stop that is shorter than the longest gap changes nothing`() {
        var region = Region(of: 2)
        region.run(until: 10)
        region.now = .seconds(10.5)
        let tick = region.machine.ticked(now: region.now)
        #expect(tick.events.isEmpty)
    }

    @Test func `a stream that ends after its worker was unheard for a lease is no proof`() {
        var machine = machine()
        _ = machine.grant(stream: 1)
        // The lease has run out and nobody has looked yet, as when a network comes back.
        let late = machine.beat(1, 1, at: .seconds(6))
        let ended = machine.streamEnded(1, .connectionLost, now: .seconds(6))
        let statuses = machine.workers(now: .seconds(6))
        let lapsed = machine.expire(now: .seconds(11))
        #expect(late == .renewed)
        #expect(ended.isEmpty)
        #expect(statuses.map(\.isAwaitingReturn) == [true])
        #expect(lapsed.count == 2)
    }
}

/// Workers of one region with heartbeats at every third of their lease, each at its own phase, and a control plane that
/// looks at its clock four times a second.
private struct Region: ~Copyable {
    var machine: MembershipMachine
    var now = MonotonicInstant.seconds(0)
    /// No heartbeat arrives.
    var deaf = false
    private(set) var withdrawn: [WorkerID: MonotonicInstant] = [:]
    private(set) var events: [MembershipEvent] = []
    private(set) var lastBeat: [WorkerID: MonotonicInstant] = [:]
    private var dead: Set<WorkerID> = []
    private var leases: [WorkerID: (stream: StreamID, epoch: Epoch, interval: Duration)] = [:]

    init(of count: Int, rule: MassExpiryRule? = nil) {
        var directory = MeshDirectory.sample
        if let rule { directory.massExpiry = ["reports": rule] }
        machine = MembershipMachine(directory: directory, limits: MembershipLimits())
        if count > 0 { for worker in 1...count { register(worker) } }
    }

    mutating func register(_ number: Int, region: String = "eu", lease: Duration = .seconds(5)) {
        let request = RegistrationRequest.sample("w\(number)", port: UInt32(number)).with {
            $0.lease = lease
            $0.region = region
            $0.zone = ""
        }
        let stream = StreamID(UInt64(number))
        let grant = machine.grant(
            region == "eu" ? request.with { $0.zone = "eu-a" } : request,
            stream: stream,
            at: now
        )
        let worker = WorkerID("w\(number)")
        leases[worker] = (stream, grant.epoch, grant.heartbeatInterval)
        // The phases are spread over the interval.
        let phase = grant.heartbeatInterval * Double(number * 37 % 100) / 100
        lastBeat[worker] = now.advanced(by: .zero - phase)
    }

    mutating func die(_ worker: WorkerID) { dead.insert(worker) }

    mutating func revive(_ worker: WorkerID) { dead.remove(worker) }

    mutating func run(until end: Double) {
        while now < .seconds(end) {
            now = now.advanced(by: .milliseconds(50))
            beat()
            guard
                now.nanoseconds % 250_000_000 == 0
                    || machine.nextDeadline.map({ $0 <= now }) == true
            else { continue }
            let tick = machine.ticked(now: now)
            events += tick.events
            for case .withdraw(let endpoint) in tick.instructions {
                withdrawn[endpoint.workerID] = now
            }
        }
    }

    private mutating func beat() {
        for (worker, lease) in leases.sorted(by: { $0.key < $1.key }) where !dead.contains(worker) {
            guard lastBeat[worker, default: now].duration(to: now) >= lease.interval else {
                continue
            }
            guard !deaf else { continue }
            lastBeat[worker] = now
            _ = machine.beat(lease.stream, lease.epoch, at: now)
        }
    }
}
