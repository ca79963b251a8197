/// One subchannel as a load balancer is told of it.
package struct SubchannelStatus: Hashable, Sendable {
    package var id: SubchannelID
    package var state: ConnectivityState

    package init(_ id: SubchannelID, _ state: ConnectivityState = .idle) {
        self.id = id
        self.state = state
    }
}

/// What a channel does after an event of its load balancer.
package struct BalancerUpdate: Equatable, Sendable {
    package enum Timer: Equatable, Sendable {
        /// Leave the timer as it is.
        case keep
        /// Call `timerFired` after the delay, instead of any earlier demand.
        case start(after: Duration)
        case cancel
    }

    /// The state of the channel now.
    package var state: ConnectivityState
    /// What calls use from now on; nil leaves the one that there is.
    package var picker: Picker?
    /// Subchannels that shall connect, in the order of the list.
    package var connect: [SubchannelID] = []
    /// Subchannels whose attempt or connection is not wanted: `SubchannelMachine.released`.
    package var release: [SubchannelID] = []
    package var timer = Timer.keep
    /// Whether the name shall be resolved again; the resolver limits how often that happens.
    package var resolveAgain = false

    package init(state: ConnectivityState, picker: Picker? = nil) {
        self.state = state
        self.picker = picker
    }
}

/// Decides which subchannels of a channel connect and which of them calls use.
///
/// The shell hands every news of addresses and subchannels in and does what the update says. It
/// runs one load balancer per channel; the pickers may be used anywhere.
package enum LoadBalancer: ~Copyable, Sendable {
    case pickFirst(PickFirst)
    case spread(SpreadBalancer)

    package init(_ policy: LoadBalancingPolicy) {
        switch policy {
        case .pickFirst(let shuffles): self = .pickFirst(PickFirst(shuffles: shuffles))
        case .roundRobin: self = .spread(SpreadBalancer(.roundRobin))
        case .leastRequest(let count): self = .spread(SpreadBalancer(.leastRequest(count)))
        case .weightedRoundRobin(let weighted): self = .spread(SpreadBalancer(.weighted(weighted)))
        }
    }

    /// The resolver brought a list of addresses, perhaps the same as before.
    ///
    /// The shell ends the subchannels that are not in the list any more by itself.
    package mutating func addressesChanged(
        _ subchannels: [SubchannelStatus],
        now: MonotonicTime,
        using random: inout some RandomNumberGenerator
    ) -> BalancerUpdate {
        switch consume self {
        case .pickFirst(var machine):
            let update = machine.addressesChanged(subchannels, using: &random)
            self = .pickFirst(machine)
            return update
        case .spread(var machine):
            let update = machine.addressesChanged(subchannels, now: now)
            self = .spread(machine)
            return update
        }
    }

    /// A subchannel of the list has another state.
    package mutating func subchannelChanged(
        _ id: SubchannelID,
        to state: ConnectivityState,
        now: MonotonicTime
    ) -> BalancerUpdate {
        switch consume self {
        case .pickFirst(var machine):
            let update = machine.subchannelChanged(id, to: state)
            self = .pickFirst(machine)
            return update
        case .spread(var machine):
            let update = machine.subchannelChanged(id, to: state, now: now)
            self = .spread(machine)
            return update
        }
    }

    /// A pick said `.queue`: an idle channel starts connecting.
    package mutating func callQueued() -> BalancerUpdate {
        switch consume self {
        case .pickFirst(var machine):
            let update = machine.callQueued()
            self = .pickFirst(machine)
            return update
        case .spread(let machine):
            // It connects by itself; there is nothing to wake.
            let update = machine.unchanged
            self = .spread(machine)
            return update
        }
    }

    /// The delay of the last `.start` is over.
    package mutating func timerFired(now: MonotonicTime) -> BalancerUpdate {
        switch consume self {
        case .pickFirst(var machine):
            let update = machine.timerFired()
            self = .pickFirst(machine)
            return update
        case .spread(var machine):
            let update = machine.timerFired(now: now)
            self = .spread(machine)
            return update
        }
    }

    /// An endpoint told its load, with a call or out of band; only weighted round robin listens.
    ///
    /// The picker takes it over at the next update of the weights.
    package mutating func loadReported(
        _ id: SubchannelID,
        _ report: LoadReport,
        now: MonotonicTime
    ) {
        switch consume self {
        case .pickFirst(let machine):
            self = .pickFirst(machine)
        case .spread(var machine):
            machine.loadReported(id, report, now: now)
            self = .spread(machine)
        }
    }
}
