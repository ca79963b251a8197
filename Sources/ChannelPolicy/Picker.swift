package import Primitives

/// What changes from pick to pick, kept apart so that pickers are immutable.
///
/// Each event loop has its own, so picks need no lock; shares then hold per event loop, and so for
/// all of them.
package struct PickState: Sendable {
    /// The turn of the round robins; it starts anywhere, so that channels don't move in step.
    package var sequence: UInt64
    package var random: SeededRandom

    package init(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        self.sequence = UInt64(random.next() >> 32)
        self.random = random
    }
}

/// Where a call goes.
package enum PickResult: Hashable, Sendable {
    case subchannel(SubchannelID)
    /// Wait for the next picker, and tell the load balancer: `callQueued`.
    case queue
    /// End with this, unless the call waits for a ready channel: then wait for the next picker.
    case fail(ChannelFailure)
}

/// The choice of a subchannel for each call, as long as the states of the subchannels stay.
///
/// An immutable value to share between threads. A pick allocates nothing and takes constant time on
/// average.
package struct Picker: Equatable, Sendable {
    enum Rule: Equatable, Sendable {
        case queue
        case fail(ChannelFailure)
        case single(SubchannelID)
        // The lists are not empty.
        case roundRobin([SubchannelID])
        case leastRequest([SubchannelID], choices: Int)
        case weighted([SubchannelID], StrideSchedule)
    }

    let rule: Rule

    /// Nothing is known yet: calls wait.
    package static let queueing = Picker(rule: .queue)

    /// - Parameter inFlight: the calls that a subchannel carries now; only least request asks.
    package func pick(
        using state: inout PickState,
        inFlight: (SubchannelID) -> Int
    ) -> PickResult {
        switch rule {
        case .queue: return .queue
        case .fail(let failure): return .fail(failure)
        case .single(let subchannel): return .subchannel(subchannel)
        case .roundRobin(let subchannels):
            let turn = state.sequence % UInt64(subchannels.count)
            state.sequence &+= 1
            return .subchannel(subchannels[Int(truncatingIfNeeded: turn)])
        case .leastRequest(let subchannels, let choices):
            return .subchannel(leastLoaded(of: subchannels, choices, &state.random, inFlight))
        case .weighted(let subchannels, let schedule):
            return .subchannel(subchannels[schedule.next(&state.sequence)])
        }
    }

    /// The least loaded of some that are drawn at random; the first drawn wins a tie.
    ///
    /// A48 draws with repetition. Here the further ones are drawn from all but the first, so that
    /// two choices are two subchannels: with two backends, one that hangs gets no more calls.
    private func leastLoaded(
        of subchannels: [SubchannelID],
        _ choices: Int,
        _ random: inout SeededRandom,
        _ inFlight: (SubchannelID) -> Int
    ) -> SubchannelID {
        let count = UInt64(subchannels.count)
        let first = random.next(upperBound: count)
        var best = subchannels[Int(truncatingIfNeeded: first)]
        guard count > 1 else { return best }
        var load = inFlight(best)
        for _ in 1..<choices {
            let other = (first + 1 + random.next(upperBound: count - 1)) % count
            let candidate = subchannels[Int(truncatingIfNeeded: other)]
            let candidateLoad = inFlight(candidate)
            if candidateLoad < load { (best, load) = (candidate, candidateLoad) }
        }
        return best
    }
}
