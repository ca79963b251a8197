/// The policies that keep a connection to every address: they differ only in the picker.
///
/// `round_robin`, `least_request` (gRFC A48) and `weighted_round_robin` (gRFC A58). A subchannel
/// that failed counts as failed until it is ready, so that one that bounces between connecting and
/// failing does not hide that all of them fail.
package struct SpreadBalancer: ~Copyable, Sendable {
    package enum Choice: Sendable {
        case roundRobin
        case leastRequest(Int)
        case weighted(WeightedRoundRobinConfiguration)
    }

    private let choice: Choice
    /// In the order of the list, with the states as they count.
    private var subchannels: [SubchannelStatus] = []
    private var weights: [SubchannelID: EndpointWeight] = [:]
    private var isTimerRunning = false
    private var hasAddresses = false
    private var published = Picker.queueing

    package init(_ choice: Choice) {
        self.choice = choice
    }

    // MARK: - Events

    /// What nothing new amounts to.
    var unchanged: BalancerUpdate { BalancerUpdate(state: aggregated) }

    mutating func addressesChanged(
        _ list: [SubchannelStatus],
        now: MonotonicTime
    ) -> BalancerUpdate {
        hasAddresses = true
        let list = uniqueSubchannels(list)
        let old = Dictionary(uniqueKeysWithValues: subchannels.map { ($0.id, $0.state) })
        subchannels = list.map { status in
            SubchannelStatus(status.id, counted(status.state, after: old[status.id] ?? .idle))
        }
        let kept = Set(list.map(\.id))
        weights = weights.filter { kept.contains($0.key) }
        var update = publish(now: now)
        update.connect = list.filter { $0.state == .idle }.map(\.id)
        update.resolveAgain = list.isEmpty
        return update
    }

    mutating func subchannelChanged(
        _ id: SubchannelID,
        to state: ConnectivityState,
        now: MonotonicTime
    ) -> BalancerUpdate {
        // News of a subchannel that the last list has dropped crossed that list.
        guard let index = subchannels.firstIndex(where: { $0.id == id }) else { return unchanged }
        let old = subchannels[index].state
        subchannels[index].state = counted(state, after: old)
        var resolveAgain = false
        switch state {
        case .ready: weights[id]?.becameReady()
        case .connecting: break
        case .idle: resolveAgain = old == .ready
        case .transientFailure: resolveAgain = true
        }
        var update = publish(now: now)
        update.connect = state == .idle ? [id] : []
        update.resolveAgain = resolveAgain
        return update
    }

    mutating func timerFired(now: MonotonicTime) -> BalancerUpdate {
        isTimerRunning = false
        return publish(now: now)
    }

    mutating func loadReported(_ id: SubchannelID, _ report: LoadReport, now: MonotonicTime) {
        guard case .weighted(let configuration) = choice,
            subchannels.contains(where: { $0.id == id })
        else { return }
        weights[id, default: EndpointWeight()].reported(report, configuration, now: now)
    }

    // MARK: - Aggregation

    /// The state that a subchannel counts as: failed stays failed until ready, and one that is idle
    /// is about to connect.
    private func counted(
        _ state: ConnectivityState,
        after old: ConnectivityState
    ) -> ConnectivityState {
        switch state {
        case .ready, .transientFailure: return state
        case .idle, .connecting:
            if case .transientFailure = old { return old }
            return .connecting
        }
    }

    private var aggregated: ConnectivityState {
        var failure: ChannelFailure?
        var connects = false
        for subchannel in subchannels {
            switch subchannel.state {
            case .ready: return .ready
            case .idle, .connecting: connects = true
            case .transientFailure(let last): failure = last
            }
        }
        if connects || !hasAddresses { return .connecting }
        return .transientFailure(failure ?? ChannelFailure("the name has no addresses"))
    }

    private mutating func publish(now: MonotonicTime) -> BalancerUpdate {
        let state = aggregated
        let rule: Picker.Rule
        switch state {
        case .idle, .connecting: rule = .queue
        case .transientFailure(let failure): rule = .fail(failure)
        case .ready: rule = readyRule(subchannels.filter { $0.state == .ready }.map(\.id), now: now)
        }
        let picker = Picker(rule: rule)
        var update = BalancerUpdate(state: state, picker: picker == published ? nil : picker)
        update.timer = weightTimer(isNeeded: state == .ready)
        published = picker
        return update
    }

    private mutating func readyRule(_ ready: [SubchannelID], now: MonotonicTime) -> Picker.Rule {
        if ready.count == 1 { return .single(ready[0]) }
        switch choice {
        case .roundRobin: return .roundRobin(ready)
        case .leastRequest(let count): return .leastRequest(ready, choices: count)
        case .weighted(let configuration):
            let current = ready.map { weights[$0]?.weight(configuration, now: now) ?? 0 }
            return StrideSchedule(weights: current).map { .weighted(ready, $0) }
                ?? .roundRobin(ready)
        }
    }

    /// The timer that brings new weights into the picker runs while there are ready subchannels.
    private mutating func weightTimer(isNeeded: Bool) -> BalancerUpdate.Timer {
        guard case .weighted(let configuration) = choice, isNeeded != isTimerRunning else {
            return .keep
        }
        isTimerRunning = isNeeded
        guard isNeeded else { return .cancel }
        let period = configuration.weightUpdatePeriod
        return .start(after: max(period, WeightedRoundRobinConfiguration.minimumWeightUpdatePeriod))
    }
}
