import ChannelPolicy
import DequeModule
import GRPC
import HTTP2
import Logging
import NIOCore

/// What a channel does: the shell around its load balancer and the machines of its subchannels.
///
/// All of it happens on one event loop, so that events have an order. Calls don't come here: they
/// read the snapshots that it puts up on the board.
// SAFETY (@unchecked Sendable): every stored `var` is touched on the control loop only, which
// `onLoop` goes to.
final class ChannelControl: @unchecked Sendable {
    let board: PickerBoard
    let clock = ChannelClock()
    let counters: ChannelCounters
    let executor: EventLoopExecutor
    let configuration: ClientChannelConfiguration
    let authority: String
    let logger: Logger
    private let resolver: any NameResolver
    private let executors: [EventLoopExecutor]

    private var hasStarted = false
    private var isClosed = false
    private(set) var serviceConfig: ServiceConfig
    private var balancer: LoadBalancer
    private var balancerTimer: Scheduled<Void>?
    private var picker = Picker.queueing
    private var state = ConnectivityState.idle
    private var resolutionFailure: GRPCError?
    private var addresses: [TransportAddress] = []
    var subchannels: [SubchannelID: Subchannel] = [:]
    /// Every connection that is not closed, also of subchannels that are gone.
    var connections: [ObjectIdentifier: SubchannelConnection] = [:]
    private var lastSubchannel = 0
    private var nextExecutor = 0
    private var channelBreaker: Breaker?
    private var allowance: Allowance
    /// Changes that the load balancer has not been told yet.
    private var changes = Deque<(id: SubchannelID, state: ConnectivityState)>()
    private var isProcessing = false
    private var needsPublishing = false

    init(
        resolver: any NameResolver,
        authority: String,
        configuration: ClientChannelConfiguration,
        board: PickerBoard,
        counters: ChannelCounters,
        executors: [EventLoopExecutor],
        logger: Logger
    ) {
        precondition(!executors.isEmpty, "a channel needs an event loop")
        self.resolver = resolver
        self.authority = authority
        self.configuration = configuration
        self.board = board
        self.counters = counters
        self.executor = executors[0]
        self.executors = executors
        self.logger = logger
        self.serviceConfig = configuration.serviceConfig
        self.balancer = LoadBalancer(configuration.serviceConfig.loadBalancing)
        self.allowance = board.read { $0.allowance }
        self.channelBreaker = makeBreaker(serviceConfig.circuitBreaker.perChannel)
    }

    func onLoop(_ body: @escaping @Sendable () -> Void) {
        executor.runOnLoop(body)
    }

    private func makeBreaker(_ configuration: CircuitBreaker.Configuration?) -> Breaker? {
        configuration.map { Breaker($0, clock: clock, counters: counters) }
    }

    // MARK: - What calls ask for

    /// A call waits for a connection.
    func callQueued() {
        onLoop {
            self.board.connectionWasAskedFor()
            guard !self.isClosed else { return }
            self.startResolving()
            self.apply(self.balancer.callQueued())
            self.settle()
        }
    }

    private func startResolving() {
        guard !hasStarted else { return }
        hasStarted = true
        board.publish { $0.breaker = channelBreaker }
        resolver.start { result in self.onLoop { self.resolved(result) } }
    }

    func loadReported(by subchannel: Subchannel) {
        onLoop {
            guard let report = subchannel.takeLoad() else { return }
            self.balancer.loadReported(subchannel.id, report, now: self.clock.now)
        }
    }

    func close() {
        onLoop {
            guard !self.isClosed else { return }
            self.isClosed = true
            self.resolver.stop()
            self.balancerTimer?.cancel()
            for subchannel in self.subchannels.values { self.end(subchannel) }
            self.subchannels = [:]
            self.board.publish { snapshot in
                snapshot.isClosed = true
                snapshot.routes = [:]
                snapshot.state = .idle
            }
            for connection in self.connections.values { connection.close() }
        }
    }

    // MARK: - Names

    private func resolved(_ result: Result<Resolution, GRPCError>) {
        guard !isClosed else { return }
        switch result {
        case .failure(let error):
            counters.count(.resolutionFailures)
            logger.warning("a name did not resolve", metadata: ["error": "\(error)"])
            // What has resolved once goes on with the addresses that it had.
            guard addresses.isEmpty else { return }
            resolutionFailure = error
            needsPublishing = true
        case .success(let resolution):
            counters.count(.resolutions)
            resolutionFailure = nil
            take(resolution)
        }
        settle()
    }

    private func take(_ resolution: Resolution) {
        let config = configuration.usesResolverServiceConfig ? resolution.serviceConfig : nil
        let old = serviceConfig
        serviceConfig = config ?? configuration.serviceConfig
        var seen: Set<TransportAddress> = []
        let unique = resolution.addresses.filter { seen.insert($0).inserted }
        addresses = Array(unique.prefix(configuration.maximumSubchannels))
        if addresses.count < unique.count {
            logger.warning(
                "a name has too many addresses",
                metadata: ["found": "\(unique.count)", "used": "\(addresses.count)"]
            )
        }
        if !allowance.fits(serviceConfig) { allowance = Allowance(serviceConfig) }
        if old.circuitBreaker.perChannel != serviceConfig.circuitBreaker.perChannel {
            channelBreaker = makeBreaker(serviceConfig.circuitBreaker.perChannel)
        }
        if old.loadBalancing != serviceConfig.loadBalancing {
            balancerTimer?.cancel()
            balancerTimer = nil
            balancer = LoadBalancer(serviceConfig.loadBalancing)
        }
        needsPublishing = true
        replaceSubchannels(
            // A machine is told once whether it checks health.
            keepsOld: healthService(of: old) == healthService(of: serviceConfig),
            breakersChanged: old.circuitBreaker.perSubchannel
                != serviceConfig.circuitBreaker.perSubchannel
        )
    }

    private func healthService(of config: ServiceConfig) -> String? {
        config.loadBalancing.allowsHealthChecks ? config.healthCheckServiceName : nil
    }

    private func replaceSubchannels(keepsOld: Bool, breakersChanged: Bool) {
        var old: [TransportAddress: Subchannel] = [:]
        for subchannel in subchannels.values { old[subchannel.address] = subchannel }
        subchannels = [:]
        var statuses: [SubchannelStatus] = []
        for address in addresses {
            let kept = keepsOld ? old.removeValue(forKey: address) : nil
            let subchannel = kept ?? makeSubchannel(address)
            if kept == nil || breakersChanged {
                subchannel.breaker = makeBreaker(serviceConfig.circuitBreaker.perSubchannel)
            }
            subchannels[subchannel.id] = subchannel
            statuses.append(SubchannelStatus(subchannel.id, subchannel.toldState))
        }
        for gone in old.values { end(gone) }
        var random = SystemRandomNumberGenerator()
        apply(balancer.addressesChanged(statuses, now: clock.now, using: &random))
    }

    private func makeSubchannel(_ address: TransportAddress) -> Subchannel {
        lastSubchannel += 1
        nextExecutor = (nextExecutor + 1) % executors.count
        var machine = configuration.subchannel
        machine.isHealthChecked = healthService(of: serviceConfig) != nil
        return Subchannel(
            id: SubchannelID(lastSubchannel),
            address: address,
            executor: executors[nextExecutor],
            configuration: machine
        )
    }

    // MARK: - The load balancer

    /// Does what the load balancer says; `settle` follows.
    private func apply(_ update: BalancerUpdate) {
        if state != update.state {
            state = update.state
            needsPublishing = true
            logger.debug("a channel changed", metadata: ["state": "\(state)"])
        }
        if let picker = update.picker {
            self.picker = picker
            needsPublishing = true
        }
        switch update.timer {
        case .keep: break
        case .cancel:
            balancerTimer?.cancel()
            balancerTimer = nil
        case .start(let delay):
            balancerTimer?.cancel()
            balancerTimer = executor.eventLoop.scheduleTask(in: TimeAmount(delay)) {
                self.onLoop { self.balancerTimerFired() }
            }
        }
        for id in update.release {
            if let subchannel = subchannels[id] { release(subchannel) }
        }
        for id in update.connect {
            if let subchannel = subchannels[id] { connect(subchannel) }
        }
        if update.resolveAgain { resolver.refresh() }
    }

    private func balancerTimerFired() {
        guard !isClosed else { return }
        apply(balancer.timerFired(now: clock.now))
        settle()
    }

    /// Notes that a subchannel may have another state; `settle` follows.
    func noteState(of subchannel: Subchannel) {
        let state = subchannel.machine.state
        guard state != subchannel.toldState else { return }
        if state == .ready || subchannel.toldState == .ready { needsPublishing = true }
        subchannel.toldState = state
        changes.append((subchannel.id, state))
        countTransition(of: subchannel, to: state)
    }

    private func countTransition(of subchannel: Subchannel, to state: ConnectivityState) {
        switch state {
        case .idle: counters.count(.subchannelIdle)
        case .connecting: counters.count(.subchannelConnecting)
        case .ready: counters.count(.subchannelReady)
        case .transientFailure(let failure):
            counters.count(.subchannelTransientFailure)
            logger.info(
                "a subchannel failed",
                metadata: [
                    "address": "\(subchannel.address)", "reason": "\(failure.message)",
                ]
            )
            return
        }
        logger.debug(
            "a subchannel changed",
            metadata: ["address": "\(subchannel.address)", "state": "\(state)"]
        )
    }

    /// Tells the load balancer what has changed, until nothing follows from it, and puts the result
    /// up.
    func settle() {
        guard !isProcessing, !isClosed else { return }
        isProcessing = true
        process()
        // Calls that came while there was a connection wait on although it is idle now.
        if state == .idle, board.hasWaitingCalls {
            apply(balancer.callQueued())
            process()
        }
        isProcessing = false
        guard needsPublishing else { return }
        needsPublishing = false
        publish()
    }

    private func process() {
        while let change = changes.popFirst() {
            guard subchannels[change.id] != nil else { continue }
            apply(balancer.subchannelChanged(change.id, to: change.state, now: clock.now))
        }
    }

    private func publish() {
        var routes: [SubchannelID: Route] = [:]
        for subchannel in subchannels.values where subchannel.toldState == .ready {
            guard let connection = subchannel.connection else { continue }
            routes[subchannel.id] = Route(
                subchannel: subchannel,
                connection: connection,
                breaker: subchannel.breaker
            )
        }
        board.publish { snapshot in
            snapshot.state = state
            snapshot.picker = picker
            snapshot.routes = routes
            snapshot.serviceConfig = serviceConfig
            snapshot.allowance = allowance
            snapshot.breaker = channelBreaker
            snapshot.resolutionFailure = resolutionFailure
            if case .weightedRoundRobin(let settings) = serviceConfig.loadBalancing {
                snapshot.wantsLoad = !settings.usesOutOfBandReports
            } else {
                snapshot.wantsLoad = false
            }
        }
    }
}
