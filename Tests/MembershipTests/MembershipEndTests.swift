import Membership
import Primitives
import Testing

@Suite struct MembershipEndTests {
    // MARK: Expiry

    @Test func `a lease that is not renewed ends at its deadline`() {
        var machine = machine()
        _ = machine.grant(stream: 1)
        let early = machine.expire(now: .seconds(4.999))
        let due = machine.expire(now: .seconds(5))
        #expect(early.isEmpty)
        #expect(
            due == [
                .forget("w1", 1),
                .withdraw(MemberEndpoint(.sample(), health: .serving)),
                .fence(1, Fence(workerID: "w1", epoch: 1, reason: .leaseExpired)),
            ]
        )
        #expect(machine.count == 0)
        #expect(machine.nextDeadline == nil)
    }

    @Test func `an expired worker is fenced and comes back only by registering`() {
        var machine = machine()
        _ = machine.grant(stream: 1)
        _ = machine.expire(now: .seconds(6))
        let heartbeat = machine.beat(1, 1, at: .seconds(7))
        let drain = machine.drainRequested(stream: 1, epoch: 1, now: .seconds(7))
        #expect(heartbeat == .fenced)
        #expect(drain == .fenced)
        #expect(machine.endpoints(of: "reports").isEmpty)
        let again = machine.grant(stream: 2, at: .seconds(8))
        #expect(again.epoch == 2)
    }

    @Test func `a late heartbeat that arrives before the lease is ended renews it`() {
        var machine = machine()
        _ = machine.grant(stream: 1)
        let late = machine.beat(1, 1, at: .seconds(20))
        let lapsed = machine.expire(now: .seconds(20))
        #expect(late == .renewed)
        #expect(lapsed.isEmpty)
    }

    @Test func `the next deadline follows the leases and is rounded up`() {
        var machine = machine()
        _ = machine.grant(.sample("w1", port: 1), stream: 1, at: .seconds(0.001))
        _ = machine.grant(.sample("w2", port: 2).with { $0.lease = .seconds(1) }, stream: 2)
        #expect(machine.nextDeadline == .seconds(1))
        _ = machine.expire(now: .seconds(1))
        #expect(machine.nextDeadline == .seconds(5.05))
        _ = machine.beat(1, 1, at: .seconds(3))
        let woken = machine.expire(now: .seconds(5.05))
        #expect(woken.isEmpty)
        #expect(machine.nextDeadline == .seconds(8))
    }

    @Test func `a shorter lease after a longer one is honoured`() {
        var machine = machine()
        _ = machine.grant(.sample().with { $0.lease = .seconds(60) }, stream: 1)
        _ = machine.grant(.sample().with { $0.lease = .seconds(1) }, stream: 2)
        let lapsed = machine.expire(now: .seconds(1))
        #expect(machine.nextDeadline == nil)
        #expect(lapsed.count == 3)
    }

    // MARK: The end of a stream

    @Test func `the end of a stream takes the endpoint out at once`() {
        var machine = machine()
        _ = machine.grant(stream: 1)
        let ended = machine.streamEnded(1)
        #expect(
            ended == [.forget("w1", 1), .withdraw(MemberEndpoint(.sample(), health: .serving))]
        )
        #expect(machine.endpoints(of: "reports").isEmpty)
    }

    @Test func `the end of a superseded stream changes nothing`() {
        var machine = machine()
        _ = machine.grant(stream: 1)
        _ = machine.grant(stream: 2)
        let ended = machine.streamEnded(1)
        #expect(ended.isEmpty)
        #expect(machine.endpoints(of: "reports").map(\.workerID) == ["w1"])
    }

    // MARK: Draining

    @Test func `a drain is announced, then withdrawn, then confirmed to the worker`() {
        var machine = machine()
        _ = machine.grant(stream: 1)
        let requested = machine.drainRequested(stream: 1, epoch: 1, now: .seconds(1))
        let draining = MemberEndpoint(.sample(), health: .draining)
        #expect(
            requested
                == .announce(
                    "w1",
                    [.save(.sample(epoch: 1, health: .draining)), .publish(draining)]
                )
        )
        #expect(machine.endpoints(of: "reports") == [draining])
        let announced = machine.drainAnnounced(worker: "w1", epoch: 1)
        #expect(announced == .withdraw([.forget("w1", 1), .withdraw(draining)]))
        #expect(machine.endpoints(of: "reports").isEmpty)
        #expect(machine.workers(now: .seconds(1)).map(\.isWithdrawn) == [true])
        let confirmed = machine.withdrawalConfirmed(worker: "w1", epoch: 1)
        #expect(confirmed == .mayStop(1))
        #expect(machine.count == 0)
        #expect(machine.streamEnded(1).isEmpty)
    }

    @Test func `heartbeats in a drain renew the lease and do not bring the endpoint back`() {
        var machine = machine()
        _ = machine.grant(stream: 1)
        _ = machine.drainRequested(stream: 1, epoch: 1, now: .seconds(0))
        let draining = machine.beat(1, 1, isServing: true, at: .seconds(4))
        _ = machine.drainAnnounced(worker: "w1", epoch: 1)
        let withdrawn = machine.beat(1, 1, isServing: true, at: .seconds(8))
        let lapsed = machine.expire(now: .seconds(12))
        #expect(draining == .renewed)
        #expect(withdrawn == .renewed)
        #expect(lapsed.isEmpty)
        #expect(machine.endpoints(of: "reports").isEmpty)
    }

    @Test func `a repeated drain request changes nothing and renews`() {
        var machine = machine()
        _ = machine.grant(stream: 1)
        _ = machine.drainRequested(stream: 1, epoch: 1, now: .seconds(0))
        let repeated = machine.drainRequested(stream: 1, epoch: 1, now: .seconds(4))
        #expect(repeated == .ignoreRepeated)
        #expect(machine.expire(now: .seconds(6)).isEmpty)
    }

    @Test func `confirmations of a drain that is over are ignored`() {
        var machine = machine()
        _ = machine.grant(stream: 1)
        _ = machine.drainRequested(stream: 1, epoch: 1, now: .seconds(0))
        _ = machine.grant(stream: 2)
        let announced = machine.drainAnnounced(worker: "w1", epoch: 1)
        let confirmed = machine.withdrawalConfirmed(worker: "w1", epoch: 1)
        #expect(announced == .ignoreStale)
        #expect(confirmed == .ignoreStale)
        #expect(machine.endpoints(of: "reports").map(\.health) == [.serving])
    }

    @Test func `confirmations that come in the wrong order are ignored`() {
        var machine = machine()
        _ = machine.grant(stream: 1)
        #expect(machine.drainAnnounced(worker: "w1", epoch: 1) == .ignoreStale)
        _ = machine.drainRequested(stream: 1, epoch: 1, now: .seconds(0))
        #expect(machine.withdrawalConfirmed(worker: "w1", epoch: 1) == .ignoreStale)
        #expect(machine.endpoints(of: "reports").map(\.health) == [.draining])
    }

    @Test func `a worker that dies after its withdrawal leaves nothing to do`() {
        var machine = machine()
        _ = machine.grant(stream: 1)
        _ = machine.drainRequested(stream: 1, epoch: 1, now: .seconds(0))
        _ = machine.drainAnnounced(worker: "w1", epoch: 1)
        let ended = machine.streamEnded(1)
        #expect(ended.isEmpty)
        #expect(machine.count == 0)
    }

    @Test func `a worker that falls silent in a drain is taken out by its lease`() {
        var machine = machine()
        _ = machine.grant(stream: 1)
        _ = machine.drainRequested(stream: 1, epoch: 1, now: .seconds(0))
        let lapsed = machine.expire(now: .seconds(5))
        #expect(lapsed.first == .forget("w1", 1))
        #expect(machine.endpoints(of: "reports").isEmpty)
    }

    // MARK: Restoring

    @Test
    func `restored registrations keep their endpoints until the lease and the grace are over`() {
        var machine = machine()
        let restored = machine.restored([.sample(epoch: 7)], highestEpoch: 9, now: .seconds(0))
        #expect(restored == [.publish(MemberEndpoint(.sample(), health: .serving))])
        #expect(machine.workers(now: .seconds(0)).map(\.isAwaitingReturn) == [true])
        #expect(machine.nextDeadline == .seconds(20))
        #expect(machine.expire(now: .seconds(19.9)).isEmpty)
        let lapsed = machine.expire(now: .seconds(20))
        #expect(
            lapsed == [.forget("w1", 7), .withdraw(MemberEndpoint(.sample(), health: .serving))]
        )
    }

    @Test
    func `a worker that returns after a restart gets a larger epoch and its endpoint never moves`()
    {
        var machine = machine()
        _ = machine.restored([.sample(epoch: 7)], highestEpoch: 9, now: .seconds(0))
        let returned = machine.grant(stream: 1, at: .seconds(3))
        #expect(returned.epoch == 10)
        #expect(returned.instructions == [.save(.sample(epoch: 10))])
        #expect(machine.workers(now: .seconds(3)).map(\.isAwaitingReturn) == [false])
        #expect(machine.workers(now: .seconds(3)).map(\.leaseRemaining) == [.seconds(5)])
    }

    @Test func `a heartbeat with an epoch from before the restart is fenced`() {
        var machine = machine()
        _ = machine.restored([.sample(epoch: 7)], highestEpoch: 9, now: .seconds(0))
        #expect(machine.beat(1, 7) == .fenced)
        #expect(machine.beat(1, 9) == .fenced)
        #expect(machine.beat(1, 10) == .unknown)
    }

    @Test func `health and drains survive a restart`() {
        var machine = machine()
        _ = machine.restored(
            [
                .sample("w1", port: 1, epoch: 1, health: .notServing),
                .sample("w2", port: 2, epoch: 2, health: .draining),
            ],
            highestEpoch: 2,
            now: .seconds(0)
        )
        #expect(machine.endpoints(of: "reports").map(\.health) == [.notServing, .draining])
        let announced = machine.drainAnnounced(worker: "w2", epoch: 2)
        #expect(announced != .ignoreStale)
        #expect(machine.count == 1)
    }

    @Test func `of two restored claims to one address the newer one stays`() {
        var machine = machine()
        let restored = machine.restored(
            [.sample("w1", epoch: 3), .sample("w2", epoch: 5)],
            highestEpoch: 5,
            now: .seconds(0)
        )
        #expect(
            restored == [
                .forget("w1", 3), .publish(MemberEndpoint(.sample("w2"), health: .serving)),
            ]
        )
    }

    @Test func `a restore takes no more than the limit, the newest first`() {
        var limits = MembershipLimits()
        limits.maximumRegistrations = 2
        var machine = machine(limits: limits)
        let stored = (1...3).map {
            StoredRegistration.sample("w\($0)", port: UInt16($0), epoch: Epoch(UInt64($0)))
        }
        let restored = machine.restored(stored, highestEpoch: 3, now: .seconds(0))
        #expect(restored.first == .forget("w1", 1))
        #expect(machine.endpoints(of: "reports").map(\.workerID) == ["w2", "w3"])
    }

    @Test func `an epoch in the store is never granted again, even when the highest one was lost`()
    {
        var machine = machine()
        _ = machine.restored([.sample(epoch: 7)], highestEpoch: .none, now: .seconds(0))
        let returned = machine.grant(stream: 1)
        #expect(returned.epoch == 8)
    }
}
