import MeridianAPI
import SwiftProtobuf

/// Workers that register over the real API, keep their leases, and change when they are told to.
final class WorkerFleet: ChangeSource {
    /// Streams of one connection; servers allow at least a hundred.
    private static let workersPerConnection = 100
    private static let lease: UInt64 = 60
    private static let tick: UInt64 = .milliseconds(250)
    /// Ticks between two heartbeats of a worker: 20 s, a third of the lease.
    private static let heartbeatTicks = 80
    private static let path = "/meridian.v1.WorkerRegistry/Register"

    private let mesh: MeshShape
    private let port: UInt16
    private let poller: Poller
    private let buffer: ReadBuffer
    private var workers: [Worker]
    private var links: [Link] = []
    private var admin: AdminLink?
    private var ticks = 0
    private(set) var registered = 0
    private(set) var failures: [String: Int] = [:]
    /// Registered and deregistered again and again.
    private var churn: Churn?

    private struct Worker {
        let index: EndpointIndex
        var link: Int
        var stream: UInt32?
        var epoch: UInt64?
        var isServing = true
        var isWanted = true
        /// Who comes back from churn has another port and another name, as a new process has: one that
        /// kept its name would soon be told that it registers too often.
        var port: UInt32 = 8_080
        var generation = 0
    }

    private struct Churn {
        var slots: Set<Int>
        var pairs = 0
        var until: UInt64
    }

    init(_ mesh: MeshShape, port: UInt16, poller: Poller, buffer: ReadBuffer) {
        self.mesh = mesh
        self.port = port
        self.poller = poller
        self.buffer = buffer
        workers = mesh.all.enumerated().map {
            Worker(index: $1, link: $0 / Self.workersPerConnection)
        }
    }

    var wanted: Int { workers.count { $0.isWanted } }
    var isReady: Bool { registered == wanted }

    func connect() {
        let count = (workers.count + Self.workersPerConnection - 1) / Self.workersPerConnection
        links = (0..<count).map { Link(number: $0, fleet: self) }
        for link in links { link.connect(port, poller, buffer) }
        admin = AdminLink(port: port, poller: poller, buffer: buffer)
        beat()
    }

    private func beat() {
        ticks += 1
        for number in stride(
            from: ticks % Self.heartbeatTicks,
            to: workers.count,
            by: Self.heartbeatTicks
        ) where workers[number].epoch != nil { sendHeartbeat(number) }
        poller.schedule(after: Self.tick) { self.beat() }
    }

    private func position(of index: EndpointIndex) -> Int {
        index.cluster * mesh.endpoints + index.endpoint
    }

    // MARK: - Requests

    private func register(_ number: Int) {
        let worker = workers[number]
        guard worker.stream == nil, let connection = links[worker.link].connection,
            links[worker.link].isConnected
        else { return }
        let stream = connection.open(Self.path)
        workers[number].stream = stream
        links[worker.link].workers[stream] = number
        send(.registration(registration(of: number)), of: number)
    }

    private func registration(of number: Int) -> Meridian_V1_Registration {
        let index = workers[number].index
        let scope = mesh.scopes[index.endpoint % mesh.scopes.count]
        return .with {
            $0.workerID = "worker-\(number)-\(workers[number].generation)"
            $0.service = mesh.clusterName(index.cluster)
            $0.version = "1.0.0"
            $0.locality = .with {
                $0.region = scope.region
                $0.zone = scope.zone
            }
            // Nobody calls them.
            $0.address = .with {
                $0.host = "10.\(number >> 16 & 255).\(number >> 8 & 255).\(number & 255)"
                $0.port = workers[number].port
            }
            $0.capacity = 100
            $0.lease = .with { $0.seconds = Int64(Self.lease) }
        }
    }

    private func sendHeartbeat(_ number: Int) {
        guard let epoch = workers[number].epoch else { return }
        let isServing = workers[number].isServing
        send(
            .heartbeat(
                .with {
                    $0.epoch = epoch
                    $0.health = isServing ? .serving : .notServing
                }
            ),
            of: number
        )
    }

    private func send(_ message: Meridian_V1_RegisterRequest.OneOf_Message, of number: Int) {
        guard let stream = workers[number].stream,
            let bytes: [UInt8] = try? Meridian_V1_RegisterRequest.with({ $0.message = message })
                .serializedBytes()
        else { return }
        links[workers[number].link].connection?.send(bytes, on: stream)
    }

    private func deregister(_ number: Int) {
        guard let stream = workers[number].stream else { return }
        let link = links[workers[number].link]
        link.workers[stream] = nil
        link.connection?.reset(stream)
        forget(number)
    }

    private func forget(_ number: Int) {
        if workers[number].epoch != nil { registered -= 1 }
        workers[number].stream = nil
        workers[number].epoch = nil
    }

    // MARK: - Changes

    var isSettled: Bool { isReady }

    func make(_ kind: ChangeKind, of index: EndpointIndex) -> UInt64 {
        let number = position(of: index)
        let start = Clock.now()
        switch kind {
        case .down, .up:
            workers[number].isServing = kind == .up
            sendHeartbeat(number)
        case .leave:
            workers[number].isWanted = false
            deregister(number)
        case .join:
            workers[number].isWanted = true
            register(number)
        }
        links[workers[number].link].connection?.flush()
        return start
    }

    func askForAcknowledged() { admin?.ask() }
    var acknowledged: UInt64? { admin?.acknowledged }

    // MARK: - Churn

    /// Has some workers leave and come back, each as fast as it is answered.
    func churn(_ count: Int, until time: UInt64) {
        let step = max(workers.count / count, 1)
        let chosen = stride(from: 0, to: workers.count, by: step).prefix(count)
        churn = Churn(slots: Set(chosen), until: time)
        for number in chosen { replace(number) }
    }

    /// How many have left and come back.
    func endChurn() -> Int {
        defer { churn = nil }
        return churn?.pairs ?? 0
    }

    // MARK: - What the connections tell

    fileprivate func connected(_ link: Link) {
        for number in workers.indices
        where workers[number].link == link.number && workers[number].isWanted {
            register(number)
        }
    }

    fileprivate func received(_ message: UnsafeRawBufferPointer, by number: Int) {
        guard let response = try? Meridian_V1_RegisterResponse(serializedBytes: Array(message))
        else { return failures["an answer of the registry that can't be read", default: 0] += 1 }
        guard case .lease(let lease) = response.message else { return }
        if workers[number].epoch == nil { registered += 1 }
        workers[number].epoch = lease.epoch
        // Who is not well says so at once, as it was before a connection was lost.
        if !workers[number].isServing { sendHeartbeat(number) }
        guard churn?.slots.contains(number) == true else { return }
        churn?.pairs += 1
        guard let until = churn?.until, Clock.now() < until else { return }
        replace(number)
    }

    private func replace(_ number: Int) {
        deregister(number)
        workers[number].port = workers[number].port % 60_000 + 1
        workers[number].generation += 1
        register(number)
    }

    fileprivate func ended(_ number: Int, _ reason: String) {
        failures[reason, default: 0] += 1
        forget(number)
    }

    fileprivate func lost(_ link: Link) {
        for number in link.workers.values { forget(number) }
        link.workers = [:]
        poller.schedule(after: .milliseconds(Int.random(in: 100...400))) {
            link.connect(self.port, self.poller, self.buffer)
        }
    }

    /// One connection with the streams of many workers.
    fileprivate final class Link: WireConnectionOwner {
        let number: Int
        private unowned let fleet: WorkerFleet
        private(set) var connection: WireConnection?
        private(set) var isConnected = false
        var workers: [UInt32: Int] = [:]

        init(number: Int, fleet: WorkerFleet) {
            self.number = number
            self.fleet = fleet
        }

        func connect(_ port: UInt16, _ poller: Poller, _ buffer: ReadBuffer) {
            connection = WireConnection(
                to: .loopback(port),
                from: nil,
                poller: poller,
                buffer: buffer,
                owner: self
            )
        }

        func connected(_ connection: WireConnection) {
            isConnected = true
            fleet.connected(self)
        }

        func received(
            _ message: UnsafeRawBufferPointer,
            stream: UInt32,
            on connection: WireConnection
        ) {
            if let worker = workers[stream] { fleet.received(message, by: worker) }
        }

        func streamEnded(_ stream: UInt32, _ reason: String, on connection: WireConnection) {
            if let worker = workers.removeValue(forKey: stream) { fleet.ended(worker, reason) }
        }

        func closed(_ connection: WireConnection, _ reason: String) {
            isConnected = false
            self.connection = nil
            fleet.lost(self)
        }
    }
}
