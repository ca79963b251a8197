import Primitives
import Testing

@testable import Membership

@Suite struct MembershipMachineTests {
    // MARK: Registering

    @Test func `a registration is saved, published and given the first epoch`() {
        var machine = machine()
        let grant = machine.grant(stream: 1)
        let endpoint = MemberEndpoint(.sample(), health: .serving)
        #expect(grant.epoch == 1)
        #expect(grant.instructions == [.save(.sample(epoch: 1)), .publish(endpoint)])
        #expect(machine.endpoints(of: "reports") == [endpoint])
    }

    @Test func `a worker that registers again gets a new epoch and the old stream is fenced`() {
        var machine = machine()
        let first = machine.grant(stream: 1)
        let second = machine.grant(stream: 2)
        let fence = Fence(workerID: "w1", epoch: first.epoch, reason: .superseded(by: second.epoch))
        #expect(second.epoch > first.epoch)
        #expect(second.instructions == [.save(.sample(epoch: 2)), .fence(1, fence)])
    }

    @Test func `a worker that moves is published at its new address without being withdrawn`() {
        var machine = machine()
        _ = machine.grant(.sample(port: 9001), stream: 1)
        let moved = machine.grant(.sample(port: 9002), stream: 2)
        let endpoint = MemberEndpoint(.sample(port: 9002), health: .serving)
        #expect(moved.instructions.contains(.publish(endpoint)))
        #expect(!moved.instructions.contains { if case .withdraw = $0 { true } else { false } })
        #expect(machine.endpoints(of: "reports") == [endpoint])
    }

    @Test func `a worker that changes its service is withdrawn from the old one`() {
        var machine = machine()
        _ = machine.grant(stream: 1)
        let changed = machine.grant(.sample().with { $0.service = "billing" }, stream: 2)
        #expect(
            changed.instructions.contains(.withdraw(MemberEndpoint(.sample(), health: .serving)))
        )
        #expect(machine.endpoints(of: "reports").isEmpty)
        #expect(machine.endpoints(of: "billing").map(\.workerID) == ["w1"])
    }

    @Test func `the successor at a silent worker's address wins, and that one is fenced`() {
        var machine = machine()
        _ = machine.grant(.sample("w1"), stream: 1)
        let successor = machine.grant(.sample("w2"), stream: 2, at: .seconds(2.501))
        #expect(
            successor.instructions == [
                .forget("w1", 1),
                .save(.sample("w2", epoch: 2)),
                .withdraw(MemberEndpoint(.sample("w1"), health: .serving)),
                .publish(MemberEndpoint(.sample("w2"), health: .serving)),
                .fence(1, Fence(workerID: "w1", epoch: 1, reason: .addressTaken(by: "w2"))),
            ]
        )
        #expect(machine.beat(1, 1) == .fenced)
    }

    @Test func `an address that a live worker holds is refused, and nothing happens to that one`() {
        var machine = machine()
        _ = machine.grant(.sample("w1"), stream: 1)
        let refusal = machine.refusal(.sample("w2"), stream: 2, at: .seconds(2.5))
        #expect(refusal?.kind == .taken)
        #expect(refusal?.field == "registration.address")
        #expect(refusal?.reason.contains("w1") == true)
        #expect(machine.endpoints(of: "reports").map(\.workerID) == ["w1"])
        #expect(machine.beat(1, 1, at: .seconds(3)) == .renewed)
    }

    @Test func `a refused claim to an address leaves the claimant's own registration as it is`() {
        var machine = machine()
        _ = machine.grant(.sample("w1", port: 1), stream: 1)
        _ = machine.grant(.sample("w2", port: 2), stream: 2)
        let refusal = machine.refusal(.sample("w1", port: 2), stream: 3)
        #expect(refusal?.kind == .taken)
        #expect(machine.endpoints(of: "reports").map(\.address.port) == [1, 2])
        #expect(machine.beat(1, 1) == .renewed)
    }

    @Test func `two spellings of one address are one address`() {
        var machine = machine()
        _ = machine.grant(.sample("w1").with { $0.host = "::1" }, stream: 1)
        _ = machine.grant(
            .sample("w2").with { $0.host = "0:0:0:0:0:0:0:1" },
            stream: 2,
            at: .seconds(3)
        )
        #expect(machine.endpoints(of: "reports").map(\.workerID) == ["w2"])
    }

    @Test
    func
        `a worker that takes a neighbour's address while it has one itself ends both registrations`()
    {
        var machine = machine()
        _ = machine.grant(.sample("w1", port: 1), stream: 1)
        _ = machine.grant(.sample("w2", port: 2), stream: 2)
        let grant = machine.grant(.sample("w1", port: 2), stream: 3, at: .seconds(3))
        let fenced = grant.instructions.compactMap {
            if case .fence(let stream, _) = $0 { stream } else { nil }
        }
        #expect(fenced == [2, 1])
        #expect(machine.endpoints(of: "reports").map(\.address.port) == [2])
    }

    // MARK: Heartbeats

    @Test func `a heartbeat renews the lease to its full length`() {
        var machine = machine()
        _ = machine.grant(stream: 1)
        let renewal = machine.beat(1, 1, at: .seconds(4))
        let lapsed = machine.expire(now: .seconds(8.9))
        let status = machine.workers(now: .seconds(8))
        #expect(renewal == .renewed)
        #expect(lapsed.isEmpty)
        #expect(status.map(\.leaseRemaining) == [.seconds(1)])
    }

    @Test func `a heartbeat carries the load`() {
        var machine = machine()
        _ = machine.grant(stream: 1)
        let load = WorkerLoad(inFlight: 3, requests: 1_000, errors: 2, utilization: 0.5)
        _ = machine.heartbeat(stream: 1, epoch: 1, load: load, isServing: nil, now: .seconds(1))
        #expect(machine.workers(now: .seconds(1)).map(\.load) == [load])
    }

    @Test func `a change of health is saved and published once`() {
        var machine = machine()
        _ = machine.grant(stream: 1)
        let down = machine.beat(1, 1, isServing: false)
        let still = machine.beat(1, 1, isServing: false)
        let silent = machine.beat(1, 1, isServing: nil)
        let up = machine.beat(1, 1, isServing: true)
        #expect(
            down
                == .renewedWithChange([
                    .save(.sample(epoch: 1, health: .notServing)),
                    .publish(MemberEndpoint(.sample(), health: .notServing)),
                ])
        )
        #expect(still == .renewed)
        #expect(silent == .renewed)
        #expect(
            up
                == .renewedWithChange([
                    .save(.sample(epoch: 1)), .publish(MemberEndpoint(.sample(), health: .serving)),
                ])
        )
    }

    @Test func `an epoch that nobody was granted is unknown and an older one is fenced`() {
        var machine = machine()
        _ = machine.grant(stream: 1)
        _ = machine.grant(stream: 2)
        #expect(machine.beat(1, 1) == .fenced)
        #expect(machine.beat(2, 1) == .fenced)
        #expect(machine.beat(2, 3) == .unknown)
        #expect(machine.beat(2, 0) == .unknown)
        #expect(machine.beat(9, 9) == .unknown)
        #expect(machine.beat(2, 2) == .renewed)
    }

    @Test func `a heartbeat that was read with an older clock does not shorten the lease`() {
        var machine = machine()
        _ = machine.grant(stream: 1, at: .seconds(10))
        _ = machine.beat(1, 1, at: .seconds(9))
        #expect(machine.workers(now: .seconds(10)).map(\.leaseRemaining) == [.seconds(5)])
    }

    @Test func `what a renewal writes holds no references`() {
        // Compiles only for types without references: a plain renewal writes one of these and looks up a number.
        func size<T: BitwiseCopyable>(_ type: T.Type) -> Int { MemoryLayout<T>.size }
        #expect(size(LeaseState.self) <= 128)
        #expect(size(StreamID.self) == 8)
    }

    @Test func `a renewal leaves the table where it is and the deadlines untouched`() {
        var machine = machine()
        for worker in 1...100 {
            let port = UInt32(worker)
            _ = machine.grant(.sample("w\(worker)", port: port), stream: StreamID(UInt64(worker)))
        }
        let before = machine.table.leases.withUnsafeBufferPointer { $0.baseAddress }
        for worker in 1...100 as ClosedRange<UInt64> {
            _ = machine.beat(StreamID(worker), Epoch(worker), at: .seconds(1))
        }
        let after = machine.table.leases.withUnsafeBufferPointer { $0.baseAddress }
        #expect(before == after)
        #expect(machine.table.earliestDeadline == .seconds(5))
    }
}
