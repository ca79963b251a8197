import ChannelPolicy
import GRPC
import NIOCore

/// The connections and the health of the subchannels, on the control loop.
extension ChannelControl {
    func connect(_ subchannel: Subchannel) {
        var random = SystemRandomNumberGenerator()
        switch subchannel.machine.connectRequested(now: clock.now, using: &random) {
        case .ignore: return
        case .connect(let id, let timeout):
            var settings = configuration.connection
            settings.connectTimeout = timeout
            let connection = SubchannelConnection(
                id: id,
                address: subchannel.address,
                authority: authority,
                configuration: settings,
                executor: subchannel.executor,
                report: { connection, event in
                    self.onLoop { self.connectionChanged(subchannel, connection, event) }
                }
            )
            subchannel.connection = connection
            connections[ObjectIdentifier(connection)] = connection
            connection.connect()
            noteState(of: subchannel)
        }
    }

    private func connectionChanged(
        _ subchannel: Subchannel,
        _ connection: SubchannelConnection,
        _ event: SubchannelConnection.Event
    ) {
        switch event {
        case .connected:
            switch subchannel.machine.connected(connection.id) {
            case .ready: break
            case .watchHealth: watchHealth(of: subchannel, on: connection)
            case .close: connection.close()
            }
        case .failed(let error):
            let failure = ChannelFailure(StatusCode(error.code), error.message)
            switch subchannel.machine.connectFailed(connection.id, failure, now: clock.now) {
            case .ignore: break
            case .backOff(let delay): waitOutBackoff(of: subchannel, delay)
            }
        case .ended:
            switch subchannel.machine.connectionEnded(connection.id, now: clock.now) {
            case .ignore: break
            case .idle: subchannel.stopTimers()
            case .backOff(let delay):
                subchannel.stopTimers()
                waitOutBackoff(of: subchannel, delay)
            }
        case .closed:
            connections[ObjectIdentifier(connection)] = nil
            if subchannel.connection === connection { subchannel.connection = nil }
        }
        noteState(of: subchannel)
        settle()
    }

    private func waitOutBackoff(of subchannel: Subchannel, _ delay: Duration) {
        subchannel.timer?.cancel()
        subchannel.timer = executor.eventLoop.scheduleTask(in: TimeAmount(delay)) {
            self.onLoop {
                switch subchannel.machine.backoffEnded(now: self.clock.now) {
                case .ignore: return
                case .wait(let rest): self.waitOutBackoff(of: subchannel, rest)
                case .idle:
                    self.noteState(of: subchannel)
                    self.settle()
                }
            }
        }
    }

    /// The load balancer has no use for its connection.
    func release(_ subchannel: Subchannel) {
        subchannel.stopTimers()
        let action = subchannel.machine.released()
        letGo(of: subchannel, action)
        noteState(of: subchannel)
    }

    /// The address is gone.
    func end(_ subchannel: Subchannel) {
        subchannel.stopTimers()
        letGo(of: subchannel, subchannel.machine.shutDown())
    }

    private func letGo(of subchannel: Subchannel, _ action: SubchannelMachine.OnRelease) {
        switch action {
        case .nothing: return
        case .cancelAttempt: subchannel.connection?.close()
        case .close: subchannel.connection?.retire()
        }
        subchannel.connection = nil
    }

    // MARK: - Health

    private func watchHealth(of subchannel: Subchannel, on connection: SubchannelConnection) {
        let service = serviceConfig.healthCheckServiceName ?? ""
        subchannel.healthWatch?.cancel()
        // Owned by the subchannel: it is cancelled when the connection ends or is let go.
        subchannel.healthWatch = Task {
            let status = await connection.watchHealth(service) { isServing in
                self.onLoop {
                    if !isServing { self.counters.count(.healthChecksFailed) }
                    _ = subchannel.machine.healthReported(connection.id, isServing: isServing)
                    self.noteState(of: subchannel)
                    self.settle()
                }
            }
            self.onLoop { self.healthWatchEnded(subchannel, connection, status) }
        }
    }

    private func healthWatchEnded(
        _ subchannel: Subchannel,
        _ connection: SubchannelConnection,
        _ status: StatusCode
    ) {
        var random = SystemRandomNumberGenerator()
        let id = connection.id
        switch subchannel.machine.healthWatchEnded(id, status: status, using: &random) {
        case .ignore: break
        case .checkDisabled:
            logger.error(
                "a server has no health service and counts as healthy",
                metadata: ["address": "\(subchannel.address)"]
            )
        case .watchAgain(let delay):
            subchannel.timer?.cancel()
            subchannel.timer = executor.eventLoop.scheduleTask(in: TimeAmount(delay)) {
                self.onLoop {
                    if case .watchHealth = subchannel.machine.healthDelayEnded(id) {
                        self.watchHealth(of: subchannel, on: connection)
                    }
                    self.noteState(of: subchannel)
                    self.settle()
                }
            }
        }
        noteState(of: subchannel)
        settle()
    }
}
