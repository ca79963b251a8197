import ChannelPolicy
import Primitives
import Testing

@Suite struct SpreadBalancerTests {
    private static func balancer(
        ready list: [Int],
        of policy: LoadBalancingPolicy = .roundRobin
    )
        -> Balancer
    {
        var balancer = Balancer(policy)
        _ = balancer.addresses(list)
        for id in list { balancer.change(id, .ready) }
        return balancer
    }

    @Test(arguments: [
        LoadBalancingPolicy.roundRobin, .leastRequest(choiceCount: 2),
        .weightedRoundRobin(WeightedRoundRobinConfiguration()),
    ])
    func `all addresses are connected at once`(policy: LoadBalancingPolicy) {
        var balancer = Balancer(policy)
        let update = balancer.addresses([3, 1, 2, 1])
        #expect(update.connecting == [3, 1, 2])
        #expect(update.state == .connecting)
        #expect(balancer.pick() == .queue)
    }

    @Test func `one ready subchannel makes the channel ready`() {
        var balancer = Balancer(.roundRobin)
        _ = balancer.addresses([1, 2, 3])
        balancer.change(1, failed(1))
        let update = balancer.change(2, .ready)
        #expect(update.state == .ready)
        #expect(balancer.pick() == .subchannel(SubchannelID(2)))
    }

    @Test func `the channel connects while one of them does`() {
        var balancer = Balancer(.roundRobin)
        _ = balancer.addresses([1, 2])
        let update = balancer.change(1, failed(1))
        #expect(update.state == .connecting && update.resolveAgain)
    }

    @Test func `the channel fails when all failed, with the last failure of the list`() {
        var balancer = Balancer(.roundRobin)
        _ = balancer.addresses([1, 2])
        balancer.change(2, failed(2))
        let update = balancer.change(1, failed(1))
        #expect(update.state == failed(2))
        #expect(balancer.pick() == .fail(ChannelFailure("subchannel 2 refused")))
    }

    @Test func `a failed subchannel counts as failed until it is ready`() {
        var balancer = Balancer(.roundRobin)
        _ = balancer.addresses([1, 2])
        balancer.change(1, failed(1))
        balancer.change(2, failed(2))
        let idle = balancer.change(1, .idle)
        let connecting = balancer.change(1, .connecting)
        let listed = balancer.addresses([1, 2], [1: .connecting, 2: failed(2)])
        #expect([idle.state, connecting.state, listed.state] == [failed(2), failed(2), failed(2)])
        #expect(idle.connecting == [1])
        #expect(balancer.change(1, .ready).state == .ready)
    }

    @Test func `a subchannel that becomes idle connects again`() {
        var balancer = Self.balancer(ready: [1])
        let update = balancer.change(1, .idle)
        #expect(update.connecting == [1] && update.state == .connecting && update.resolveAgain)
    }

    @Test func `a name without addresses fails calls`() {
        var balancer = Self.balancer(ready: [1])
        let update = balancer.addresses([])
        #expect(update.resolveAgain)
        #expect(balancer.pick() == .fail(ChannelFailure("the name has no addresses")))
    }

    @Test func `before the first list calls wait`() {
        var balancer = Balancer(.roundRobin)
        #expect(balancer.queued() == BalancerUpdate(state: .connecting))
        #expect(balancer.pick() == .queue)
    }

    @Test func `a picker is published only when it changes`() {
        var balancer = Self.balancer(ready: [1, 2])
        let same = balancer.addresses([1, 2], [1: .ready, 2: .ready])
        let other = balancer.addresses([2, 1], [1: .ready, 2: .ready])
        #expect(same.picker == nil && other.picker != nil)
    }

    @Test func `news of a subchannel that is gone changes nothing`() {
        var balancer = Self.balancer(ready: [1, 2])
        let update = balancer.change(9, .idle)
        #expect(update == BalancerUpdate(state: .ready))
    }

    @Test func `turns are exactly fair in every run of whole rounds`() {
        var balancer = Self.balancer(ready: [1, 2, 3])
        let picks = (0..<300).map { _ in balancer.pick() }
        for start in 0...297 {
            let round = Set(picks[start..<start + 3])
            #expect(round.count == 3)
        }
    }

    @Test(arguments: 1...20)
    func `turns stay fair while the ready subchannels change`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var balancer = Self.balancer(ready: Array(1...6))
        var ready = Set(1...6)
        for _ in 0..<200 {
            let id = Int.random(in: 1...6, using: &random)
            if ready.contains(id), ready.count > 1 {
                ready.remove(id)
                balancer.change(id, failed(id))
            } else {
                ready.insert(id)
                balancer.change(id, .ready)
            }
            let calls = Int.random(in: 1...40, using: &random)
            var counts: [Int: Int] = [:]
            for _ in 0..<calls {
                guard case .subchannel(let picked) = balancer.pick() else {
                    Issue.record("no pick with seed \(seed)")
                    return
                }
                counts[picked.rawValue, default: 0] += 1
            }
            // Within one ready set nobody gets two turns more than another.
            let all = ready.map { counts[$0] ?? 0 }
            #expect((all.max() ?? 0) - (all.min() ?? 0) <= 1, "seed \(seed)")
            #expect(all.reduce(0, +) == calls, "seed \(seed)")
        }
    }

    @Test(arguments: 1...5)
    func `turns of different channels start anywhere`(seed: UInt64) {
        let starts = Set(
            (0..<100).map { (offset: UInt64) in
                var state = PickState(seed: seed * 1_000 + offset)
                var balancer = Self.balancer(ready: Array(1...10))
                _ = balancer.pick()
                return balancer.picker.pick(using: &state) { _ in 0 }
            }
        )
        #expect(starts.count == 10)
    }

    // MARK: - Least request

    @Test func `of two subchannels the less loaded one is taken always`() {
        var balancer = Self.balancer(ready: [1, 2], of: .leastRequest(choiceCount: 2))
        let picks = Set((0..<200).map { _ in balancer.pick { $0 == 1 ? 7 : 6 } })
        #expect(picks == [.subchannel(SubchannelID(2))])
    }

    @Test func `equal loads are spread evenly`() {
        var balancer = Self.balancer(ready: [1, 2, 3, 4], of: .leastRequest(choiceCount: 3))
        var counts: [PickResult: Int] = [:]
        for _ in 0..<8_000 { counts[balancer.pick { _ in 3 }, default: 0] += 1 }
        #expect(counts.count == 4)
        #expect(counts.values.allSatisfy { (1_800...2_200).contains($0) })
    }

    @Test(arguments: 1...10)
    func `two choices keep the calls in flight close together`(seed: UInt64) {
        // Calls come faster than they end in a random order; one choice would spread by dozens.
        var balancer = Self.balancer(ready: Array(0..<20), of: .leastRequest(choiceCount: 2))
        balancer.picks = PickState(seed: seed)
        var random = SeededRandom(seed: seed)
        var inFlight = Array(repeating: 0, count: 20)
        var running: [Int] = []
        var widest = 0
        for step in 0..<20_000 {
            guard case .subchannel(let id) = balancer.pick(inFlight: { inFlight[$0] }) else {
                Issue.record("no pick with seed \(seed)")
                return
            }
            inFlight[id.rawValue] += 1
            running.append(id.rawValue)
            if running.count > 1_000 {
                running.swapAt(Int.random(in: 0..<running.count, using: &random), running.count - 1)
                inFlight[running.removeLast()] -= 1
            }
            if step > 2_000 {
                widest = max(widest, (inFlight.max() ?? 0) - (inFlight.min() ?? 0))
            }
        }
        #expect(widest <= 20, "seed \(seed)")
    }
}
