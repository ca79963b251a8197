/// `pick_first`: one connection, to the first address that gives one (gRFC A61 and A62).
///
///     waiting ── addresses ──▶ firstPass ── all failed ──▶ retrying
///                                ▲  │                        │
///                       callQueued  └────── a READY ─────────┤
///                                │                           ▼
///                              idle ◀──── it ended ──── selected
///
/// A list of addresses starts a first pass from `waiting`, `firstPass` and `retrying`, and from
/// `selected` when the selected one is not in it.
package struct PickFirst: ~Copyable, Sendable {
    /// The time that an attempt has before the next address is tried beside it (RFC 8305, A61).
    package static let connectionAttemptDelay: Duration = .milliseconds(250)

    private enum Phase: Equatable {
        /// There is no address yet.
        case waiting
        /// The connection ended; the next call makes another.
        case idle
        /// The addresses are tried in order; `last` was tried last.
        case firstPass(last: Int, failed: Set<SubchannelID>)
        /// All are tried all the time, each with its own backoff.
        case retrying(failures: Int)
        case selected(SubchannelID)
    }

    private let shuffles: Bool
    private var phase = Phase.waiting
    private var subchannels: [SubchannelStatus] = []
    /// Set from the first complete failure until the next connection (A62, sticky).
    private var failure: ChannelFailure?
    private var published = Picker.queueing

    package init(shuffles: Bool) {
        self.shuffles = shuffles
    }

    // MARK: - Events

    mutating func addressesChanged(
        _ subchannels: [SubchannelStatus],
        using random: inout some RandomNumberGenerator
    ) -> BalancerUpdate {
        self.subchannels = uniqueSubchannels(subchannels)
        if shuffles { self.subchannels.shuffle(using: &random) }
        guard !subchannels.isEmpty else {
            phase = .waiting
            failure = ChannelFailure("the name has no addresses")
            var update = publish()
            update.timer = .cancel
            update.resolveAgain = true
            return update
        }
        switch phase {
        case .idle: return publish()
        case .selected(let id) where self.subchannels.contains { $0.id == id && $0.state == .ready }:
            return select(id)
        case .waiting, .firstPass, .retrying, .selected: return startFirstPass()
        }
    }

    mutating func subchannelChanged(
        _ id: SubchannelID,
        to state: ConnectivityState
    ) -> BalancerUpdate {
        // News of a subchannel that the last list has dropped crossed that list.
        guard let index = subchannels.firstIndex(where: { $0.id == id }) else { return publish() }
        subchannels[index].state = state
        switch phase {
        case .waiting, .idle: return publish()
        case .selected(let selected):
            return selected == id ? selectedChanged(to: state) : otherChanged(index)
        case .firstPass(let last, var failed):
            switch state {
            case .ready: return select(id)
            case .idle, .connecting: return publish()
            case .transientFailure(let failure):
                failed.insert(id)
                phase = .firstPass(last: last, failed: failed)
                if failed.count == subchannels.count { return endFirstPass(failure) }
                // An earlier one that fails late changes nothing: its successor is under way.
                return index == last ? tryNext() : publish()
            }
        case .retrying(let failures):
            switch state {
            case .ready: return select(id)
            case .connecting: return publish()
            case .idle:
                var update = publish()
                update.connect = [id]
                return update
            case .transientFailure(let failure):
                phase = .retrying(failures: (failures + 1) % subchannels.count)
                self.failure = failure
                var update = publish()
                update.resolveAgain = failures + 1 == subchannels.count
                return update
            }
        }
    }

    mutating func callQueued() -> BalancerUpdate {
        phase == .idle ? startFirstPass() : publish()
    }

    mutating func timerFired() -> BalancerUpdate {
        guard case .firstPass = phase else { return publish() }
        return tryNext()
    }

    // MARK: - The first pass

    private mutating func startFirstPass() -> BalancerUpdate {
        if let ready = subchannels.first(where: { $0.state == .ready }) { return select(ready.id) }
        phase = .firstPass(last: -1, failed: [])
        return tryNext()
    }

    /// Tries the next address that is not in backoff already.
    private mutating func tryNext() -> BalancerUpdate {
        guard case .firstPass(let last, var failed) = phase else { return publish() }
        var lastFailure: ChannelFailure?
        for index in subchannels.indices where index > last {
            let id = subchannels[index].id
            switch subchannels[index].state {
            case .ready: return select(id)
            case .idle, .connecting:
                phase = .firstPass(last: index, failed: failed)
                var update = publish()
                if subchannels[index].state == .idle {
                    subchannels[index].state = .connecting
                    update.connect = [id]
                }
                let isLast = index == subchannels.count - 1
                update.timer = isLast ? .cancel : .start(after: Self.connectionAttemptDelay)
                return update
            case .transientFailure(let failure):
                failed.insert(id)
                lastFailure = failure
            }
        }
        phase = .firstPass(last: subchannels.count - 1, failed: failed)
        if let lastFailure, failed.count == subchannels.count { return endFirstPass(lastFailure) }
        // The earlier attempts are under way; the last of them to fail ends the pass.
        var update = publish()
        update.timer = .cancel
        return update
    }

    private mutating func endFirstPass(_ failure: ChannelFailure) -> BalancerUpdate {
        phase = .retrying(failures: 0)
        self.failure = failure
        var update = publish()
        // Those whose backoff ended during the pass have waited for its end.
        update.connect = subchannels.filter { $0.state == .idle }.map(\.id)
        update.timer = .cancel
        update.resolveAgain = true
        return update
    }

    // MARK: - A connection

    private mutating func select(_ id: SubchannelID) -> BalancerUpdate {
        phase = .selected(id)
        failure = nil
        var update = publish()
        update.timer = .cancel
        for index in subchannels.indices
        where subchannels[index].id != id && subchannels[index].state != .idle {
            subchannels[index].state = .idle
            update.release.append(subchannels[index].id)
        }
        return update
    }

    private mutating func selectedChanged(to state: ConnectivityState) -> BalancerUpdate {
        guard state != .ready else { return publish() }
        phase = .idle
        var update = publish()
        update.resolveAgain = true
        return update
    }

    /// A subchannel that was released: one that got ready in that moment is released again.
    private mutating func otherChanged(_ index: Int) -> BalancerUpdate {
        var update = publish()
        if subchannels[index].state == .ready {
            subchannels[index].state = .idle
            update.release = [subchannels[index].id]
        }
        return update
    }

    // MARK: - What calls see

    private mutating func publish() -> BalancerUpdate {
        let state: ConnectivityState
        let rule: Picker.Rule
        switch (phase, failure) {
        case (.selected(let id), _): (state, rule) = (.ready, .single(id))
        case (.idle, _): (state, rule) = (.idle, .queue)
        case (.waiting, let failure?), (.firstPass, let failure?), (.retrying, let failure?):
            (state, rule) = (.transientFailure(failure), .fail(failure))
        case (.waiting, nil), (.firstPass, nil), (.retrying, nil):
            (state, rule) = (.connecting, .queue)
        }
        let picker = Picker(rule: rule)
        defer { published = picker }
        return BalancerUpdate(state: state, picker: picker == published ? nil : picker)
    }
}

/// The list without the repetitions that a resolver may bring (gRFC A58).
func uniqueSubchannels(_ subchannels: [SubchannelStatus]) -> [SubchannelStatus] {
    var seen: Set<SubchannelID> = []
    return subchannels.filter { seen.insert($0.id).inserted }
}
