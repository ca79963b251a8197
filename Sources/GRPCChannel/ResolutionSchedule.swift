import ChannelPolicy

/// When a name is looked up: one lookup at a time, and not again within `minimumInterval`.
///
///     resting ── due, refresh wanted ──▶ looking ── ended ──▶ resting
///
/// What is wanted while a lookup runs, or too soon after one, happens when it may. A failed lookup
/// is tried again after a delay that grows.
struct ResolutionSchedule: Sendable {
    struct Configuration: Hashable, Sendable {
        /// The time between two lookups, whatever fails meanwhile.
        var minimumInterval: Duration
        /// The time after which a name is looked up without a reason; nil never does.
        var interval: Duration?
        /// The delays after lookups that failed.
        var backoff = ExponentialBackoff.Configuration.connection
    }

    enum Action: Equatable {
        case lookUp
        /// Call `timerFired` after the delay, instead of any earlier demand.
        case wait(Duration)
        case nothing
    }

    private enum State {
        case resting(since: Duration?)
        case looking(since: Duration)
    }

    private let configuration: Configuration
    private var backoff: ExponentialBackoff
    private var state = State.resting(since: nil)
    private var isWanted = false

    init(_ configuration: Configuration) {
        self.configuration = configuration
        self.backoff = ExponentialBackoff(configuration.backoff)
    }

    /// Somebody needs the name: at the start, and when a connection failed.
    mutating func wanted(now: Duration) -> Action {
        switch state {
        case .looking:
            // The answer that is on its way may be older than the failure.
            isWanted = true
            return .nothing
        case .resting(let since):
            guard let since else { return lookUp(now) }
            let left = configuration.minimumInterval - (now - since)
            guard left > .zero else { return lookUp(now) }
            guard !isWanted else { return .nothing }
            isWanted = true
            return .wait(left)
        }
    }

    /// The delay of the last `wait` is over.
    mutating func timerFired(now: Duration) -> Action {
        guard case .resting = state else { return .nothing }
        return lookUp(now)
    }

    mutating func lookupEnded(
        succeeded: Bool,
        now: Duration,
        using random: inout some RandomNumberGenerator
    ) -> Action {
        guard case .looking(let since) = state else { return .nothing }
        state = .resting(since: since)
        guard succeeded else {
            isWanted = true
            return .wait(backoff.failed(using: &random))
        }
        backoff.reset()
        guard let delay = isWanted ? configuration.minimumInterval : configuration.interval else {
            return .nothing
        }
        return .wait(max(.zero, delay - (now - since)))
    }

    private mutating func lookUp(_ now: Duration) -> Action {
        state = .looking(since: now)
        isWanted = false
        return .lookUp
    }
}
