import ChannelPolicy
import Primitives
import Testing

@Suite struct WeightedRoundRobinTests {
    private static func configuration(blackout: Duration = .zero) -> WeightedRoundRobinConfiguration
    {
        var configuration = WeightedRoundRobinConfiguration()
        configuration.blackoutPeriod = blackout
        return configuration
    }

    /// A balancer whose subchannels 0, 1, … are ready and have reported these weights.
    private static func balancer(weights: [Double], seed: UInt64 = 1) -> Balancer {
        var balancer = Balancer(.weightedRoundRobin(configuration()))
        balancer.picks = PickState(seed: seed)
        _ = balancer.addresses(Array(weights.indices))
        for id in weights.indices { balancer.change(id, .ready) }
        for (id, weight) in weights.enumerated() where weight != 0 {
            balancer.reports(id, LoadReport(requestsPerSecond: weight, cpuUtilization: 1))
        }
        balancer.now += .seconds(1)
        balancer.timer()
        return balancer
    }

    /// The share of each subchannel in many picks.
    private static func shares(_ balancer: inout Balancer, of count: Int) -> [Double] {
        let picks = 100_000
        var counts = Array(repeating: 0, count: count)
        for _ in 0..<picks {
            if case .subchannel(let id) = balancer.pick() { counts[id.rawValue] += 1 }
        }
        return counts.map { Double($0) / Double(picks) }
    }

    @Test(
        arguments: [[1, 2, 3], [1, 1], [10, 1, 5, 7, 7], [0.001, 0.002], [1e300, 5e299]],
        1...3
    )
    func `shares are the weights within one percent`(weights: [Double], seed: Int) {
        var balancer = Self.balancer(weights: weights, seed: UInt64(seed))
        let shares = Self.shares(&balancer, of: weights.count)
        let largest = weights.max() ?? 1
        let sum = weights.reduce(0) { $0 + $1 / largest }
        for (share, weight) in zip(shares, weights) {
            let expected = weight / largest / sum
            #expect(abs(share - expected) < 0.01 * expected, "\(shares), seed \(seed)")
        }
    }

    @Test func `a subchannel without a weight counts as the mean of the others`() {
        var balancer = Self.balancer(weights: [1, 0, 3])
        let shares = Self.shares(&balancer, of: 3)
        #expect(zip(shares, [1.0 / 6, 2.0 / 6, 3.0 / 6]).allSatisfy { abs($0 - $1) < 0.003 })
    }

    @Test(arguments: [[5, 0, 0], [0, 0, 0]])
    func `with fewer than two weights the turns are equal`(weights: [Double]) {
        var balancer = Self.balancer(weights: weights)
        let rounds = (0..<100).map { _ in Set((0..<3).map { _ in balancer.pick() }) }
        #expect(rounds.allSatisfy { $0.count == 3 })
    }

    @Test func `a wild weight is held to ten times the mean and a tiny one to a tenth`() {
        var weights = Array(repeating: 1.0, count: 100)
        weights[0] = 1_000_000
        var balancer = Self.balancer(weights: weights)
        let shares = Self.shares(&balancer, of: 100)
        // The others have a tenth of the mean, the wild one ten times the mean.
        #expect(abs(shares[0] - 10 / (10 + 99 * 0.1)) < 0.01)
        #expect(shares.allSatisfy { $0 > 0 })
    }

    @Test func `the weights of all policies' picks come from the same turn state`() {
        var balancer = Self.balancer(weights: [1, 3])
        var counts = [0, 0]
        for _ in 0..<40 {
            guard case .subchannel(let id) = balancer.pick() else { break }
            counts[id.rawValue] += 1
        }
        // As even as can be: in 40 picks no share is off by more than one or two turns.
        #expect(abs(counts[1] - 30) <= 2 && counts[0] + counts[1] == 40)
    }

    // MARK: - The weight of an endpoint (gRFC A58)

    private static func weight(
        _ report: LoadReport,
        penalty: Double = 1
    ) -> Double {
        var configuration = configuration()
        configuration.errorUtilizationPenalty = penalty
        var weight = EndpointWeight()
        weight.reported(report, configuration, now: .zero)
        return weight.weight(configuration, now: .zero)
    }

    @Test func `a weight is the rate over the utilization and the penalized errors`() {
        let report = LoadReport(requestsPerSecond: 100, errorsPerSecond: 10, cpuUtilization: 0.4)
        #expect(abs(Self.weight(report) - 200) < 1e-9)
        #expect(abs(Self.weight(report, penalty: 6) - 100) < 1e-9)
        #expect(abs(Self.weight(report, penalty: 0) - 250) < 1e-9)
    }

    @Test func `the utilization of the application counts before that of the processor`() {
        let report = LoadReport(
            requestsPerSecond: 100,
            applicationUtilization: 0.5,
            cpuUtilization: 0.25
        )
        #expect(Self.weight(report) == 200)
    }

    @Test(arguments: [
        LoadReport(requestsPerSecond: 0, cpuUtilization: 1),
        LoadReport(requestsPerSecond: 1, cpuUtilization: 0),
        LoadReport(requestsPerSecond: -1, cpuUtilization: 1),
        LoadReport(requestsPerSecond: 1, cpuUtilization: -1),
        LoadReport(requestsPerSecond: .nan, cpuUtilization: 1),
        LoadReport(requestsPerSecond: .infinity, cpuUtilization: 1),
        LoadReport(requestsPerSecond: 1, errorsPerSecond: .infinity, cpuUtilization: 1),
        LoadReport(requestsPerSecond: 1, cpuUtilization: .nan),
        LoadReport(requestsPerSecond: 1, cpuUtilization: .infinity),
        LoadReport(requestsPerSecond: 1e300, cpuUtilization: 1e-300),
    ])
    func `a report that makes no weight changes nothing`(report: LoadReport) {
        let configuration = Self.configuration()
        var weight = EndpointWeight()
        weight.reported(report, configuration, now: .zero)
        #expect(weight == EndpointWeight())
    }

    @Test func `a weight is used after the blackout period`() {
        let configuration = Self.configuration(blackout: .seconds(10))
        let report = LoadReport(requestsPerSecond: 8, cpuUtilization: 1)
        var weight = EndpointWeight()
        weight.reported(report, configuration, now: .seconds(5))
        weight.reported(report, configuration, now: .seconds(14))
        let during = weight.weight(configuration, now: .milliseconds(14_999))
        let after = weight.weight(configuration, now: .seconds(15))
        #expect(during == 0 && after == 8)
    }

    @Test func `a connection made again starts the blackout again`() {
        let configuration = Self.configuration(blackout: .seconds(10))
        let report = LoadReport(requestsPerSecond: 8, cpuUtilization: 1)
        var weight = EndpointWeight()
        weight.reported(report, configuration, now: .zero)
        weight.becameReady()
        weight.reported(report, configuration, now: .seconds(10))
        let during = weight.weight(configuration, now: .seconds(19))
        let after = weight.weight(configuration, now: .seconds(20))
        #expect(during == 0 && after == 8)
    }

    @Test func `a weight expires after the last report and the blackout starts again`() {
        let configuration = Self.configuration(blackout: .seconds(10))
        let report = LoadReport(requestsPerSecond: 8, cpuUtilization: 1)
        var weight = EndpointWeight()
        weight.reported(report, configuration, now: .zero)
        let last = weight.weight(configuration, now: .seconds(179))
        let expired = weight.weight(configuration, now: .seconds(180))
        weight.reported(report, configuration, now: .seconds(181))
        let fresh = weight.weight(configuration, now: .seconds(182))
        let again = weight.weight(configuration, now: .seconds(191))
        #expect([last, expired, fresh, again] == [8, 0, 0, 8])
    }

    // MARK: - The balancer

    @Test func `new weights come into the picker with the timer`() {
        var balancer = Balancer(.weightedRoundRobin(Self.configuration()))
        _ = balancer.addresses([0, 1])
        balancer.change(0, .ready)
        let ready = balancer.change(1, .ready)
        balancer.reports(0, LoadReport(requestsPerSecond: 1, cpuUtilization: 1))
        balancer.reports(1, LoadReport(requestsPerSecond: 2, cpuUtilization: 1))
        let fired = balancer.timer()
        let unchanged = balancer.timer()
        #expect(ready.timer == .keep)
        #expect(fired.picker != nil && fired.timer == .start(after: .seconds(1)))
        #expect(unchanged.picker == nil && unchanged.timer == .start(after: .seconds(1)))
    }

    @Test func `the timer runs while there is a ready subchannel`() {
        var balancer = Balancer(.weightedRoundRobin(Self.configuration()))
        let listed = balancer.addresses([0])
        let ready = balancer.change(0, .ready)
        let lost = balancer.change(0, failed(0))
        #expect(listed.timer == .keep)
        #expect(ready.timer == .start(after: .seconds(1)))
        #expect(lost.timer == .cancel)
    }

    @Test func `the weights are updated ten times a second at most`() {
        var configuration = Self.configuration()
        configuration.weightUpdatePeriod = .milliseconds(1)
        var balancer = Balancer(.weightedRoundRobin(configuration))
        _ = balancer.addresses([0])
        let update = balancer.change(0, .ready)
        #expect(update.timer == .start(after: .milliseconds(100)))
    }

    @Test func `a weight is kept over lists that have the subchannel and dropped with it`() {
        var balancer = Self.balancer(weights: [1, 3])
        let kept = balancer.addresses([0, 1], [0: .ready, 1: .ready])
        _ = balancer.addresses([0], [0: .ready])
        let back = balancer.addresses([0, 1], [0: .ready, 1: .ready])
        let rounds = (0..<50).map { _ in Set((0..<2).map { _ in balancer.pick() }) }
        #expect(kept.picker == nil && back.picker != nil)
        #expect(rounds.allSatisfy { $0.count == 2 })
    }

    @Test func `other policies take no reports`() {
        var balancer = Balancer(.roundRobin)
        _ = balancer.addresses([0, 1])
        balancer.change(0, .ready)
        balancer.change(1, .ready)
        balancer.reports(0, LoadReport(requestsPerSecond: 1, cpuUtilization: 1))
        balancer.reports(1, LoadReport(requestsPerSecond: 9, cpuUtilization: 1))
        let fired = balancer.timer()
        #expect(fired == BalancerUpdate(state: .ready))
    }
}

extension Balancer {
    mutating func reports(_ id: Int, _ report: LoadReport) {
        machine.loadReported(SubchannelID(id), report, now: now)
    }
}
