import Primitives
import Quarantine
import Testing
import XDSCore

/// Changes by operators, answers out of turn, and proxies that can't make up their mind.
@Suite struct TrialTests {
    private static let old = Composition([part("a", 1), part("b", 1), part("c", 1)])

    @Test func `an object that changes is tried again`() {
        let wanted = Self.old.adding([part("c", 2)])
        var proxy = FakeProxy(wanted: wanted, accepted: Self.old, refusing: [part("c", 2)])
        _ = proxy.run()
        let kept = proxy.trial.culprits
        proxy.trial.wantedChanged(to: Self.old.adding([part("c", 3)]))
        let tried = proxy.trial.composition["service c"]
        _ = proxy.run()
        #expect(kept.map(\.part) == [part("c", 2)])
        #expect(tried == part("c", 3))
        #expect(proxy.trial.isIdle)
        #expect(proxy.accepted?["service c"] == part("c", 3))
    }

    @Test func `a culprit stays out while others change`() {
        let wanted = Self.old.adding([part("c", 2)])
        var proxy = FakeProxy(wanted: wanted, accepted: Self.old, refusing: [part("c", 2)])
        _ = proxy.run()
        let answers = proxy.answers
        proxy.trial.wantedChanged(to: wanted.adding([part("a", 3)]))
        _ = proxy.run()
        #expect(proxy.answers == answers + 1)
        #expect(proxy.accepted == Self.old.adding([part("a", 3)]))
        #expect(proxy.trial.culprits.map(\.part) == [part("c", 2)])
    }

    @Test func `an object that goes takes its verdict along`() {
        let wanted = Self.old.adding([part("c", 2)])
        var proxy = FakeProxy(wanted: wanted, accepted: Self.old, refusing: [part("c", 2)])
        _ = proxy.run()
        proxy.trial.wantedChanged(to: Composition([part("a", 1), part("b", 1)]))
        #expect(proxy.trial.isIdle)
    }

    @Test func `a single suspect needs no probe`() {
        let wanted = Self.old.adding([part("c", 2)])
        var trial = AggregateTrial(wanted: wanted)
        let found = trial.refused(wanted, acceptedBefore: Self.old, text: "bad")
        #expect(found.map(\.part) == [part("c", 2)])
        #expect(found.map(\.text) == ["bad"])
        #expect(trial.composition == Self.old)
        #expect(trial.probeCount == 0)
    }

    @Test func `an answer to what was sent before the last decision changes nothing`() {
        let wanted = Self.old.adding([part("b", 2), part("c", 2)])
        var trial = AggregateTrial(wanted: wanted)
        _ = trial.refused(wanted, acceptedBefore: Self.old, text: "bad")
        let probe = trial.composition
        let again = trial.refused(wanted, acceptedBefore: nil, text: "bad")
        _ = trial.accepted(Self.old)
        #expect(again.isEmpty)
        #expect(trial.composition == probe)
        #expect(trial.state == .searching)
    }

    @Test func `a proxy that answers at random comes to rest, and is asked again after a change`() {
        for seed in 0..<200 {
            var random = SeededRandom(seed: UInt64(seed))
            let limits = QuarantineLimits(maximumProbesPerChange: 40)
            let parts = (0..<12).map { part("s\($0)", UInt64($0)) }
            let wanted = Composition(parts)
            var trial = AggregateTrial(wanted: wanted, limits: limits)
            var accepted: Composition?
            // It keeps refusing what it had accepted, so every decision comes into doubt.
            for _ in 0..<500 {
                let sent = trial.composition
                if Bool.random(using: &random) {
                    _ = trial.refused(sent, acceptedBefore: accepted, text: "no")
                } else {
                    accepted = sent
                    _ = trial.accepted(sent)
                }
            }
            let probes = trial.probeCount
            let state = trial.state
            let resting = trial.composition
            _ = trial.refused(resting, acceptedBefore: accepted, text: "no")
            #expect(probes <= 40, "seed \(seed)")
            #expect(state == .resting, "seed \(seed)")
            #expect(trial.composition == resting, "seed \(seed)")
            trial.wantedChanged(to: wanted.adding([part("s3", 99)]))
            #expect(trial.state != .resting, "seed \(seed)")
            #expect(trial.probeCount == 0, "seed \(seed)")
        }
    }

    @Test(arguments: 0...3)
    func `a proxy may change its mind so often and no more`(limit: Int) {
        let wanted = Composition((0..<12).map { part("s\($0)", UInt64($0)) })
        let limits = QuarantineLimits(maximumRestartsPerChange: limit)
        var trial = AggregateTrial(wanted: wanted, limits: limits)
        _ = trial.refused(wanted, acceptedBefore: nil, text: "no")
        var changesOfMind = 0
        // It accepts whatever it is asked about, and refuses what that has come to.
        for _ in 0..<100 where trial.state != .resting {
            if trial.state == .searching {
                _ = trial.accepted(trial.composition)
            } else {
                changesOfMind += 1
                _ = trial.refused(trial.composition, acceptedBefore: nil, text: "no")
            }
        }
        #expect(trial.state == .resting)
        #expect(changesOfMind == limit + 1)
    }

    @Test func `probes have an end, and what was accepted by then stays`() {
        let old = Composition((0..<64).map { part("s\($0)", 1) })
        let changed = (0..<64).map { part("s\($0)", UInt64(10 + $0)) }
        let spoiled = Set(changed.filter { $0.revision % 2 == 1 })
        var proxy = FakeProxy(
            wanted: Composition(changed),
            accepted: old,
            limits: QuarantineLimits(maximumProbesPerChange: 20)
        ) { $0.parts.contains(where: spoiled.contains) ? "no" : nil }
        let hasEnded = proxy.run()
        #expect(hasEnded)
        #expect(proxy.trial.probeCount == 20)
        #expect(proxy.trial.state == .resting)
        #expect(proxy.trial.composition == proxy.accepted)
        #expect(!proxy.trial.suspects.isEmpty)
        #expect(proxy.accepted?.count == 64)
    }

    @Test(arguments: 1...4)
    func `changes that arrive in any order, answered at once or late, end the same`(count: Int) {
        let letters = ["a", "b", "c", "d"].prefix(count)
        let old = Composition(letters.map { part($0, 1) })
        for order in Self.permutations(of: Array(letters.indices)) {
            // After which of the changes the proxy's answers come in; those to all others come
            // last.
            for answered in 0..<(1 << count) {
                for mask in 0..<(1 << count) {
                    let changed = letters.indices.map { part(letters[$0], UInt64(10 + $0)) }
                    let spoiled = Set(
                        changed.indices.filter { mask & (1 << $0) != 0 }.map { changed[$0] }
                    )
                    var wanted = old
                    var proxy = FakeProxy(wanted: old, accepted: old, refusing: spoiled)
                    for (step, index) in order.enumerated() {
                        wanted = wanted.adding([changed[index]])
                        proxy.trial.wantedChanged(to: wanted)
                        if answered & (1 << step) != 0 {
                            proxy.answer(proxy.trial.composition)
                        }
                    }
                    let hasEnded = proxy.run()
                    #expect(hasEnded)
                    #expect(Set(proxy.trial.culprits.map(\.part)) == spoiled)
                    let expected = Composition(
                        changed.map {
                            spoiled.contains($0) ? part(letters[Int($0.revision) - 10], 1) : $0
                        }
                    )
                    #expect(proxy.accepted == expected)
                }
            }
        }
    }

    @Test(arguments: 0..<300)
    func `whatever operators do, the culprits and no others are kept out`(seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        var parts = (0..<8).map { part("s\($0)", 0) }
        var spoiled: Set<ObjectPart> = []
        var proxy = FakeProxy(
            wanted: Composition(parts),
            accepted: Composition(parts),
            refusing: []
        )
        var revision: UInt64 = 0
        for _ in 0..<30 {
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                revision += 1
                let index = Int.random(in: 0..<12, using: &random)
                parts.removeAll { $0.object == "service s\(index)" }
                guard Int.random(in: 0..<5, using: &random) > 0 else { continue }
                let next = part("s\(index)", revision)
                parts.append(next)
                if Int.random(in: 0..<3, using: &random) == 0 { spoiled.insert(next) }
            }
            let bad = spoiled
            proxy.complaint = { $0.parts.contains(where: bad.contains) ? "no" : nil }
            proxy.trial.wantedChanged(to: Composition(parts))
            // Sometimes operators are faster than the proxy.
            if Bool.random(using: &random) {
                for _ in 0..<Int.random(in: 0...3, using: &random) {
                    proxy.answer(proxy.trial.composition)
                }
                continue
            }
            let hasEnded = proxy.run()
            #expect(hasEnded)
            let expected = Set(parts.filter(spoiled.contains))
            #expect(Set(proxy.trial.culprits.map(\.part)) == expected)
            let good = parts.filter { !spoiled.contains($0) }
            #expect(good.allSatisfy { proxy.accepted?[$0.object] == $0 })
            #expect(proxy.trial.suspects.isEmpty)
        }
    }

    private static func permutations(of items: [Int]) -> [[Int]] {
        guard let first = items.first else { return [[]] }
        return permutations(of: Array(items.dropFirst())).flatMap { rest in
            (0...rest.count).map { Array(rest[..<$0]) + [first] + Array(rest[$0...]) }
        }
    }
}
