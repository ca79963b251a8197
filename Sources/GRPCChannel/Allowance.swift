import ChannelPolicy
import Synchronization

/// The retry throttle and budget that the calls of a channel share.
final class Allowance: Sendable {
    let throttling: RetryThrottling?
    let budget: RetryBudget.Configuration?
    private let state: Mutex<RetryAllowance>

    init(_ config: ServiceConfig) {
        self.throttling = config.retryThrottling
        self.budget = config.retryBudget
        self.state = Mutex(RetryAllowance(throttling: throttling, budget: budget))
    }

    func fits(_ config: ServiceConfig) -> Bool {
        throttling == config.retryThrottling && budget == config.retryBudget
    }

    func use<Result: Sendable>(_ body: (inout RetryAllowance) -> Result) -> Result {
        state.withLock { body(&$0) }
    }
}

/// Bytes of requests that are kept to send them again, with a limit for all of a channel.
final class RetryBuffer: Sendable {
    let bytesPerCall: Int
    private let limit: Int
    private let used = Atomic<Int>(0)

    init(bytesPerCall: Int, bytesPerChannel: Int) {
        self.bytesPerCall = bytesPerCall
        self.limit = bytesPerChannel
    }

    var usedBytes: Int { used.load(ordering: .relaxed) }

    /// False when the channel's limit leaves no room; then nothing was taken.
    func take(_ bytes: Int) -> Bool {
        let now = used.wrappingAdd(bytes, ordering: .relaxed).newValue
        guard now > limit else { return true }
        used.wrappingSubtract(bytes, ordering: .relaxed)
        return false
    }

    func giveBack(_ bytes: Int) {
        used.wrappingSubtract(bytes, ordering: .relaxed)
    }
}
