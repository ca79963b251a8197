import CAllocationCounter
import ChannelPolicy
import Primitives
import Testing

struct PickAllocationTests {
    @Test(
        .enabled(if: allocation_counting_works()),
        arguments: [
            LoadBalancingPolicy.standard, .roundRobin, .leastRequest(choiceCount: 2),
            .weightedRoundRobin(WeightedRoundRobinConfiguration()),
        ]
    )
    func `a pick allocates nothing`(policy: LoadBalancingPolicy) {
        var balancer = Balancer(policy)
        _ = balancer.addresses([0, 1, 2])
        for id in 0...2 {
            balancer.change(id, .ready)
            balancer.reports(id, LoadReport(requestsPerSecond: Double(id + 1), cpuUtilization: 1))
        }
        balancer.now += .seconds(20)
        balancer.timer()
        let inFlight = [3, 1, 2]
        _ = balancer.pick { inFlight[$0] }
        let before = allocation_count_of_this_thread()
        var picked = 0
        for _ in 0..<1_000 {
            if case .subchannel = balancer.pick(inFlight: { inFlight[$0] }) { picked += 1 }
        }
        let allocations = allocation_count_of_this_thread() - before
        #expect(picked == 1_000)
        #expect(allocations == 0)
    }

    @Test(.enabled(if: allocation_counting_works()))
    func `the settings of a method are found without an allocation`() throws {
        let config = ServiceConfig(methods: [
            MethodConfig(names: [.init(service: "a.Reports", method: "Get")]),
            MethodConfig(names: [.init(service: "a.Others")], timeout: .seconds(1)),
        ])
        let paths = ["/a.Reports/Get", "/a.Others/Long-enough-to-be-no-small-string", "/none"]
        _ = paths.map { config.method(forPath: $0) }
        let before = allocation_count_of_this_thread()
        var found = 0
        for index in 0..<999 where config.method(forPath: paths[index % 3]) != nil { found += 1 }
        let allocations = allocation_count_of_this_thread() - before
        #expect(found == 666)
        #expect(allocations == 0)
    }

    @Test(.enabled(if: allocation_counting_works()))
    func `a call that succeeds costs the machines no allocation`() {
        var breaker = CircuitBreaker(CircuitBreaker.Configuration())
        var allowance = RetryAllowance(throttling: nil, budget: RetryBudget.Configuration())
        var random = SeededRandom(seed: 1)
        let policy = RetryPolicy(
            maximumAttempts: 3,
            backoff: .connection,
            retryableStatusCodes: [.unavailable]
        )
        var succeeded = 0
        let before = allocation_count_of_this_thread()
        for _ in 0..<1_000 {
            guard case .allow(let permit) = breaker.callStarting(now: .zero) else { break }
            var machine = RetryMachine(policy: policy)
            machine.callStarted(&allowance)
            let end = machine.attemptEnded(
                AttemptEnd(status: .ok),
                allowance: &allowance,
                now: .zero,
                using: &random
            )
            machine.callEnded(&allowance)
            breaker.callEnded(permit, status: .ok, now: .zero, using: &random)
            if end == .finish(.succeeded) { succeeded += 1 }
        }
        let allocations = allocation_count_of_this_thread() - before
        #expect(succeeded == 1_000)
        #expect(allocations == 0)
    }
}
