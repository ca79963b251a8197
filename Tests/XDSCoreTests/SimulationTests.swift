import Primitives
import Testing
import XDSCore

/// Seeded runs of one stream with a client that behaves as Envoy does.
struct SimulationTests {
    struct Case: CustomTestStringConvertible, Sendable {
        var variant: ProtocolVariant
        var reconnects = false
        var refuses = false
        var movesBetweenViews = false

        var testDescription: String {
            "\(variant), reconnects \(reconnects), refuses \(refuses), moves \(movesBetweenViews)"
        }
    }

    static let cases: [Case] = [
        Case(variant: .delta),
        Case(variant: .delta, reconnects: true),
        Case(variant: .delta, movesBetweenViews: true),
        Case(variant: .delta, reconnects: true, refuses: true, movesBetweenViews: true),
        Case(variant: .stateOfTheWorld),
        Case(variant: .stateOfTheWorld, reconnects: true),
        Case(variant: .stateOfTheWorld, reconnects: true, movesBetweenViews: true),
        Case(variant: .stateOfTheWorld, refuses: true, movesBetweenViews: true),
        Case(variant: .delta, reconnects: true, refuses: true),
        Case(variant: .stateOfTheWorld, reconnects: true, refuses: true),
    ]

    @Test(arguments: cases)
    func `a client converges and no route ever leads nowhere`(_ parameters: Case) {
        for seed in UInt64(0)..<150 {
            var simulation = Simulation(seed: seed, parameters)
            simulation.run(steps: 120)
            simulation.settle()
            #expect(simulation.problems == [], "seed \(seed)")
            if !simulation.problems.isEmpty { return }
        }
    }
}

/// The network between one stream and one client, with everything that may happen to it.
private struct Simulation: ~Copyable {
    private let parameters: SimulationTests.Case
    private var random: SeededRandom
    private var configurations: [FakeConfiguration]
    private var views: [View]
    private var current = 0
    private var stream: ADSStream
    private var client: FakeClient
    private var toServer: [FakeClient.Request] = []
    private var toClient: [Push] = []
    /// The version that was last sent of each resource, to see that it never goes back.
    private var sent: [ResourceReference: Int] = [:]
    private(set) var problems: [String] = []
    /// What the server keeps of the client.
    private var memories: [TypeURL: ClientMemory] = [:]

    init(seed: UInt64, _ parameters: SimulationTests.Case) {
        self.parameters = parameters
        self.random = SeededRandom(seed: seed)
        let configurations = [FakeConfiguration(seed: seed), FakeConfiguration(seed: ~seed)]
        self.configurations = configurations
        // A short log, so that the comparison in full is in the runs too.
        self.views = configurations.enumerated().map { index, configuration in
            View(id: ViewID(UInt64(index)), maximumLoggedChangesPerType: 4)
                .replacing(with: configuration.resources)
        }
        self.stream = ADSStream(variant: parameters.variant)
        let refuses = parameters.refuses
        self.client = FakeClient(parameters.variant) { resource in
            guard refuses, resource.typeURL != .clusterLoadAssignment else { return false }
            return (Int(resource.version.rawValue) ?? 0) % 5 == 0
        }
        client.connected()
    }

    mutating func run(steps: Int) {
        for _ in 0..<steps where problems.isEmpty {
            switch Int.random(in: 0..<22, using: &random) {
            case 0..<3: publish(tellsStream: true)
            case 3: publish(tellsStream: false)
            case 20: take(stream.watchdogCame())
            case 21: take(stream.heartbeatIsDue())
            case 4 where parameters.movesBetweenViews && Int.random(in: 0..<4, using: &random) == 0:
                current = 1 - current
                tellStream()
            case 5 where parameters.reconnects && Int.random(in: 0..<3, using: &random) == 0:
                reconnect()
            case 6..<10: if let request = client.takeOutbox() { toServer.append(request) }
            case 10..<15: deliverToServer()
            default: deliverToClient()
            }
            checkRoutes()
        }
    }

    /// Everything is delivered until nobody has anything to say, and then the client has what the view has.
    mutating func settle() {
        guard problems.isEmpty else { return }
        tellStream()
        for _ in 0..<10_000 {
            while let request = client.takeOutbox() { toServer.append(request) }
            if toServer.isEmpty, toClient.isEmpty {
                return checkConvergence()
            }
            deliverToServer()
            deliverToClient()
            checkRoutes()
        }
        problems.append("the exchange doesn't come to rest")
    }

    // MARK: Events

    private mutating func publish(tellsStream: Bool) {
        configurations[current].mutate()
        views[current] = views[current].replacing(with: configurations[current].resources)
        if tellsStream { tellStream() }
    }

    private mutating func tellStream() {
        take(stream.viewChanged(to: views[current]))
    }

    private mutating func reconnect() {
        for (type, memory) in stream.memoriesAtEnd { memories[type] = memory }
        // The server crashed. After a refusal it would have needed its memory.
        if !parameters.refuses, Bool.random(using: &random) { memories = [:] }
        stream = ADSStream(variant: parameters.variant)
        stream.recalled(memories)
        toServer = []
        toClient = []
        sent = [:]
        client.connected()
    }

    private mutating func deliverToServer() {
        guard !toServer.isEmpty else { return }
        switch toServer.removeFirst() {
        case .delta(let request): take(stream.received(request, in: views[current]))
        case .stateOfTheWorld(let request): take(stream.received(request, in: views[current]))
        }
    }

    private mutating func deliverToClient() {
        guard !toClient.isEmpty else { return }
        client.received(toClient.removeFirst())
    }

    private mutating func take(_ actions: [ADSStream.Action]) {
        for action in actions {
            switch action {
            case .send(let push):
                checkOrder(of: push)
                toClient.append(push)
            case .violation(let violation): problems.append(violation.message)
            case .acknowledged, .rejected, .ignoredNonce, .companionsBelongElsewhere, .overdue:
                break
            case .remember(let type, let memory): memories[type] = memory
            }
        }
    }

    // MARK: Invariants

    private mutating func checkOrder(of push: Push) {
        if toClient.contains(where: { $0.typeURL == push.typeURL && $0.nonce == push.nonce }) {
            problems.append("the nonce \(push.nonce) of \(push.typeURL.shortName) is in use")
        }
        if parameters.variant == .delta, !push.removedNames.isEmpty, push.typeURL == .cluster,
            !push.resources.isEmpty
        {
            problems.append("clusters are removed together with others: \(push.summary)")
        }
        guard !parameters.movesBetweenViews else { return }
        for resource in push.resources {
            let version = Int(resource.version.rawValue) ?? 0
            if version < sent[resource.reference, default: 0] {
                problems.append("\(resource.reference) goes back to \(version)")
            }
            sent[resource.reference] = version
        }
    }

    /// A route that the client has leads to clusters that can serve.
    ///
    /// Not with refused resources, which open the gates, and not for a state-of-the-world client that comes
    /// back: nobody knows any more what it has beside the current state.
    private mutating func checkRoutes() {
        guard !parameters.refuses else { return }
        if parameters.variant == .stateOfTheWorld, parameters.reconnects { return }
        let listeners = client.applied(.listener)
        for (name, route) in client.applied(.routeConfiguration) where listeners[name] != nil {
            for cluster in FakeConfiguration.clusters(of: route)
            where !client.active.contains(cluster) {
                problems.append(
                    "route \(name) \(route.version) leads to \(cluster), which isn't active"
                )
            }
        }
    }

    private mutating func checkConvergence() {
        problems += convergenceProblems(
            of: client,
            on: stream.status,
            view: views[current],
            refuses: parameters.refuses
        )
    }
}
