package import ChannelPolicy
package import GRPC
package import NIOCore
import Primitives
import Synchronization

/// Looks a name up at the start, when a connection failed, and from time to time.
package final class DNSResolver: NameResolver {
    package struct Configuration: Sendable {
        /// The time between two lookups, whatever fails meanwhile.
        package var minimumInterval: Duration = .seconds(30)
        /// The time after which a name is looked up without a reason; nil never does.
        ///
        /// New servers behind an old name are found by this only.
        package var interval: Duration? = .seconds(300)
        /// The delays after lookups that failed.
        package var backoff = ExponentialBackoff.Configuration.connection

        package init() {}
    }

    private struct State {
        var schedule: ResolutionSchedule
        var report: (@Sendable (Result<Resolution, GRPCError>) -> Void)?
        var timer: Scheduled<Void>?
        var lookup: Task<Void, Never>?
    }

    private let host: String
    private let port: UInt16
    private let lookup: any HostLookup
    private let eventLoop: any EventLoop
    private let origin = NIODeadline.now()
    private let state: Mutex<State>

    package init(
        host: String,
        port: UInt16,
        configuration: Configuration = Configuration(),
        lookup: any HostLookup = SystemLookup(),
        eventLoop: any EventLoop
    ) {
        self.host = host
        self.port = port
        self.lookup = lookup
        self.eventLoop = eventLoop
        let schedule = ResolutionSchedule(
            ResolutionSchedule.Configuration(
                minimumInterval: configuration.minimumInterval,
                interval: configuration.interval,
                backoff: configuration.backoff
            )
        )
        self.state = Mutex(State(schedule: schedule))
    }

    package func start(_ report: @escaping @Sendable (Result<Resolution, GRPCError>) -> Void) {
        state.withLock { $0.report = report }
        refresh()
    }

    package func refresh() {
        act { $0.wanted(now: self.now) }
    }

    package func stop() {
        let (timer, lookup) = state.withLock { state in
            state.report = nil
            defer {
                state.timer = nil
                state.lookup = nil
            }
            return (state.timer, state.lookup)
        }
        timer?.cancel()
        lookup?.cancel()
    }

    private var now: Duration { Duration(NIODeadline.now() - origin) }

    /// Does what the schedule says of an event, unless the resolver has stopped.
    private func act(_ event: (inout ResolutionSchedule) -> ResolutionSchedule.Action) {
        state.withLock { state in
            guard state.report != nil else { return }
            switch event(&state.schedule) {
            case .nothing: break
            case .wait(let delay):
                state.timer?.cancel()
                state.timer = eventLoop.scheduleTask(in: TimeAmount(delay)) {
                    self.act { $0.timerFired(now: self.now) }
                }
            case .lookUp:
                state.timer?.cancel()
                state.timer = nil
                // Owned by the resolver: `stop` cancels it, and there is one at a time.
                state.lookup = Task { await self.lookUp() }
            }
        }
    }

    private func lookUp() async {
        let result: Result<Resolution, GRPCError>
        do {
            let addresses = try await lookup.addresses(of: host, port: port)
            guard !addresses.isEmpty else {
                throw GRPCError(.unavailable, "the name \(host) has no address")
            }
            result = .success(Resolution(addresses: addresses.map { .ip($0) }))
        } catch let error as GRPCError {
            result = .failure(error)
        } catch {
            result = .failure(GRPCError(.unavailable, "the lookup of \(host) failed: \(error)"))
        }
        let report = state.withLock { $0.report }
        report?(result)
        var succeeded = false
        if case .success = result { succeeded = true }
        act { [succeeded] schedule in
            var random = SystemRandomNumberGenerator()
            return schedule.lookupEnded(succeeded: succeeded, now: self.now, using: &random)
        }
    }
}
