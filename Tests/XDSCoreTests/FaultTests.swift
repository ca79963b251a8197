import Foundation
import Primitives
import Testing
import XDSCore

/// Seeded runs of several clients on one view, over a network and with processes that fail.
///
/// The rules of a stream have to hold whatever comes in, also what TCP would never do; that a
/// client converges is asked of it only on a stream that nothing was done to.
///
/// `MERIDIAN_SEED` replays one seed, in all cases, with the events that led to its end.
struct FaultTests {
    struct Case: CustomTestStringConvertible, Sendable {
        var faults: Set<Fault>
        var refuses = false

        var testDescription: String {
            faults.map(\.rawValue).sorted().joined(separator: ", ") + (refuses ? ", refuses" : "")
        }
    }

    enum Fault: String, CaseIterable {
        /// A message is lost, one way or the other.
        case drop
        /// A message comes twice.
        case duplicate
        /// A message overtakes another one.
        case reorder
        /// A stream hears of snapshots late, twice, or of an older one after a newer one.
        case late
        /// A connection breaks.
        case disconnect
        /// A client starts anew, with nothing.
        case clientCrash
        /// The control plane forgets all streams, and what it knew of the clients.
        case serverCrash
    }

    static let seeds = 60
    static let cases: [Case] = [
        Case(faults: [.late]),
        Case(faults: [.late, .disconnect, .clientCrash, .serverCrash]),
        Case(faults: [.duplicate]),
        Case(faults: [.reorder]),
        Case(faults: [.drop, .disconnect]),
        Case(faults: Set(Fault.allCases)),
        Case(faults: [.late, .disconnect, .clientCrash], refuses: true),
    ]

    @Test(arguments: cases)
    func `the rules of every stream hold and every client ends with what it asked for`(
        _ parameters: Case
    ) {
        let replayed = ProcessInfo.processInfo.environment["MERIDIAN_SEED"].flatMap { UInt64($0) }
        for seed in replayed.map({ [$0] }) ?? Array(0..<UInt64(Self.seeds)) {
            let problems = FaultSimulation.run(seed, parameters, isTraced: false).problems
            guard !problems.isEmpty || replayed != nil else { continue }
            let trace = FaultSimulation.run(seed, parameters, isTraced: true).trace
            #expect(
                problems == [],
                """
                replay with MERIDIAN_SEED=\(seed)
                \(trace.suffix(60).joined(separator: "\n"))
                """
            )
            return
        }
    }
}

/// Several clients, the streams that serve them, and what is on its way between them.
private struct FaultSimulation: ~Copyable {
    private let parameters: FaultTests.Case
    private let isTraced: Bool
    private var random: SeededRandom
    private var configuration: FakeConfiguration
    /// All snapshots so far, of which a stream may hear late.
    private var view: View
    private var lines: [Line] = []
    private var contents: [PushKey: String] = [:]
    private var problems: [String] = []
    private var trace: [String] = []

    static func run(
        _ seed: UInt64,
        _ parameters: FaultTests.Case,
        isTraced: Bool
    ) -> (problems: [String], trace: [String]) {
        var simulation = FaultSimulation(seed, parameters, isTraced: isTraced)
        simulation.run(steps: 250)
        simulation.settle()
        return (simulation.problems, simulation.trace)
    }

    private init(_ seed: UInt64, _ parameters: FaultTests.Case, isTraced: Bool) {
        self.parameters = parameters
        self.isTraced = isTraced
        random = SeededRandom(seed: seed)
        configuration = FakeConfiguration(seed: seed)
        view = View(id: ViewID(1), maximumLoggedChangesPerType: 4)
            .replacing(with: configuration.resources)
        for index in 0..<4 {
            lines.append(Line(index < 2 ? .delta : .stateOfTheWorld, refuses: parameters.refuses))
        }
    }

    // MARK: Events

    private mutating func run(steps: Int) {
        for _ in 0..<steps where problems.isEmpty {
            let index = Int.random(in: 0..<lines.count, using: &random)
            switch Int.random(in: 0..<24, using: &random) {
            case 0, 1: publish()
            case 2: happens("watchdog", index) { $0.stream.watchdogCame() }
            case 3: happens("heartbeat", index) { $0.stream.heartbeatIsDue() }
            case 4: fail(index)
            case 5..<7: deliverSnapshot(index)
            case 7..<15: deliverToServer(index, isFaulty: true)
            default: deliverToClient(index, isFaulty: true)
            }
        }
    }

    private mutating func settle() {
        for index in lines.indices where problems.isEmpty {
            // What was lost or came in disorder is put right by the next stream, and by that only.
            if lines[index].isDisordered { reconnect(index) }
            lines[index].snapshots = [view]
        }
        for _ in 0..<20_000 where problems.isEmpty {
            var isAtRest = true
            for index in lines.indices {
                lines[index].collectRequests()
                isAtRest = isAtRest && !lines[index].hasTraffic
                deliverSnapshot(index)
                deliverToServer(index, isFaulty: false)
                deliverToClient(index, isFaulty: false)
            }
            if isAtRest { return checkConvergence() }
        }
        if problems.isEmpty { problems.append("the exchange doesn't come to rest") }
    }

    private mutating func publish() {
        configuration.mutate()
        view = view.replacing(with: configuration.resources)
        note("publish \(view.revision)")
        for index in lines.indices {
            lines[index].snapshots.append(view)
            if !parameters.faults.contains(.late) { deliverSnapshot(index) }
        }
    }

    /// A notice of a snapshot comes; which one and how often is the network's choice.
    private mutating func deliverSnapshot(_ index: Int) {
        guard !lines[index].snapshots.isEmpty else { return }
        let isLate = parameters.faults.contains(.late) && lines[index].snapshots.count > 1
        let choice = isLate ? Int.random(in: 0..<lines[index].snapshots.count, using: &random) : 0
        let snapshot = lines[index].snapshots[choice]
        if !isLate || Bool.random(using: &random) { lines[index].snapshots.remove(at: choice) }
        happens("snapshot \(snapshot.revision)", index) { $0.stream.viewChanged(to: snapshot) }
    }

    private mutating func fail(_ index: Int) {
        let possible: [FaultTests.Fault] = [.disconnect, .clientCrash, .serverCrash]
            .filter { parameters.faults.contains($0) }
        guard let fault = possible.randomElement(using: &random),
            Int.random(in: 0..<3, using: &random) == 0
        else { return }
        note("\(index): \(fault)")
        switch fault {
        case .clientCrash: lines[index].clientCrashed()
        case .serverCrash: for each in lines.indices { lines[each].serverCrashed() }
        case .drop, .duplicate, .reorder, .late, .disconnect: break
        }
        for each in lines.indices where fault == .serverCrash || each == index { reconnect(each) }
    }

    private mutating func reconnect(_ index: Int) {
        lines[index].reconnect()
        note("\(index): connects")
    }

    private mutating func deliverToServer(_ index: Int, isFaulty: Bool) {
        lines[index].collectRequests()
        guard let choice = choose(lines[index].toServer.count, index, isFaulty) else { return }
        let request = lines[index].toServer[choice.index]
        if !choice.isKept { lines[index].toServer.remove(at: choice.index) }
        guard !choice.isLost else { return }
        let view = self.view
        lines[index].rules.receives(request)
        happens("\(request)", index) { $0.receive(request, in: view) }
    }

    private mutating func deliverToClient(_ index: Int, isFaulty: Bool) {
        guard let choice = choose(lines[index].toClient.count, index, isFaulty) else { return }
        let push = lines[index].toClient[choice.index]
        if !choice.isKept { lines[index].toClient.remove(at: choice.index) }
        guard !choice.isLost else { return }
        note("\(index): client gets \(push.summary) \(push.nonce.text)")
        lines[index].client.received(push)
    }

    private struct Choice {
        var index = 0
        var isKept = false
        var isLost = false
    }

    /// Which of so many messages is next, and whether it is lost or will come again.
    private mutating func choose(_ count: Int, _ line: Int, _ isFaulty: Bool) -> Choice? {
        guard count > 0 else { return nil }
        var choice = Choice()
        guard isFaulty, Int.random(in: 0..<6, using: &random) == 0 else { return choice }
        let faults: [FaultTests.Fault] = [.drop, .duplicate, .reorder]
            .filter { parameters.faults.contains($0) }
        guard let fault = faults.randomElement(using: &random) else { return choice }
        lines[line].isDisordered = true
        note("\(line): \(fault)")
        switch fault {
        case .drop: choice.isLost = true
        case .duplicate: choice.isKept = true
        case .reorder: choice.index = Int.random(in: 0..<count, using: &random)
        case .late, .disconnect, .clientCrash, .serverCrash: break
        }
        return choice
    }

    private mutating func happens(
        _ event: String,
        _ index: Int,
        _ body: (Line) -> [ADSStream.Action]
    ) {
        note("\(index): \(event)")
        for action in body(lines[index]) {
            switch action {
            case .send(let push):
                note("\(index): sends \(push.summary) \(push.nonce.text)")
                problems += lines[index].rules.sends(push, view: view).map { "\(index): \($0)" }
                checkContent(of: push)
                lines[index].toClient.append(push)
            case .acknowledged(let type, let nonce, _):
                lines[index].rules.isAnswered(type, nonce, isRefused: false)
            case .rejected(let type, let nonce, _, _):
                lines[index].rules.isAnswered(type, nonce, isRefused: true)
            case .remember(let type, let memory):
                lines[index].memories[type] = memory
                if memory.uncertain.count + memory.rejections.count > 4 * 12 {
                    problems.append("\(index): too much is remembered of \(type.shortName)")
                }
            case .overdue, .ignoredNonce, .companionsBelongElsewhere: break
            case .violation(let violation): problems.append("\(index): \(violation.message)")
            }
        }
    }

    private mutating func note(_ event: String) {
        if isTraced { trace.append(event) }
    }

    // MARK: What holds beyond one stream

    /// Streams share bytes by this key, so it has to say all that is in them.
    private mutating func checkContent(of push: Push) {
        let content = "\(push.summary) \(push.version) \(push.absences) \(push.emptiedNames)"
        if let other = contents[push.key], other != content {
            problems.append("one key for two responses: \(other) and \(content)")
        }
        contents[push.key] = content
    }

    private mutating func checkConvergence() {
        for index in lines.indices {
            problems += convergenceProblems(
                of: lines[index].client,
                on: lines[index].stream.status,
                view: view,
                refuses: parameters.refuses
            ).map { "\(index): \($0)" }
        }
    }
}

/// One client, its stream, and what is on its way.
private final class Line {
    let variant: ProtocolVariant
    private let refuses: @Sendable (EncodedResource) -> Bool
    var stream: ADSStream
    var client: FakeClient
    var rules: StreamRules
    var toServer: [FakeClient.Request] = []
    var toClient: [Push] = []
    /// Notices of snapshots that the stream hasn't had.
    var snapshots: [View] = []
    var memories: [TypeURL: ClientMemory] = [:]
    /// A message was lost, doubled or overtaken since the stream began.
    var isDisordered = false

    init(_ variant: ProtocolVariant, refuses: Bool) {
        self.variant = variant
        self.refuses = { resource in
            guard refuses, resource.typeURL != .clusterLoadAssignment else { return false }
            return (Int(resource.version.rawValue) ?? 0) % 5 == 0
        }
        stream = ADSStream(variant: variant)
        client = FakeClient(variant, refuses: self.refuses)
        rules = StreamRules(variant)
        client.connected()
    }

    func collectRequests() {
        while let request = client.takeOutbox() { toServer.append(request) }
    }

    var hasTraffic: Bool { !toServer.isEmpty || !toClient.isEmpty || !snapshots.isEmpty }

    func receive(_ request: FakeClient.Request, in view: View) -> [ADSStream.Action] {
        switch request {
        case .delta(let request): stream.received(request, in: view)
        case .stateOfTheWorld(let request): stream.received(request, in: view)
        }
    }

    /// The client has nothing any more; what the control plane knows of it is out of date.
    func clientCrashed() {
        client = FakeClient(variant, refuses: refuses)
    }

    func serverCrashed() {
        stream = ADSStream(variant: variant)
        memories = [:]
    }

    func reconnect() {
        for (type, memory) in stream.memoriesAtEnd { memories[type] = memory }
        stream = ADSStream(variant: variant)
        stream.recalled(memories)
        rules = StreamRules(variant)
        toServer = []
        toClient = []
        snapshots = []
        isDisordered = false
        client.connected()
    }
}
