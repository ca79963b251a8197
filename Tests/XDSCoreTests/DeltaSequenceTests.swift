import Primitives
import Testing
import XDSCore

/// All sequences of a few events on one delta stream of one type, with a client that keeps what it is sent.
struct DeltaSequenceTests {
    enum Event: CaseIterable {
        case subscribeToA
        case subscribeToBoth
        case subscribeToAll
        case unsubscribeA
        case unsubscribeAll
        case changeA
        case toggleB
        case acknowledge
        case refuse
        case acknowledgeLatest
        case stale
    }

    /// Endpoints hold removals back, routes don't.
    @Test(arguments: ["eds", "rds"])
    func `after any four events the client has what it asked for`(type: String) {
        explore(Event.allCases, depth: 4, type)
    }

    @Test(arguments: ["eds", "rds"])
    func `after any five of the common events the client has what it asked for`(type: String) {
        explore(
            [
                .subscribeToA, .subscribeToAll, .unsubscribeA, .changeA, .toggleB, .acknowledge,
                .refuse,
            ],
            depth: 5,
            type
        )
    }

    /// What a refusal brings with it: responses of one resource each, while the view goes on.
    @Test(arguments: ["eds", "rds"])
    func `after any six events around refusals the client has what it asked for`(type: String) {
        explore([.subscribeToAll, .changeA, .toggleB, .acknowledge, .refuse], depth: 6, type)
    }

    private func explore(_ events: [Event], depth: Int, _ type: String) {
        var sequence = [Int](repeating: 0, count: depth)
        repeat {
            let chosen = sequence.map { events[$0] }
            let run = SequenceRun(type)
            for event in chosen { run.happens(event) }
            run.settle()
            if !run.problems.isEmpty {
                Issue.record("\(type) \(chosen): \(run.problems)")
                return
            }
        } while advance(&sequence, below: events.count)
    }

    /// Counts up; false after the last one.
    private func advance(_ digits: inout [Int], below base: Int) -> Bool {
        for index in digits.indices {
            digits[index] += 1
            if digits[index] < base { return true }
            digits[index] = 0
        }
        return false
    }
}

/// One sequence, and what must hold after each event.
private final class SequenceRun {
    private(set) var problems: [String] = []
    private let typeURL: TypeURL
    private let type: String
    private let stream: TestStream
    private var versionOfA = 1
    private var hasB = false
    private var counter = 1

    // The client's side.
    private var isWildcard = false
    private var names: Set<ResourceName> = []
    private var applied: [ResourceName: Version] = [:]
    private var refused: Set<String> = []
    private var newest: [ResourceName: Int] = [:]
    private var requestsSinceIdle = 0
    private var hasAsked = false

    init(_ type: String) {
        self.type = type
        self.typeURL = sampleType(type)
        self.stream = TestStream(view: .sample("\(type) a 1"))
    }

    func happens(_ event: DeltaSequenceTests.Event) {
        let before = stream.pushes.count
        switch event {
        case .subscribeToA: ask(["a"])
        case .subscribeToBoth: ask(["a", "b"])
        case .subscribeToAll: ask(["*"])
        case .unsubscribeA: ask([], unsubscribe: ["a"])
        case .unsubscribeAll: ask([], unsubscribe: ["*"])
        case .changeA:
            counter += 1
            versionOfA = counter
            publish()
        case .toggleB:
            counter += 1
            hasB.toggle()
            publish()
        case .acknowledge: answerOldest(refuses: false)
        case .refuse: answerOldest(refuses: true)
        case .acknowledgeLatest: answerLatest()
        case .stale: if hasAsked { stream.subscribe(type, nonce: "7.7.7") }
        }
        check(stream.pushes[before...])
    }

    /// All is answered, and then the client has what it asked for.
    func settle() {
        while !stream.unanswered.isEmpty, problems.isEmpty {
            happens(.acknowledge)
        }
        for resource in stream.view.journal(of: typeURL).resources where isWanted(resource.name) {
            let isRefused = refused.contains("\(resource.name)=\(resource.version)")
            if !isRefused, applied[resource.name] != resource.version {
                problems.append("\(resource.name) isn't at \(resource.version): \(applied)")
            }
        }
        for name in applied.keys where stream.view.journal(of: typeURL).contains(name) == false {
            problems.append("\(name) is gone, the client has it")
        }
        let isAtRest = [.synced, .nacked].contains(stream.state(type))
        if hasAsked, isWildcard || !names.isEmpty, !isAtRest {
            problems.append("the status is \(String(describing: stream.state(type)))")
        }
    }

    private func isWanted(_ name: ResourceName) -> Bool {
        isWildcard || names.contains(name)
    }

    private func ask(_ subscribe: [ResourceName], unsubscribe: [ResourceName] = []) {
        requestsSinceIdle += 1
        hasAsked = true
        for name in unsubscribe {
            if name == .wildcard { isWildcard = false } else { names.remove(name) }
        }
        for name in subscribe {
            if name == .wildcard { isWildcard = true } else { names.insert(name) }
        }
        applied = applied.filter { isWanted($0.key) }
        stream.request(
            DeltaRequest(typeURL: typeURL, subscribe: subscribe, unsubscribe: unsubscribe)
        )
    }

    private func publish() {
        let b = hasB ? ", \(type) b \(counter)" : ""
        // `b` keeps its version while it is there.
        let current = stream.view.journal(of: typeURL).version(of: "b")
        let kept = hasB ? current.map { ", \(type) b \($0)" } : nil
        stream.publish("\(type) a \(versionOfA)" + (kept ?? b))
    }

    private func answerOldest(refuses: Bool) {
        guard let push = stream.unanswered.first else { return }
        take(push, refuses: refuses)
        if refuses { stream.nack(type) } else { stream.ack(type) }
    }

    /// Skips the answers to all but the latest response.
    private func answerLatest() {
        guard let last = stream.unanswered.last else { return }
        for push in stream.unanswered { take(push, refuses: false) }
        stream.answeredAll(upTo: last)
    }

    private func take(_ push: Push, refuses: Bool) {
        for resource in push.resources where isWanted(resource.name) {
            if refuses {
                refused.insert("\(resource.name)=\(resource.version)")
            } else {
                applied[resource.name] = resource.version
            }
        }
        for name in push.removedNames { applied[name] = nil }
    }

    private func check(_ pushes: ArraySlice<Push>) {
        for push in pushes {
            for resource in push.resources {
                let version = Int(resource.version.rawValue) ?? 0
                if version < newest[resource.name, default: 0] {
                    problems.append("\(resource.name) goes back to \(version)")
                }
                newest[resource.name] = version
            }
        }
        // One for what changed, and one more for each request.
        if stream.unanswered.count > 1 + requestsSinceIdle {
            problems.append("\(stream.unanswered.count) responses are outstanding")
        }
        if Set(stream.unanswered.map(\.nonce)).count != stream.unanswered.count {
            problems.append("a nonce is used twice")
        }
        if stream.unanswered.isEmpty { requestsSinceIdle = 0 }
    }
}
