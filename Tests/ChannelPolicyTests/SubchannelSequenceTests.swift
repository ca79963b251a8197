import ChannelPolicy
import Primitives
import Testing

/// Every sequence of events, with news of the newest connection and the one before it.
@Suite struct SubchannelSequenceTests {
    private enum Event: CaseIterable {
        case request, connected, failed, ended, endedOld, connectedOld
        case serving, notServing, watchFailed, watchDelayEnded
        case time, backoffEnded, released
    }

    /// The machine and what a shell would have: attempts, connections, watches.
    private struct World: ~Copyable {
        var machine: SubchannelMachine
        var random = SeededRandom(seed: 7)
        var now = MonotonicTime.zero
        var connections: [SubchannelMachine.ConnectionID] = []
        /// What the shell still has open.
        var attempt: SubchannelMachine.ConnectionID?
        var connection: SubchannelMachine.ConnectionID?
        var problems: [String] = []

        init() {
            var configuration = SubchannelMachine.Configuration()
            configuration.isHealthChecked = true
            configuration.maximumEarlyEnds = 1
            machine = SubchannelMachine(configuration)
        }

        mutating func happens(_ event: Event) {
            let newest = connections.last
            let older = connections.dropLast().last
            switch event {
            case .request:
                if case .connect(let id, _) = machine.connectRequested(now: now, using: &random) {
                    if attempt != nil || connection != nil { problems.append("a second attempt") }
                    attempt = id
                    connections.append(id)
                }
            case .connected: if let newest { connects(newest) }
            case .connectedOld: if let older { connects(older) }
            case .failed:
                guard let newest else { return }
                let outcome = machine.connectFailed(
                    newest,
                    ChannelFailure("refused"),
                    now: now
                )
                if (outcome == .ignore) == (attempt == newest) { problems.append("\(outcome)") }
                if attempt == newest { attempt = nil }
            case .ended: if let newest { ends(newest) }
            case .endedOld: if let older { ends(older) }
            case .serving, .notServing:
                guard let newest else { return }
                let outcome = machine.healthReported(newest, isServing: event == .serving)
                if outcome == .changed, connection != newest { problems.append("\(outcome)") }
            case .watchFailed:
                guard let newest else { return }
                let outcome = machine.healthWatchEnded(newest, status: .unknown, using: &random)
                if outcome != .ignore, connection != newest { problems.append("\(outcome)") }
            case .watchDelayEnded:
                guard let newest else { return }
                let outcome = machine.healthDelayEnded(newest)
                if outcome != .ignore, connection != newest { problems.append("\(outcome)") }
            case .time: now += .seconds(2)
            case .backoffEnded:
                if machine.backoffEnded(now: now) == .wait(.zero) { problems.append("wait of 0") }
            case .released:
                let outcome = machine.released()
                let expected: SubchannelMachine.OnRelease =
                    attempt.map { .cancelAttempt($0) } ?? connection.map { .close($0) } ?? .nothing
                if outcome != expected { problems.append("\(outcome)") }
                (attempt, connection) = (nil, nil)
            }
            check()
        }

        private mutating func connects(_ id: SubchannelMachine.ConnectionID) {
            let outcome = machine.connected(id)
            if (outcome == .watchHealth) != (attempt == id) { problems.append("\(outcome)") }
            guard attempt == id else { return }
            (attempt, connection) = (nil, id)
        }

        private mutating func ends(_ id: SubchannelMachine.ConnectionID) {
            let outcome = machine.connectionEnded(id, now: now)
            if (outcome == .ignore) == (connection == id) { problems.append("\(outcome)") }
            if connection == id { connection = nil }
        }

        /// What holds after every event.
        private mutating func check() {
            switch machine.state {
            case .idle:
                if attempt != nil || connection != nil { problems.append("idle and open") }
            case .connecting:
                if attempt == nil, connection == nil { problems.append("connects nothing") }
            case .ready:
                if connection == nil { problems.append("ready without a connection") }
            case .transientFailure:
                if attempt != nil { problems.append("failed in an attempt") }
            }
        }
    }

    @Test func `the invariants hold after every sequence of six events`() {
        var checked = 0
        var found: [String] = []
        // The first event that does anything is a request.
        Self.visit([.request], depth: 5, checked: &checked, found: &found)
        #expect(found == [])
        #expect(checked == 13 + 169 + 2_197 + 28_561 + 371_293)
    }

    private static func visit(
        _ prefix: [Event],
        depth: Int,
        checked: inout Int,
        found: inout [String]
    ) {
        for event in Event.allCases {
            let sequence = prefix + [event]
            checked += 1
            if depth > 1 {
                visit(sequence, depth: depth - 1, checked: &checked, found: &found)
                continue
            }
            // The shorter ones are checked on the way.
            var world = World()
            for event in sequence { world.happens(event) }
            if let problem = world.problems.first, found.count < 5 {
                found.append("\(problem) after \(sequence)")
            }
        }
    }
}
