/// The policies that keep a connection to every address: they differ only in the picker.
package struct SpreadBalancer: ~Copyable, Sendable {
    package enum Choice: Sendable {
        case roundRobin
        case leastRequest(Int)
        case weighted(WeightedRoundRobinConfiguration)
    }

    package init(_ choice: Choice) {
    }

    var unchanged: BalancerUpdate { BalancerUpdate(state: .idle) }

    mutating func addressesChanged(_ subchannels: [SubchannelStatus], now: MonotonicTime)
        -> BalancerUpdate
    { BalancerUpdate(state: .idle) }

    mutating func subchannelChanged(
        _ id: SubchannelID,
        to state: ConnectivityState,
        now: MonotonicTime
    ) -> BalancerUpdate { BalancerUpdate(state: .idle) }

    mutating func timerFired(now: MonotonicTime) -> BalancerUpdate { BalancerUpdate(state: .idle) }

    mutating func loadReported(_ id: SubchannelID, _ report: LoadReport, now: MonotonicTime) {}
}
