import CAllocationCounter
import Membership
import Testing

struct HeartbeatAllocationTests {
    @Test(.enabled(if: allocation_counting_works()))
    func `a heartbeat that only renews allocates nothing`() {
        var machine = machine()
        let grant = machine.grant(stream: 1)
        func renew(_ times: Int, from start: Int) -> Int {
            var renewed = 0
            for index in start..<start + times {
                let outcome = machine.heartbeat(
                    stream: 1,
                    epoch: grant.epoch,
                    load: WorkerLoad(inFlight: UInt32(index % 64), requests: UInt64(index)),
                    isServing: true,
                    now: MonotonicInstant(nanoseconds: Int64(index) * 1_000_000)
                )
                if outcome == .renewed { renewed += 1 }
            }
            return renewed
        }
        // The deadline queue grows to its size.
        _ = renew(1_000, from: 0)
        let before = allocation_count_of_this_thread()
        let renewed = renew(2_000, from: 1_000)
        let allocations = allocation_count_of_this_thread() - before
        #expect(renewed == 2_000)
        #expect(allocations == 0)
    }
}
