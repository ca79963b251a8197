package import Logging
package import Membership
import NIOCore
package import Primitives
import ServiceLifecycle
package import Store

/// Where the registry's decisions about endpoints go.
package protocol EndpointObserver: Sendable {
    /// The listed endpoints of these services changed; each list is whole and ordered by worker.
    func endpointsChanged(_ endpoints: [ServiceName: [MemberEndpoint]]) async
    /// Waits until the proxies have confirmed everything that was published before, or until `cap`
    /// has passed.
    func confirmations(cap: Duration) async -> Confirmations
}

/// How many proxies have confirmed a change.
package struct Confirmations: Hashable, Sendable {
    package let confirmed: Int
    package let subscribed: Int

    package init(confirmed: Int, subscribed: Int) {
        self.confirmed = confirmed
        self.subscribed = subscribed
    }
}

/// The shell around `MembershipMachine`: its streams, its store, its timer.
///
/// Decisions are made in the order of the events. What follows from them is done by `run` in that
/// same order and in batches: one store transaction for everything that came in meanwhile, then the
/// configuration, then the answers. So a worker that has its lease is on the disk, and a thousand
/// that come at once cost a few transactions.
package actor WorkerRegistry<Storage: Store>: Service {
    /// Steps that wait for `run`; each worker causes a few at most.
    private let maximumPendingSteps: Int
    /// How long a drain waits for the proxies at each of its two steps.
    private let drainCap: Duration

    // The setters of these are for the files beside this one.
    var machine: MembershipMachine
    private let limits: MembershipLimits
    private var connectionRate: RegistrationRate<SocketAddress>
    /// What has happened, for `GetCounters`.
    package nonisolated let counters = RegistryCounters()
    private let store: Storage
    private let observer: any EndpointObserver
    let logger: Logger
    private let clock = ContinuousClock()
    private let origin: ContinuousClock.Instant
    private var streams: [StreamID: any RegistrationStream] = [:]
    private var lastStream: UInt64 = 0
    private var isStopping = false
    private var pending: [Step] = []
    private let wakeUps: AsyncStream<Void>
    private let wakeUp: AsyncStream<Void>.Continuation

    /// Something that `run` has to do, in order.
    enum Step {
        case instructions([Instruction])
        case answer(UnsafeContinuation<Void, any Error>)
        case drainAnnounced(WorkerID, Epoch)
        case drainWithdrawn(WorkerID, Epoch)
    }

    package init(
        directory: MeshDirectory,
        limits: MembershipLimits = MembershipLimits(),
        drainCap: Duration = .seconds(10),
        store: Storage,
        observer: any EndpointObserver,
        logger: Logger
    ) {
        self.machine = MembershipMachine(directory: directory, limits: limits)
        self.limits = limits
        self.connectionRate = RegistrationRate(
            limits.registrationsOfConnection,
            maximumKeys: limits.maximumTrackedRates
        )
        self.maximumPendingSteps = 4 * limits.maximumRegistrations
        self.drainCap = drainCap
        self.store = store
        self.observer = observer
        self.logger = logger
        self.origin = clock.now
        (wakeUps, wakeUp) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    var now: MonotonicInstant {
        MonotonicInstant(sinceOrigin: origin.duration(to: clock.now))
    }

    // MARK: - Life

    /// Brings the registrations back that the store holds.
    ///
    /// Nothing may be served before this has returned.
    ///
    /// - Returns: whether these are all that there were. A store that never had one may be a new one
    ///   in the place of one that is lost, and a row that can't be read was a worker.
    package func restore() async throws -> Bool {
        let rows = try await store.range(prefix: RegistrationRecords.prefix).entries
        let epoch = try await store.get(RegistrationRecords.highestEpochKey).entries.first
        let stored = rows.compactMap { row in
            let decoded = RegistrationRecords.decode(row.value)
            if decoded == nil {
                logger.error("a stored registration can't be read", metadata: ["key": "\(row.key)"])
            }
            return decoded
        }
        let instructions = machine.restored(
            stored,
            highestEpoch: epoch.flatMap { RegistrationRecords.decodeEpoch($0.value) } ?? .none,
            now: now
        )
        try await save(instructions)
        await publish(instructions)
        return epoch != nil && stored.count == rows.count
    }

    package func directoryChanged(to directory: MeshDirectory) {
        machine.directoryChanged(to: directory)
        enqueue(.instructions(machine.probesEnded()))
    }

    /// Does what the decisions ask for and ends leases, until it is cancelled.
    package func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask { await self.expireLeases() }
                group.addTask { await self.doSteps() }
            }
        }
        stop()
    }

    /// The streams end because we do, so nothing follows for their registrations: the store keeps
    /// them, and their endpoints are still there for whoever serves next.
    private func stop() {
        isStopping = true
        for stream in streams.values { stream.controlPlaneStops() }
        streams = [:]
    }

    /// Registrations as operators see them.
    package func workers() -> [MemberStatus] { machine.workers(now: now) }

    private func expireLeases() async {
        while !Task.isCancelled {
            // Twice within the longest gap, so that a gap means that we were stopped.
            let latest = now.advanced(by: limits.maximumTickGap / 2)
            let deadline = min(machine.nextDeadline ?? latest, latest)
            try? await clock.sleep(for: now.duration(to: deadline))
            let tick = machine.ticked(now: now)
            tell(tick.events)
            counters.set(registered: machine.count, held: machine.heldCount)
            guard !tick.instructions.isEmpty else { continue }
            let ended = tick.instructions.count { if case .forget = $0 { true } else { false } }
            counters.expired(ended)
            logger.warning("leases ran out", metadata: ["workers": "\(ended)"])
            enqueue(.instructions(tick.instructions))
        }
    }

    // MARK: - Steps

    func enqueue(_ step: Step) {
        pending.append(step)
        wakeUp.yield()
    }

    private func doSteps() async {
        for await _ in wakeUps {
            let steps = pending
            pending = []
            await perform(steps)
        }
        // Cancelled: whoever waits for an answer must not wait for ever.
        for case .answer(let continuation) in pending {
            continuation.resume(throwing: CancellationError())
        }
        pending = []
    }

    private func perform(_ steps: [Step]) async {
        let instructions = steps.flatMap { step in
            if case .instructions(let instructions) = step { instructions } else { [Instruction]() }
        }
        var failure: (any Error)?
        do {
            try await save(instructions)
        } catch {
            // Serving goes on with what is in memory; the worker is told and tries again.
            logger.error("registrations can't be stored", metadata: ["error": "\(error)"])
            failure = error
        }
        await publish(instructions)
        for step in steps {
            switch step {
            case .instructions(let instructions): endFencedStreams(instructions)
            case .answer(let continuation):
                if let failure {
                    continuation.resume(throwing: failure)
                } else {
                    continuation.resume()
                }
            case .drainAnnounced(let worker, let epoch): announced(worker, epoch)
            case .drainWithdrawn(let worker, let epoch): withdrawn(worker, epoch)
            }
        }
    }

    /// Everything of a batch in one transaction.
    ///
    /// A later write to a key goes over an earlier one.
    private func save(_ instructions: [Instruction]) async throws {
        var operations: [StoreKey: Transaction.Operation] = [:]
        for instruction in instructions {
            switch instruction {
            case .save(let stored):
                let key = RegistrationRecords.key(stored.registration.workerID)
                operations[key] = .put(key, try RegistrationRecords.encode(stored))
            case .forget(let worker, _):
                let key = RegistrationRecords.key(worker)
                operations[key] = .delete(key)
            case .publish, .withdraw, .fence:
                break
            }
        }
        guard !operations.isEmpty else { return }
        let epoch = RegistrationRecords.encode(machine.highestEpoch)
        operations[RegistrationRecords.highestEpochKey] = .put(
            RegistrationRecords.highestEpochKey,
            epoch
        )
        let sorted = operations.sorted { $0.key < $1.key }.map(\.value)
        for chunk in stride(from: 0, to: sorted.count, by: Self.maximumOperations) {
            let end = min(chunk + Self.maximumOperations, sorted.count)
            _ = try await store.commit(Transaction(success: Array(sorted[chunk..<end])))
        }
    }

    /// Operations in one transaction; etcd's own default limit.
    private static var maximumOperations: Int { 128 }

    private func publish(_ instructions: [Instruction]) async {
        var services: Set<ServiceName> = []
        for instruction in instructions {
            switch instruction {
            case .publish(let endpoint), .withdraw(let endpoint): services.insert(endpoint.service)
            case .save, .forget, .fence: break
            }
        }
        guard !services.isEmpty else { return }
        var endpoints: [ServiceName: [MemberEndpoint]] = [:]
        for service in services { endpoints[service] = machine.endpoints(of: service) }
        await observer.endpointsChanged(endpoints)
    }

    private func endFencedStreams(_ instructions: [Instruction]) {
        for case .fence(let id, let fence) in instructions {
            logger.notice(
                "a registration ended",
                metadata: [
                    "worker": "\(fence.workerID)", "epoch": "\(fence.epoch)",
                    "reason": "\(fence.reason)",
                ]
            )
            streams.removeValue(forKey: id)?.end(fence)
        }
    }
}

// MARK: - What streams tell

extension WorkerRegistry {
    func opened(_ stream: any RegistrationStream) -> StreamID {
        lastStream += 1
        let id = StreamID(lastStream)
        streams[id] = stream
        return id
    }

    /// Returns when the registration is on the disk and published.
    ///
    /// Throws `Refusal` or what the store throws.
    func register(
        _ request: RegistrationRequest,
        on stream: StreamID,
        connection: SocketAddress?
    ) async throws -> MembershipMachine.Grant {
        guard pending.count < maximumPendingSteps, !isStopping else { throw RegistryBusy() }
        if let connection, !connectionRate.allows(connection, now: now) {
            counters.refused()
            throw BusyConnection(limit: limits.registrationsOfConnection)
        }
        switch machine.register(request, stream: stream, now: now) {
        case .refused(let refusal):
            counters.refused()
            throw refusal
        case .granted(let grant):
            logger.info(
                "a worker registered",
                metadata: [
                    "worker": "\(request.workerID)", "service": "\(request.service)",
                    "region": "\(request.region)", "epoch": "\(grant.epoch)",
                ]
            )
            counters.granted()
            enqueue(.instructions(grant.instructions))
            try await performed()
            return grant
        }
    }

    /// Returns when everything that is queued by now is stored and published.
    func performed() async throws {
        try await withUnsafeThrowingContinuation { enqueue(.answer($0)) }
    }

    func heartbeat(
        stream: StreamID,
        epoch: Epoch,
        load: WorkerLoad,
        isServing: Bool?
    ) -> MembershipMachine.OnHeartbeat {
        let outcome = machine.heartbeat(
            stream: stream,
            epoch: epoch,
            load: load,
            isServing: isServing,
            now: now
        )
        if case .renewedWithChange(let instructions) = outcome {
            enqueue(.instructions(instructions))
        }
        return outcome
    }

    func drain(stream: StreamID, epoch: Epoch) -> MembershipMachine.OnDrainRequest {
        let outcome = machine.drainRequested(stream: stream, epoch: epoch, now: now)
        if case .announce(let worker, let instructions) = outcome {
            logger.info("a worker drains", metadata: ["worker": "\(worker)"])
            enqueue(.instructions(instructions))
            enqueue(.drainAnnounced(worker, epoch))
        }
        return outcome
    }

    func ended(_ stream: StreamID, _ cause: MembershipMachine.StreamEndCause) {
        guard !isStopping else { return }
        streams.removeValue(forKey: stream)
        let instructions = machine.streamEnded(stream, cause, now: now)
        if !instructions.isEmpty {
            logger.notice("a worker's stream ended", metadata: ["stream": "\(stream)"])
            enqueue(.instructions(instructions))
        }
    }

    // The drain was announced and published in the same batch or an earlier one. Waiting for the
    // proxies must not hold up other workers, so each wait is a task of its own; it ends by its
    // cap, and what it leads to is checked against the epoch again.
    private func announced(_ worker: WorkerID, _ epoch: Epoch) {
        Task {
            _ = await observer.confirmations(cap: drainCap)
            guard
                case .withdraw(let instructions) = machine.drainAnnounced(
                    worker: worker,
                    epoch: epoch
                )
            else { return }
            enqueue(.instructions(instructions))
            enqueue(.drainWithdrawn(worker, epoch))
        }
    }

    private func withdrawn(_ worker: WorkerID, _ epoch: Epoch) {
        Task {
            let confirmations = await observer.confirmations(cap: drainCap)
            guard case .mayStop(let id) = machine.withdrawalConfirmed(worker: worker, epoch: epoch)
            else {
                return
            }
            logger.info(
                "a worker may stop",
                metadata: [
                    "worker": "\(worker)", "confirmed": "\(confirmations.confirmed)",
                    "subscribed": "\(confirmations.subscribed)",
                ]
            )
            streams[id]?.mayStop(epoch, confirmations)
        }
    }
}

/// Too many registrations came on one connection.
struct BusyConnection: Error {
    let limit: RegistrationRateLimit
}

/// More registrations wait to be stored than the registry holds.
struct RegistryBusy: Error {}

/// The worker's end of one registration stream.
protocol RegistrationStream: Sendable {
    /// Ends the stream with the reason.
    func end(_ fence: Fence)
    /// Tells the worker that it may stop.
    func mayStop(_ epoch: Epoch, _ confirmations: Confirmations)
    /// Ends the stream although the registration goes on: the worker finds another replica, or this
    /// one again.
    func controlPlaneStops()
}
