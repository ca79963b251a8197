import Primitives
import Quarantine
import Testing
import XDSCore

/// That the culprits are found: all of them, nobody else, and soon.
@Suite struct SearchTests {
    private static let letters = ["a", "b", "c", "d", "e", "f"]

    private static func subsets(of count: Int) -> [Set<Int>] {
        (0..<(1 << count)).map { mask in Set((0..<count).filter { mask & (1 << $0) != 0 }) }
    }

    @Test(arguments: 1...6)
    func `any subset of changed parts is found, and all others go on`(count: Int) {
        let old = Composition(Self.letters.prefix(count).map { part($0, 1) })
        let changed = Self.letters.prefix(count).enumerated().map {
            part($1, UInt64(10 + $0))
        }
        for indices in Self.subsets(of: count) {
            let spoiled = Set(indices.map { changed[$0] })
            var proxy = FakeProxy(wanted: Composition(changed), accepted: old, refusing: spoiled)
            let hasEnded = proxy.run()
            #expect(hasEnded)
            #expect(Set(proxy.found.map(\.part)) == spoiled)
            #expect(proxy.found.allSatisfy { $0.standIn == old[$0.part.object] })
            let expected = Composition(
                changed.map { spoiled.contains($0) ? old[$0.object] ?? $0 : $0 }
            )
            #expect(proxy.accepted == expected)
            #expect(proxy.trial.composition == expected)
            #expect(proxy.trial.isIdle == spoiled.isEmpty)
            #expect(proxy.trial.probeCount <= spoiled.count * (halvings(count) + 1))
            // At no time did the proxy lose one of the objects.
            #expect(proxy.history.allSatisfy { $0.count == count })
        }
    }

    @Test(arguments: 1...6, [true, false])
    func `any subset of parts is found on a proxy of which nothing is known`(
        count: Int,
        hasSomething: Bool
    ) {
        let parts = Self.letters.prefix(count).enumerated().map { part($1, UInt64(10 + $0)) }
        let old = Composition(Self.letters.prefix(count).map { part($0, 1) })
        for indices in Self.subsets(of: count) {
            let spoiled = Set(indices.map { parts[$0] })
            var proxy = FakeProxy(
                wanted: Composition(parts),
                accepted: hasSomething ? old : nil,
                knowsAccepted: false,
                refusing: spoiled
            )
            let hasEnded = proxy.run()
            #expect(hasEnded)
            guard spoiled.count < count || count < 3 else {
                // It accepts the aggregate without any of them, so it was each.
                #expect(proxy.trial.state == .settled)
                #expect(Set(proxy.found.map(\.part)) == spoiled)
                continue
            }
            #expect(Set(proxy.found.map(\.part)) == spoiled, "\(indices)")
            #expect(proxy.found.allSatisfy { $0.standIn == nil })
            #expect(proxy.trial.composition == Composition(parts.filter { !spoiled.contains($0) }))
            let bound = spoiled.count * (halvings(count) + 1) + halvings(count) + 2
            #expect(proxy.trial.probeCount <= bound, "\(indices)")
        }
    }

    @Test func `a right hint finds the culprit with one probe`() {
        let old = Composition((0..<64).map { part("s\($0)", 1) })
        let changed = (0..<64).map { part("s\($0)", UInt64(10 + $0)) }
        for culprit in changed {
            var proxy = FakeProxy(wanted: Composition(changed), accepted: old, refusing: [culprit])
            proxy.isHinted = { $0 == culprit }
            _ = proxy.run()
            #expect(proxy.found.map(\.part) == [culprit])
            #expect(proxy.trial.probeCount == 1)
        }
    }

    @Test func `a wrong hint costs one probe`() {
        let old = Composition((0..<64).map { part("s\($0)", 1) })
        let changed = (0..<64).map { part("s\($0)", UInt64(10 + $0)) }
        for (culprit, other) in zip(changed, changed.dropFirst()) {
            var proxy = FakeProxy(wanted: Composition(changed), accepted: old, refusing: [culprit])
            proxy.isHinted = { $0 == other }
            _ = proxy.run()
            #expect(proxy.found.map(\.part) == [culprit])
            #expect(proxy.trial.probeCount <= 6 + 1 + 1)
        }
    }

    @Test func `of two parts that fail only together the later one is found`() {
        let old = Composition(Self.letters.map { part($0, 1) })
        let changed = Self.letters.enumerated().map { part($1, UInt64(10 + $0)) }
        for (first, second) in changed.indices.flatMap({ first in
            changed.indices.filter { $0 > first }.map { (first, $0) }
        }) {
            var proxy = FakeProxy(wanted: Composition(changed), accepted: old) { composition in
                let hasBoth = [first, second].allSatisfy {
                    composition[changed[$0].object] == changed[$0]
                }
                return hasBoth ? "no two of these" : nil
            }
            _ = proxy.run()
            #expect(proxy.found.map(\.part) == [changed[second]])
            #expect(proxy.accepted?[changed[first].object] == changed[first])
        }
    }

    @Test func `what is accepted without known suspects is not touched`() {
        // The objects were accepted before, and only what else is in the mesh has gone.
        let old = Composition([part("a", 1), part("b", 1), part("gone", 1)])
        let wanted = Composition([part("a", 1), part("b", 1)])
        var proxy = FakeProxy(wanted: wanted, accepted: old, refusing: [part("b", 1)])
        _ = proxy.run()
        #expect(proxy.found.map(\.part) == [part("b", 1)])
        #expect(names(proxy.accepted?.parts ?? []) == ["a"])
    }

    @Test func `a culprit among what was accepted before is found after the changes`() {
        // With the removal of another object, one that did not change is refused.
        let old = Composition([part("a", 1), part("b", 2), part("gone", 1)])
        let wanted = Composition([part("a", 1), part("b", 2), part("c", 3), part("d", 4)])
        var proxy = FakeProxy(wanted: wanted, accepted: old) { composition in
            let isAlone = composition["service gone"] == nil && composition["service b"] != nil
            return isAlone ? "b needs gone" : nil
        }
        let hasEnded = proxy.run()
        #expect(hasEnded)
        #expect(names(proxy.found.map(\.part)) == ["b"])
        #expect(names(proxy.accepted?.parts ?? []) == ["a", "c", "d"])
    }

    @Test func `an aggregate that is refused without any part has no culprit`() {
        let wanted = Composition(Self.letters.enumerated().map { part($1, UInt64($0)) })
        var proxy = FakeProxy(wanted: wanted, accepted: nil) { _ in "never" }
        let hasEnded = proxy.run()
        #expect(hasEnded)
        #expect(proxy.trial.state == .resting)
        #expect(proxy.trial.culprits.isEmpty)
        // Nothing is better than what operators want, and it is not asked about for ever.
        #expect(proxy.trial.composition == wanted)
        #expect(!proxy.trial.isIdle)
        #expect(proxy.trial.probeCount <= 3 * (halvings(6) + 2))
    }

    @Test(arguments: [10, 100, 1_000])
    func `few culprits among many parts cost few probes`(count: Int) {
        var random = SeededRandom(seed: UInt64(count))
        let old = Composition((0..<count).map { part("s\($0)", 1) })
        for round in 0..<20 {
            let changed = (0..<count).map { part("s\($0)", UInt64(10 + $0)) }
            let spoiled = Set(
                (0..<(1 + round % 5)).map { _ in changed[Int.random(in: 0..<count, using: &random)]
                }
            )
            for isKnown in [true, false] {
                var proxy = FakeProxy(
                    wanted: Composition(changed),
                    accepted: old,
                    knowsAccepted: isKnown,
                    refusing: spoiled
                )
                let hasEnded = proxy.run()
                #expect(hasEnded)
                #expect(Set(proxy.found.map(\.part)) == spoiled)
                let more = isKnown ? 0 : halvings(count) + 2
                #expect(
                    proxy.trial.probeCount <= spoiled.count * (halvings(count) + 1) + more
                )
            }
        }
    }
}
