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
        /// Not empty.
        case roundRobin([SubchannelID])
    }

    let rule: Rule

    /// Nothing is known yet: calls wait.
    package static let queueing = Picker(rule: .queue)

    /// - Parameter inFlight: the calls that a subchannel carries now; only least request asks.
    package func pick(
        using state: inout PickState,
        inFlight: (SubchannelID) -> Int
    ) -> PickResult {
        .queue
    }
}
