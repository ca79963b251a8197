import ChannelPolicy
import Synchronization

/// A circuit breaker that the calls of all threads ask.
final class Breaker: Sendable {
    let configuration: CircuitBreaker.Configuration
    private let machine: Mutex<CircuitBreaker>
    private let clock: ChannelClock
    private let counters: ChannelCounters

    init(
        _ configuration: CircuitBreaker.Configuration,
        clock: ChannelClock,
        counters: ChannelCounters
    ) {
        self.configuration = configuration
        self.machine = Mutex(CircuitBreaker(configuration))
        self.clock = clock
        self.counters = counters
    }

    /// One call that was let through; it ends exactly once.
    struct Pass: Sendable {
        fileprivate let breaker: Breaker
        fileprivate let permit: CircuitBreaker.Permit

        func ended(_ status: StatusCode) { breaker.ended(permit, status) }
        /// The call says nothing of the server: its caller gave it up, or it was not sent.
        func abandoned() { breaker.abandoned(permit) }
    }

    /// Nil when the call is refused.
    func admit() -> Pass? {
        let now = clock.now
        switch machine.withLock({ $0.callStarting(now: now) }) {
        case .allow(let permit): return Pass(breaker: self, permit: permit)
        case .reject:
            counters.count(.breakerRejections)
            return nil
        }
    }

    private func ended(_ permit: CircuitBreaker.Permit, _ status: StatusCode) {
        let now = clock.now
        let hasOpened = machine.withLock { machine in
            let wasOpen = machine.phase == .open
            var random = SystemRandomNumberGenerator()
            machine.callEnded(permit, status: status, now: now, using: &random)
            return !wasOpen && machine.phase == .open
        }
        if hasOpened { counters.count(.breakerOpenings) }
    }

    private func abandoned(_ permit: CircuitBreaker.Permit) {
        machine.withLock { $0.callAbandoned(permit) }
    }
}
