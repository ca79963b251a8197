import Membership
import Primitives
import Testing

/// What others than a worker find of its health, and the verdict over all.
@Suite struct FoundHealthTests {
    // MARK: Sidecars

    @Test func `a quorum of sidecars makes a worker unhealthy for all, and fewer do not`() {
        var machine = machine()
        _ = machine.grant(stream: 1)
        let address = EndpointAddress(host: "10.0.0.1", port: 9001)
        let half = machine.sidecarVerdict(address, .init(ejectedBy: 2, of: 4))
        let more = machine.sidecarVerdict(address, .init(ejectedBy: 3, of: 4))
        let same = machine.sidecarVerdict(address, .init(ejectedBy: 4, of: 4))
        let back = machine.sidecarVerdict(address, .init(ejectedBy: 0, of: 4))
        #expect(half.isEmpty)
        #expect(more == [.publish(MemberEndpoint(.sample(), health: .notServing))])
        #expect(same.isEmpty)
        #expect(back == [.publish(MemberEndpoint(.sample(), health: .serving))])
    }

    @Test func `one sidecar alone is no quorum`() {
        var machine = machine()
        _ = machine.grant(stream: 1)
        let address = EndpointAddress(host: "10.0.0.1", port: 9001)
        let verdict = machine.sidecarVerdict(address, .init(ejectedBy: 1, of: 1))
        #expect(verdict.isEmpty)
    }

    @Test func `the worker's word that it can't serve outweighs what others see`() {
        var machine = machine()
        _ = machine.grant(stream: 1)
        _ = machine.beat(1, 1, isServing: false)
        let address = EndpointAddress(host: "10.0.0.1", port: 9001)
        let verdict = machine.sidecarVerdict(address, .init(ejectedBy: 0, of: 9))
        #expect(verdict.isEmpty)
        #expect(machine.endpoints(of: "reports").map(\.health) == [.notServing])
    }

    @Test func `what was found is shown beside what was reported, and is not stored`() {
        var machine = machine()
        _ = machine.grant(stream: 1)
        let address = EndpointAddress(host: "10.0.0.1", port: 9001)
        let verdict = machine.sidecarVerdict(address, .init(ejectedBy: 3, of: 4))
        let status = machine.workers(now: .seconds(0)).first
        #expect(!verdict.contains { if case .save = $0 { true } else { false } })
        #expect(status?.health == .notServing)
        #expect(status?.reported == .serving)
        #expect(status?.sidecars == .init(ejectedBy: 3, of: 4))
    }

    @Test func `the counts are those of the sidecars that see an endpoint`() {
        var views = SidecarViews()
        _ = views.reported("a", ejected: [Self.one], of: [Self.one, Self.two])
        _ = views.reported("b", ejected: [], of: [Self.one, Self.two])
        let changed = views.reported("c", ejected: [Self.two], of: [Self.two, Self.three])
        #expect(changed[Self.two] == .init(ejectedBy: 1, of: 3))
        #expect(views.count(of: Self.one) == .init(ejectedBy: 1, of: 2))
        #expect(views.count(of: Self.three) == .init(ejectedBy: 0, of: 1))
    }

    @Test func `a sidecar that sees everyone dead is taken for the partitioned one`() {
        var views = SidecarViews()
        _ = views.reported("a", ejected: [], of: [Self.one, Self.two])
        _ = views.reported("b", ejected: [Self.one], of: [Self.one, Self.two])
        let changed = views.reported("b", ejected: [Self.one, Self.two], of: [Self.one, Self.two])
        // It no longer accuses, and no longer defends.
        #expect(
            changed == [Self.one: .init(ejectedBy: 0, of: 1), Self.two: .init(ejectedBy: 0, of: 1)]
        )
    }

    @Test func `a sidecar that left is not counted`() {
        var views = SidecarViews()
        _ = views.reported("a", ejected: [Self.one], of: [Self.one, Self.two])
        let changed = views.left("a")
        #expect(changed == [Self.one: .init(), Self.two: .init()])
        #expect(views.left("a").isEmpty)
    }

    @Test func `reports of more sidecars than the limit are not counted`() {
        var views = SidecarViews(maximumSidecars: 1)
        _ = views.reported("a", ejected: [], of: [Self.one])
        let beyond = views.reported("b", ejected: [], of: [Self.one])
        let known = views.reported("a", ejected: [], of: [Self.one, Self.two])
        #expect(beyond.isEmpty)
        #expect(known == [Self.two: .init(ejectedBy: 0, of: 1)])
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func `the sums agree with a recount under random reports`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var views = SidecarViews()
        var model: [NodeID: (ejected: Set<EndpointAddress>, seen: Set<EndpointAddress>)] = [:]
        for _ in 0..<500 {
            let node = NodeID("n\(Int.random(in: 0..<6, using: &random))")
            if Int.random(in: 0..<5, using: &random) == 0 {
                _ = views.left(node)
                model[node] = nil
            } else {
                let seen = Self.all.filter { _ in Bool.random(using: &random) }
                let ejected = seen.filter { _ in Bool.random(using: &random) }
                _ = views.reported(node, ejected: Set(ejected), of: Set(seen))
                model[node] = (Set(ejected), Set(seen))
            }
            for endpoint in Self.all {
                let counted = model.values.filter {
                    $0.seen.contains(endpoint) && !($0.ejected == $0.seen)
                }
                let expected = SidecarViews.Count(
                    ejectedBy: counted.count { $0.ejected.contains(endpoint) },
                    of: counted.count
                )
                #expect(views.count(of: endpoint) == expected, "seed \(seed)")
            }
        }
    }

    // MARK: Probes

    @Test func `probes that fail three times take a worker out, and one answer brings it back`() {
        var machine = probing()
        _ = machine.grant(stream: 1)
        let failures = (1...4).map { _ in machine.probed("w1", epoch: 1, isServing: false) }
        let back = machine.probed("w1", epoch: 1, isServing: true)
        let out: [Instruction] = [.publish(MemberEndpoint(.sample(), health: .notServing))]
        #expect(failures == [[], [], out, []])
        #expect(back == [.publish(MemberEndpoint(.sample(), health: .serving))])
    }

    @Test func `answers and failures in turn are no verdict against a worker`() {
        var machine = probing()
        _ = machine.grant(stream: 1)
        let all = (1...10).flatMap { machine.probed("w1", epoch: 1, isServing: $0 % 3 == 0) }
        #expect(all.isEmpty)
    }

    @Test func `probes of an older epoch or of a service that is not probed are ignored`() {
        var machine = probing()
        _ = machine.grant(stream: 1)
        _ = machine.grant(stream: 2)
        _ = machine.grant(.sample("w2", port: 2).with { $0.service = "billing" }, stream: 3)
        let old = (1...5).flatMap { _ in machine.probed("w1", epoch: 1, isServing: false) }
        let unprobed = (1...5).flatMap { _ in machine.probed("w2", epoch: 3, isServing: false) }
        #expect(old.isEmpty)
        #expect(unprobed.isEmpty)
    }

    @Test func `a region whose probes all fail is not believed`() {
        var machine = probing()
        for number in 1...10 as ClosedRange<UInt64> {
            _ = machine.grant(.sample("w\(number)", port: UInt32(number)), stream: StreamID(number))
            _ = machine.probed("w\(number)".workerID, epoch: Epoch(number), isServing: true)
        }
        var published: [Instruction] = []
        for _ in 1...5 {
            for number in 1...10 as ClosedRange<UInt64> {
                published += machine.probed(
                    "w\(number)".workerID,
                    epoch: Epoch(number),
                    isServing: false
                )
            }
        }
        #expect(published.isEmpty)
        #expect(machine.workers(now: .seconds(0)).allSatisfy { $0.probe.verdict == .doubted })
    }

    @Test func `probes that are turned off leave no verdict behind`() {
        var machine = probing()
        _ = machine.grant(stream: 1)
        for _ in 1...3 { _ = machine.probed("w1", epoch: 1, isServing: false) }
        machine.directoryChanged(to: .sample)
        let ended = machine.probesEnded()
        #expect(ended == [.publish(MemberEndpoint(.sample(), health: .serving))])
    }

    private static let one = EndpointAddress(host: "10.0.0.1", port: 1)
    private static let two = EndpointAddress(host: "10.0.0.1", port: 2)
    private static let three = EndpointAddress(host: "10.0.0.1", port: 3)
    private static let all = [one, two, three]

    private func probing() -> MembershipMachine {
        var directory = MeshDirectory.sample
        directory.probes = ["reports": ProbePolicy()]
        return MembershipMachine(directory: directory, limits: MembershipLimits())
    }
}

extension String {
    fileprivate var workerID: WorkerID { WorkerID(self) }
}

@Suite struct RegistrationRateTests {
    @Test func `a burst passes at once, and then one for each interval`() {
        var rate = RegistrationRate<Int>(.init(burst: 3, perSecond: 10), maximumKeys: 10)
        let burst = (1...4).map { _ in rate.allows(1, now: .seconds(0)) }
        let early = rate.allows(1, now: .seconds(0.099))
        let due = rate.allows(1, now: .seconds(0.1))
        let again = rate.allows(1, now: .seconds(0.1))
        #expect(burst == [true, true, true, false])
        #expect(!early)
        #expect(due)
        #expect(!again)
    }

    @Test func `one key's rate is not another's`() {
        var rate = RegistrationRate<Int>(.init(burst: 1, perSecond: 1), maximumKeys: 10)
        let answers = [
            rate.allows(1, now: .seconds(0)), rate.allows(1, now: .seconds(0)),
            rate.allows(2, now: .seconds(0)),
        ]
        #expect(answers == [true, false, true])
    }

    @Test func `keys that have been quiet make room, and busy ones do not`() {
        var rate = RegistrationRate<Int>(.init(burst: 1, perSecond: 1), maximumKeys: 2)
        _ = rate.allows(1, now: .seconds(0))
        _ = rate.allows(2, now: .seconds(0.5))
        let full = rate.allows(3, now: .seconds(0.9))
        let room = rate.allows(3, now: .seconds(1))
        #expect(!full)
        #expect(room)
        #expect(rate.count == 2)
    }
}
