import Membership
import Primitives

/// A control plane, its store, the network and worker processes on one simulated clock, all drawn from one seed.
///
/// The workers do what `RegistrationClient` does: heartbeats in every third of the lease, a stream given up after a lease
/// without an answer, a new registration after a delay that grows, an end for good when another process has their
/// place. Messages of one stream arrive in order, whatever happens; a cut network holds them back, as TCP does.
struct Simulation: ~Copyable {
    /// What can go wrong, each for a while or for good.
    enum Fault: CaseIterable {
        case killWorker
        case stopWorker
        case cutWorker
        case cutRegion
        case duplicateWorker
        case stopControlPlane
        case killControlPlane
        case jumpClock
    }

    static let step = Duration.milliseconds(50)
    static let lease = Duration.seconds(2)
    static let pushAndTick = Duration.milliseconds(350)
    private static let regions = ["eu", "us"]

    let seed: UInt64
    var random: SeededRandom
    var machine: MembershipMachine
    /// The time of the world; the control plane's clock is ahead of it by its jumps.
    var now = Duration.zero
    var clockAhead = Duration.zero
    /// Until when the control plane is stopped or gone.
    var stoppedUntil = Duration.zero
    var downUntil: Duration?
    var nextTick = Duration.zero
    var processes: [WorkerProcess] = []
    var toControl: [Message] = []
    var store: [WorkerID: StoredRegistration] = [:]
    var storedHighest = Epoch.none
    var published: [WorkerID: EndpointAddress] = [:]
    var lastStream: UInt64 = 0
    var highestEpoch = Epoch.none
    var newestEpoch: [WorkerID: Epoch] = [:]
    /// Before this no silence counts against a worker: the control plane had trouble of its own, or let a hold go.
    var excusedUntil = Duration.zero
    private(set) var problems: [String] = []
    private(set) var trail: [String] = []
    private(set) var counts: [String: Int] = [:]

    struct Message {
        enum Content {
            case register
            case heartbeat(Epoch)
            case end(MembershipMachine.StreamEndCause)
        }

        let process: Int
        let stream: StreamID
        let content: Content
    }

    init(seed: UInt64) {
        self.seed = seed
        random = SeededRandom(seed: seed)
        machine = Self.newMachine()
        for number in 1...8 {
            let region = Self.regions[number % 2]
            processes.append(
                WorkerProcess(worker: WorkerID("w\(number)"), region: region, port: UInt32(number))
            )
        }
    }

    private static func newMachine() -> MembershipMachine {
        var directory = MeshDirectory(
            regions: ["eu": [], "us": []],
            services: ["reports": lease]
        )
        directory.massExpiry = ["reports": MassExpiryRule(percent: 50, workers: 2)]
        var limits = MembershipLimits()
        // The workers' own delays are bound enough; a refusal would only slow the schedule down.
        limits.registrationsOfWorker = RegistrationRateLimit(burst: 1_000, perSecond: 1_000)
        return MembershipMachine(directory: directory, limits: limits)
    }

    // MARK: Running

    /// Faults for a while, then peace until everything must be well.
    mutating func run(faults: Int) {
        for _ in 0..<faults {
            advance(by: .milliseconds(Int.random(in: 200...4_000, using: &random)))
            strike(Fault.allCases.randomElement(using: &random) ?? .stopWorker)
            guard problems.isEmpty else { return }
        }
        makePeace()
        advance(by: .seconds(40))
        checkPeace()
    }

    private mutating func advance(by duration: Duration) {
        let end = now + duration
        while now < end, problems.isEmpty {
            now += Self.step
            for index in processes.indices { runProcess(index) }
            runControlPlane()
            check()
        }
    }

    private mutating func strike(_ fault: Fault) {
        let victim = Int.random(in: processes.indices, using: &random)
        let length = Duration.milliseconds(Int.random(in: 100...8_000, using: &random))
        counts["\(fault)", default: 0] += 1
        note("\(fault) \(processes[victim].worker)/\(victim) for \(length)")
        switch fault {
        case .killWorker: kill(victim, restartAfter: length)
        case .stopWorker:
            processes[victim].stoppedUntil = max(processes[victim].stoppedUntil, now + length)
            processes[victim].suffered(now)
        case .cutWorker: cut(victim, for: length)
        case .cutRegion:
            for index in processes.indices where processes[index].region == processes[victim].region
            {
                cut(index, for: length)
            }
        case .duplicateWorker:
            guard processes.count < 16 else { return }
            var copy = WorkerProcess(
                worker: processes[victim].worker,
                region: processes[victim].region,
                port: UInt32(100 + processes.count)
            )
            copy.comesBackAt = now
            processes.append(copy)
        case .stopControlPlane:
            guard downUntil == nil else { return }
            stoppedUntil = max(stoppedUntil, now + length)
        case .killControlPlane: killControlPlane(for: length)
        case .jumpClock:
            clockAhead += length
        }
    }

    private mutating func cut(_ index: Int, for length: Duration) {
        processes[index].cutUntil = max(processes[index].cutUntil, now + length)
        processes[index].suffered(now)
    }

    private mutating func kill(_ index: Int, restartAfter delay: Duration) {
        guard processes[index].isAlive(now) else { return }
        // The kernel closes the connection; a cut network keeps that from the control plane.
        if let stream = processes[index].stream {
            toControl.append(
                Message(process: index, stream: stream, content: .end(.connectionLost))
            )
        }
        processes[index].stream = nil
        processes[index].epoch = nil
        processes[index].answers = []
        processes[index].suffered(now)
        processes[index].comesBackAt = now + delay
    }

    private mutating func makePeace() {
        note("peace")
        for index in processes.indices {
            processes[index].stoppedUntil = min(processes[index].stoppedUntil, now)
            processes[index].cutUntil = min(processes[index].cutUntil, now)
        }
        stoppedUntil = min(stoppedUntil, now)
        if downUntil != nil { downUntil = now }
    }

    // MARK: The control plane

    private mutating func killControlPlane(for length: Duration) {
        guard downUntil == nil else { return }
        downUntil = now + length
        stoppedUntil = now
        toControl = []
        // Every connection breaks; who can be reached learns of it at once, and nobody is told why.
        for index in processes.indices {
            processes[index].stream = nil
            processes[index].epoch = nil
            processes[index].retryAt = now + processes[index].delay(using: &random)
        }
    }

    private mutating func runControlPlane() {
        if let back = downUntil {
            guard now >= back else { return }
            downUntil = nil
            machine = Self.newMachine()
            published = [:]
            follow(
                machine.restored(Array(store.values), highestEpoch: storedHighest, now: clock),
                isRegistration: false
            )
            excusedUntil = now + Self.lease + .seconds(15)
            nextTick = now
        }
        guard now >= stoppedUntil else {
            excusedUntil = max(excusedUntil, now + Self.lease)
            return
        }
        // After a stop the timer and the sockets are ready at the same time: either may come first.
        let ticksFirst = Bool.random(using: &random)
        if ticksFirst { tick() }
        readMessages()
        if !ticksFirst { tick() }
    }

    private var clock: MonotonicInstant { MonotonicInstant(sinceOrigin: now + clockAhead) }

    private mutating func tick() {
        guard now >= nextTick || machine.nextDeadline.map({ $0 <= clock }) == true else { return }
        nextTick = now + .milliseconds(250)
        let tick = machine.ticked(now: clock)
        for event in tick.events {
            note("\(event)")
            switch event {
            case .wasStopped:
                excusedUntil = max(excusedUntil, now + Self.lease)
                counts["noticed stops", default: 0] += 1
            case .holding: counts["holds", default: 0] += 1
            case .released: excusedUntil = max(excusedUntil, now + Self.lease)
            }
        }
        follow(tick.instructions, isRegistration: false)
    }

    private mutating func readMessages() {
        var waiting: [Message] = []
        let arrived = toControl
        toControl = []
        for message in arrived {
            if now < processes[message.process].cutUntil {
                waiting.append(message)
            } else {
                read(message)
            }
        }
        toControl = waiting + toControl
    }

    private mutating func read(_ message: Message) {
        let process = processes[message.process]
        switch message.content {
        case .register:
            switch machine.register(request(of: process), stream: message.stream, now: clock) {
            case .granted(let grant):
                expect(grant.epoch > highestEpoch, "epoch \(grant.epoch) was granted before")
                highestEpoch = grant.epoch
                newestEpoch[process.worker] = grant.epoch
                processes[message.process].heardAt = now
                note("\(process.worker)/\(message.process) has epoch \(grant.epoch)")
                follow(grant.instructions, isRegistration: true)
                answer(message, .granted(grant.epoch))
            case .refused(let refusal):
                expect(refusal.kind == .taken, "\(process.worker) was refused: \(refusal)")
                answer(message, .lost(mayReturn: true))
            }
        case .heartbeat(let epoch):
            let outcome = machine.heartbeat(
                stream: message.stream,
                epoch: epoch,
                load: WorkerLoad(),
                isServing: true,
                now: clock
            )
            switch outcome {
            case .renewed, .renewedWithChange:
                expect(
                    newestEpoch[process.worker] == epoch,
                    "\(process.worker) has two live epochs: \(epoch) was renewed"
                )
                processes[message.process].heardAt = now
                answer(message, .renewed)
            case .fenced: answer(message, .lost(mayReturn: true))
            case .unknown: expect(false, "epoch \(epoch) was granted and is unknown")
            }
        case .end(let cause):
            follow(
                machine.streamEnded(message.stream, cause, now: clock),
                isRegistration: false
            )
        }
    }

    private func request(of process: WorkerProcess) -> RegistrationRequest {
        .sample(process.worker.rawValue, port: process.port).with {
            $0.region = process.region
            $0.zone = ""
            $0.lease = Self.lease
        }
    }

    private mutating func follow(_ instructions: [Instruction], isRegistration: Bool) {
        for instruction in instructions {
            switch instruction {
            case .save(let stored):
                store[stored.registration.workerID] = stored
                storedHighest = machine.highestEpoch
            case .forget(let worker, let epoch):
                if store[worker]?.epoch == epoch { store[worker] = nil }
            case .publish(let endpoint): published[endpoint.workerID] = endpoint.address
            case .withdraw(let endpoint):
                note("\(endpoint.workerID) is out")
                published[endpoint.workerID] = nil
                counts["withdrawals", default: 0] += 1
                checkWithdrawal(of: endpoint.workerID, isReplaced: isRegistration)
            case .fence(let stream, let fence):
                let index = processes.firstIndex { $0.stream == stream }
                guard let index else { continue }
                switch fence.reason {
                case .superseded, .addressTaken:
                    answer(index, stream, .lost(mayReturn: false))
                case .leaseExpired: answer(index, stream, .lost(mayReturn: true))
                }
            }
        }
    }

    // MARK: Answers

    private mutating func answer(_ message: Message, _ content: WorkerProcess.Answer) {
        answer(message.process, message.stream, content)
    }

    private mutating func answer(_ index: Int, _ stream: StreamID, _ content: WorkerProcess.Answer)
    {
        processes[index].answers.append((stream, content))
    }

    // MARK: Workers

    private mutating func runProcess(_ index: Int) {
        guard processes[index].isAlive(now), now >= processes[index].stoppedUntil else { return }
        if now >= processes[index].cutUntil { processes[index].readAnswers(now, using: &random) }
        switch processes[index].act(now, lease: Self.lease, using: &random) {
        case .nothing: break
        case .register:
            lastStream += 1
            let stream = StreamID(lastStream)
            // A control plane that is gone refuses the connection.
            guard downUntil == nil else { return processes[index].failed(now, using: &random) }
            processes[index].stream = stream
            processes[index].lastAnswer = now
            toControl.append(Message(process: index, stream: stream, content: .register))
        case .heartbeat(let stream, let epoch):
            toControl.append(Message(process: index, stream: stream, content: .heartbeat(epoch)))
        case .giveUp(let stream):
            toControl.append(Message(process: index, stream: stream, content: .end(.closed)))
        }
    }

    // MARK: Notes

    mutating func note(_ text: String) {
        trail.append("\(now): \(text)")
        if trail.count > 40 { trail.removeFirst() }
    }

    mutating func expect(_ condition: Bool, _ problem: @autoclosure () -> String) {
        if !condition { problems.append(problem()) }
    }
}

/// One process of a worker: it may be killed, stopped, cut off, and another of the same name may run beside it.
struct WorkerProcess {
    enum Answer {
        case granted(Epoch)
        case renewed
        case lost(mayReturn: Bool)
    }

    enum Act {
        case nothing
        case register
        case heartbeat(StreamID, Epoch)
        case giveUp(StreamID)
    }

    let worker: WorkerID
    let region: String
    let port: UInt32
    var stream: StreamID?
    var epoch: Epoch?
    var answers: [(stream: StreamID, answer: Answer)] = []
    var lastAnswer = Duration.zero
    var nextBeat = Duration.zero
    var retryAt = Duration.zero
    var failures = 0
    var comesBackAt = Duration.zero
    var stoppedUntil = Duration.zero
    var cutUntil = Duration.zero
    /// Another process has its place: it has ended.
    var isOver = false
    /// When something was last done to it; the control plane's trouble does not count.
    var sufferedAt: Duration?
    /// When the control plane last heard it with the lease that it has.
    var heardAt = Duration.zero
    /// Since when it has held a lease without suffering.
    var holdsSince: Duration?

    init(worker: WorkerID, region: String, port: UInt32) {
        self.worker = worker
        self.region = region
        self.port = port
    }

    func isAlive(_ now: Duration) -> Bool { !isOver && now >= comesBackAt }

    mutating func suffered(_ now: Duration) {
        sufferedAt = now
        holdsSince = nil
    }

    func delay(using random: inout SeededRandom) -> Duration {
        let limit = min(100 << min(failures, 5), 3_000)
        return .milliseconds(Int.random(in: limit / 2...limit, using: &random))
    }

    mutating func failed(_ now: Duration, using random: inout SeededRandom) {
        stream = nil
        epoch = nil
        retryAt = now + delay(using: &random)
        failures += 1
    }

    mutating func readAnswers(_ now: Duration, using random: inout SeededRandom) {
        for (answered, answer) in answers where answered == stream {
            lastAnswer = now
            switch answer {
            case .granted(let granted):
                epoch = granted
                failures = 0
                nextBeat = now
                if holdsSince == nil { holdsSince = now }
            case .renewed:
                if holdsSince == nil { holdsSince = now }
            case .lost(let mayReturn):
                failed(now, using: &random)
                holdsSince = nil
                if !mayReturn { isOver = true }
            }
        }
        answers = []
    }

    mutating func act(_ now: Duration, lease: Duration, using random: inout SeededRandom) -> Act {
        guard !isOver else { return .nothing }
        guard let stream else { return now >= retryAt ? .register : .nothing }
        guard let epoch, now >= nextBeat else { return .nothing }
        guard now - lastAnswer < lease else {
            failed(now, using: &random)
            return .giveUp(stream)
        }
        nextBeat = now + lease / 3
        return .heartbeat(stream, epoch)
    }
}
