/// `pick_first`: one connection, to the first address that gives one (gRFC A61 and A62).
package struct PickFirst: ~Copyable, Sendable {
    /// The time that an attempt has before the next address is tried beside it (RFC 8305, A61).
    package static let connectionAttemptDelay: Duration = .milliseconds(250)

    package init(shuffles: Bool) {
    }

    mutating func addressesChanged(
        _ subchannels: [SubchannelStatus],
        using random: inout some RandomNumberGenerator
    ) -> BalancerUpdate { BalancerUpdate(state: .idle) }

    mutating func subchannelChanged(_ id: SubchannelID, to state: ConnectivityState)
        -> BalancerUpdate
    { BalancerUpdate(state: .idle) }

    mutating func callQueued() -> BalancerUpdate { BalancerUpdate(state: .idle) }

    mutating func timerFired() -> BalancerUpdate { BalancerUpdate(state: .idle) }
}
