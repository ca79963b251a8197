import Membership
import Primitives
import Testing

/// One thing that can happen to a registry with a few workers.
enum WorldEvent: Hashable {
    /// The worker opens a new stream and registers with it.
    case register(WorkerID, port: UInt32)
    /// The worker's stream, counted from its newest (0), sends a heartbeat with the epoch that it was granted.
    case heartbeat(WorkerID, streamAge: Int, isServing: Bool)
    case streamEnds(WorkerID, streamAge: Int)
    case drain(WorkerID, streamAge: Int)
    /// The proxies' confirmation for the epoch of the worker's stream comes in.
    case drainAnnounced(WorkerID, streamAge: Int)
    case withdrawalConfirmed(WorkerID, streamAge: Int)
    /// Nothing happens for a while. The timer is late.
    case time(Duration)
    case expire
    /// The control plane is killed and comes back with what the store holds; all streams are gone.
    case restart
}

/// A machine together with what its instructions did to the outside: the store, the published endpoints, the streams.
struct World: ~Copyable {
    private struct Stream {
        let id: StreamID
        let worker: WorkerID
        let epoch: Epoch
        /// The stream was told that it holds no registration any more, or is closed.
        var isOver = false
    }

    private let limits: MembershipLimits
    private var machine: MembershipMachine
    private var now = MonotonicInstant(nanoseconds: 0)
    private var streams: [Stream] = []
    private var store: [WorkerID: StoredRegistration] = [:]
    private var storedHighest = Epoch.none
    private var published: [WorkerID: MemberEndpoint] = [:]
    private(set) var problems: [String] = []
    private(set) var grants = 0
    private(set) var expired = 0
    /// Leases that were held, each counted at every look.
    private(set) var held = 0

    init(limits: MembershipLimits = MembershipLimits()) {
        var limits = limits
        // Time passes here without a tick, which must not be taken for a stop.
        limits.maximumTickGap = .seconds(1_000_000)
        self.limits = limits
        self.machine = MembershipMachine(directory: .sample, limits: limits)
    }

    /// False when the event can't happen now.
    mutating func happens(_ event: WorldEvent) -> Bool {
        switch event {
        case .register(let worker, let port): register(worker, port)
        case .heartbeat(let worker, let age, let isServing):
            return withStream(worker, age) { $0.heartbeat($1, isServing) }
        case .streamEnds(let worker, let age):
            return withStream(worker, age) { $0.streamEnds($1) }
        case .drain(let worker, let age):
            return withStream(worker, age) { $0.drain($1) }
        case .drainAnnounced(let worker, let age):
            return withStream(worker, age) { $0.announceDrain($1) }
        case .withdrawalConfirmed(let worker, let age):
            return withStream(worker, age) { $0.confirmWithdrawal($1) }
        case .time(let duration):
            now = now.advanced(by: duration)
        case .expire:
            expire()
        case .restart:
            restart()
        }
        return true
    }

    // MARK: Events

    private mutating func register(_ worker: WorkerID, _ port: UInt32) {
        let id = StreamID(UInt64(streams.count + 1))
        switch machine.register(.sample(worker.rawValue, port: port), stream: id, now: now) {
        case .refused(let refusal):
            let isTaken = published.values.contains {
                $0.workerID != worker && $0.address.port == port
            }
            expect(
                refusal.kind == .exhausted || (refusal.kind == .taken && isTaken),
                "\(worker) was refused: \(refusal)"
            )
        case .granted(let grant):
            grants += 1
            expect(
                streams.allSatisfy { $0.epoch < grant.epoch },
                "epoch \(grant.epoch) was granted before"
            )
            streams.append(Stream(id: id, worker: worker, epoch: grant.epoch))
            follow(grant.instructions)
            expect(published[worker]?.health == .serving, "\(worker) registered and is not listed")
        }
    }

    private mutating func heartbeat(_ stream: Int, _ isServing: Bool) {
        let item = streams[stream]
        let before = published
        let result = machine.heartbeat(
            stream: item.id,
            epoch: item.epoch,
            load: WorkerLoad(),
            isServing: isServing,
            now: now
        )
        switch result {
        case .renewed:
            expect(!item.isOver, "stream \(item.id) is over and was renewed")
        case .renewedWithChange(let instructions):
            expect(!item.isOver, "stream \(item.id) is over and changed something")
            follow(instructions)
        case .fenced:
            expect(item.isOver, "stream \(item.id) was fenced without an instruction")
        case .unknown:
            expect(false, "epoch \(item.epoch) was granted and is unknown")
        }
        expect(
            Set(before.keys) == Set(published.keys),
            "a heartbeat brought an endpoint or took one"
        )
    }

    private mutating func streamEnds(_ stream: Int) {
        let instructions = machine.streamEnded(streams[stream].id, .closed, now: now)
        expect(
            !streams[stream].isOver || instructions.isEmpty,
            "the end of a stream that was over did something"
        )
        streams[stream].isOver = true
        follow(instructions)
    }

    private mutating func drain(_ stream: Int) {
        let item = streams[stream]
        switch machine.drainRequested(stream: item.id, epoch: item.epoch, now: now) {
        case .announce(let worker, let instructions):
            expect(
                !item.isOver && worker == item.worker,
                "stream \(item.id) drained what it doesn't hold"
            )
            follow(instructions)
        case .ignoreRepeated: expect(!item.isOver, "stream \(item.id) is over and drains")
        case .fenced: expect(item.isOver, "stream \(item.id) was fenced without an instruction")
        case .unknown: expect(false, "epoch \(item.epoch) was granted and is unknown")
        }
    }

    private mutating func announceDrain(_ stream: Int) {
        let item = streams[stream]
        switch machine.drainAnnounced(worker: item.worker, epoch: item.epoch) {
        case .withdraw(let instructions):
            expect(
                stream == newest(item.worker),
                "an old epoch's confirmation withdrew \(item.worker)"
            )
            follow(instructions)
        case .ignoreStale: break
        }
    }

    private mutating func confirmWithdrawal(_ stream: Int) {
        let item = streams[stream]
        switch machine.withdrawalConfirmed(worker: item.worker, epoch: item.epoch) {
        case .mayStop(let id):
            expect(
                id == item.id && published[item.worker] == nil,
                "\(item.worker) may stop, but is listed"
            )
            streams[stream].isOver = true
        case .ignoreStale: break
        }
    }

    private mutating func expire() {
        let due = machine.workers(now: now).filter { $0.leaseRemaining == .zero }
        let before = machine.count
        follow(machine.ticked(now: now).instructions)
        let left = machine.workers(now: now)
        let stillDue = left.filter { $0.leaseRemaining == .zero }
        // A hold that ends gives its leases time, so fewer may be due without having ended.
        expect(before - left.count <= due.count, "more leases ended than had run out")
        expect(stillDue.allSatisfy(\.isHeld), "a lease that ran out is still there: \(left)")
        expired += before - left.count
        held += left.count { $0.isHeld }
    }

    private mutating func restart() {
        for index in streams.indices { streams[index].isOver = true }
        machine = MembershipMachine(directory: .sample, limits: limits)
        let before = published
        published = [:]
        // The order in which the store returns them must not matter; a dictionary's is as good as any.
        follow(machine.restored(Array(store.values), highestEpoch: storedHighest, now: now))
        expect(published == before, "a restart changed the endpoints")
    }

    // MARK: The outside

    private mutating func follow(_ instructions: [Instruction]) {
        for instruction in instructions {
            switch instruction {
            case .save(let stored):
                let worker = stored.registration.workerID
                expect(
                    (store[worker]?.epoch ?? .none) <= stored.epoch,
                    "the epoch of \(worker) went back"
                )
                store[worker] = stored
                storedHighest = machine.highestEpoch
            case .forget(let worker, let epoch):
                expect(store[worker]?.epoch == epoch, "\(worker) was forgotten with another epoch")
                store[worker] = nil
            case .withdraw(let endpoint):
                expect(published[endpoint.workerID] == endpoint, "withdrew what was not published")
                published[endpoint.workerID] = nil
            case .publish(let endpoint):
                published[endpoint.workerID] = endpoint
                let sharing = published.values.filter { $0.address == endpoint.address }
                expect(sharing.count == 1, "two endpoints at \(endpoint.address)")
            case .fence(let id, let fence):
                guard let index = streams.firstIndex(where: { $0.id == id }) else {
                    problems.append("fenced a stream that was never there")
                    continue
                }
                expect(!streams[index].isOver, "fenced stream \(id) twice")
                expect(
                    fence.epoch == streams[index].epoch,
                    "fenced stream \(id) with another epoch"
                )
                streams[index].isOver = true
            }
        }
    }

    // MARK: Invariants

    /// What holds after every event.
    mutating func check() {
        let workers = machine.workers(now: now)
        let listed = workers.filter { !$0.isWithdrawn }
        expect(
            machine.endpoints(of: "reports")
                == published.values.sorted { $0.workerID < $1.workerID },
            "the instructions and the table disagree"
        )
        let kept = store.values.sorted { $0.registration.workerID < $1.registration.workerID }
        let expected = listed.map {
            StoredRegistration(registration: $0.registration, epoch: $0.epoch, health: $0.health)
        }
        expect(kept == expected, "the store and the table disagree")
        expect(
            Set(workers.map(\.registration.address)).count == workers.count,
            "an address is held twice"
        )
        expect(
            workers.allSatisfy { $0.epoch <= machine.highestEpoch },
            "an epoch is above the highest"
        )
        for worker in workers {
            let live = streams.filter { $0.worker == worker.registration.workerID && !$0.isOver }
            expect(
                live.count == (worker.isAwaitingReturn ? 0 : 1),
                "\(live.count) live streams of one worker"
            )
        }
        let timed = workers.filter { !$0.isHeld }
        expect((machine.nextDeadline == nil) == timed.isEmpty, "the timer doesn't fit the table")
        if let next = machine.nextDeadline, let shortest = timed.map(\.leaseRemaining).min() {
            let bound = now.advanced(by: shortest + limits.expiryGranularity)
            expect(shortest == .zero || next <= bound, "the timer is later than a lease")
        }
    }

    private mutating func expect(_ condition: Bool, _ problem: @autoclosure () -> String) {
        if !condition { problems.append(problem()) }
    }

    /// The index of the worker's newest stream.
    private func newest(_ worker: WorkerID) -> Int? {
        streams.lastIndex { $0.worker == worker }
    }

    private mutating func withStream(
        _ worker: WorkerID,
        _ age: Int,
        _ act: (inout World, Int) -> Void
    ) -> Bool {
        let indexes = streams.indices.filter { streams[$0].worker == worker }
        guard age < indexes.count else { return false }
        act(&self, indexes[indexes.count - 1 - age])
        return true
    }
}
