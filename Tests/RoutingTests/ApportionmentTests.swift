import Primitives
import Testing

@testable import Routing

@Suite struct ApportionmentTests {
    @Test func `parts are in proportion and add up`() {
        #expect(Apportionment.divide(8_000, by: [300, 100]) == [6_000, 2_000])
        #expect(Apportionment.divide(100, by: [1, 1, 1]) == [34, 33, 33])
        #expect(Apportionment.divide(10, by: [5, 3, 1]) == [6, 3, 1])
    }

    @Test func `every part gets one, at the cost of the largest`() {
        #expect(Apportionment.divide(3, by: [1_000, 1, 1]) == [1, 1, 1])
        #expect(Apportionment.divide(10, by: [1_000, 1, 1]) == [8, 1, 1])
        #expect(Apportionment.divide(100, by: [1_000_000, 1_000_000, 1]) == [50, 49, 1])
    }

    @Test func `any division adds up and is within one of the exact part`() {
        for seed in 0..<500 as Range<UInt64> {
            var random = SeededRandom(seed: seed)
            let sizes = (0..<Int.random(in: 1...20, using: &random)).map { _ in
                Int.random(in: 1...1_000, using: &random)
            }
            let units = Int.random(in: 20...20_000, using: &random)
            let parts = Apportionment.divide(units, by: sizes)
            #expect(parts.reduce(0, +) == units, "seed \(seed)")
            #expect(parts.allSatisfy { $0 >= 1 }, "seed \(seed)")
            let exact = sizes.map { Double(units) * Double($0) / Double(sizes.reduce(0, +)) }
            let raised = exact.count { $0 < 1 }
            for (part, exact) in zip(parts, exact) where exact >= 1 {
                #expect(abs(Double(part) - exact) <= 1 + Double(raised), "seed \(seed)")
            }
        }
    }
}
