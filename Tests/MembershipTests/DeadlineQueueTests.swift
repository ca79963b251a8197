import Primitives
import Testing

@testable import Membership

@Suite struct DeadlineQueueTests {
    @Test(arguments: [1, 2, 3, 4, 5] as [UInt64])
    func `the queue agrees with a sorted list under random changes`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var queue = DeadlineQueue()
        var model: [Int: Int64] = [:]
        for _ in 0..<2_000 {
            let slot = Int.random(in: 0..<40, using: &random)
            if model[slot] != nil, Bool.random(using: &random) {
                queue.remove(slot)
                model[slot] = nil
            } else {
                let deadline = Int64.random(in: 0..<100, using: &random)
                queue.set(slot, to: MonotonicInstant(nanoseconds: deadline))
                model[slot] = deadline
            }
            let first = queue.first
            #expect(first?.deadline.nanoseconds == model.values.min(), "seed \(seed)")
            #expect(first.map { model[$0.slot] } == first?.deadline.nanoseconds, "seed \(seed)")
        }
    }
}
