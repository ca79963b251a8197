import ChannelPolicy
import GRPC
import HTTP2
import NIOCore
import Synchronization

/// One address of a channel: its machine, and the connection that it has now.
// SAFETY (@unchecked Sendable): the counters are atomic and the report is behind a lock; every
// other stored `var` is touched on the channel's control loop only.
final class Subchannel: @unchecked Sendable {
    let id: SubchannelID
    let address: TransportAddress
    /// Where its connections live.
    let executor: EventLoopExecutor

    private let inFlight = Atomic<Int>(0)
    private let load = Mutex<LoadReport?>(nil)

    // On the control loop.
    var machine: SubchannelMachine
    /// The state that the load balancer was told last.
    var toldState = ConnectivityState.idle
    var connection: SubchannelConnection?
    var breaker: Breaker?
    var healthWatch: Task<Void, Never>?
    var timer: Scheduled<Void>?

    init(
        id: SubchannelID,
        address: TransportAddress,
        executor: EventLoopExecutor,
        configuration: SubchannelMachine.Configuration
    ) {
        self.id = id
        self.address = address
        self.executor = executor
        self.machine = SubchannelMachine(configuration)
    }

    var callsInFlight: Int { inFlight.load(ordering: .relaxed) }
    func callStarted() { inFlight.wrappingAdd(1, ordering: .relaxed) }
    func callEnded() { inFlight.wrappingSubtract(1, ordering: .relaxed) }

    /// Keeps the report until the channel takes it; true when the channel must be told.
    func keep(_ report: LoadReport) -> Bool {
        load.withLock { load in
            defer { load = report }
            return load == nil
        }
    }

    func takeLoad() -> LoadReport? {
        load.withLock { load in
            defer { load = nil }
            return load
        }
    }

    func stopTimers() {
        timer?.cancel()
        timer = nil
        healthWatch?.cancel()
        healthWatch = nil
    }
}
