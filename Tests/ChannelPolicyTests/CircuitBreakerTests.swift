import ChannelPolicy
import Primitives
import Testing

/// A breaker with its source of chance.
private struct Breaker: ~Copyable {
    var machine: CircuitBreaker
    var random = SeededRandom(seed: 1)
    var now = MonotonicTime.zero

    init(
        maximumInFlight: Int = .max,
        failures: Int? = 2,
        probes: Int = 1,
        jitter: Double = 0
    ) {
        machine = CircuitBreaker(
            CircuitBreaker.Configuration(
                maximumInFlight: maximumInFlight,
                consecutiveFailures: failures,
                openFor: .init(
                    initial: .seconds(5),
                    multiplier: 2,
                    maximum: .seconds(15),
                    jitter: jitter
                ),
                halfOpenProbes: probes
            )
        )
    }

    mutating func start() -> CircuitBreaker.Admission { machine.callStarting(now: now) }

    mutating func permit() throws -> CircuitBreaker.Permit {
        guard case .allow(let permit) = start() else { throw Refused() }
        return permit
    }

    mutating func end(_ permit: CircuitBreaker.Permit, _ status: StatusCode) {
        machine.callEnded(permit, status: status, now: now, using: &random)
    }

    mutating func call(_ status: StatusCode) throws {
        end(try permit(), status)
    }

    struct Refused: Error {}
}

@Suite struct CircuitBreakerTests {
    @Test func `the calls at once are limited`() throws {
        var breaker = Breaker(maximumInFlight: 2)
        let first = try breaker.permit()
        _ = try breaker.permit()
        let refused = breaker.start()
        breaker.end(first, .ok)
        let allowed = try? breaker.permit()
        #expect(refused == .reject(.tooManyInFlight(limit: 2)))
        #expect(allowed != nil && breaker.machine.inFlight == 2)
    }

    @Test func `failures in a row open it for its time`() throws {
        var breaker = Breaker(failures: 3)
        for _ in 0..<2 { try breaker.call(.unavailable) }
        let before = breaker.machine.phase
        try breaker.call(.internal)
        let refused = breaker.start()
        breaker.now = .nanoseconds(4_999_999_999)
        let last = breaker.start()
        breaker.now = .seconds(5)
        let probe = try? breaker.permit()
        #expect(before == .closed)
        #expect(refused == .reject(.open(until: .seconds(5))) && last == refused)
        #expect(probe != nil && breaker.machine.phase == .halfOpen)
    }

    @Test func `a success between failures starts the count again`() throws {
        var breaker = Breaker(failures: 2)
        for status in [StatusCode.unknown, .ok, .unknown, .notFound, .unknown] {
            try breaker.call(status)
        }
        #expect(breaker.machine.phase == .closed)
    }

    @Test(arguments: StatusCode.known)
    func `five status codes count as failures`(code: Int) throws {
        var breaker = Breaker(failures: 1)
        try breaker.call(StatusCode(rawValue: code))
        #expect((breaker.machine.phase == .open) == [2, 4, 8, 13, 14].contains(code))
    }

    @Test func `other codes may be chosen`() throws {
        var breaker = CircuitBreaker(.init(consecutiveFailures: 1, failureStatusCodes: [.aborted]))
        var random = SeededRandom(seed: 1)
        for status in [StatusCode.unavailable, .aborted] {
            guard case .allow(let permit) = breaker.callStarting(now: .zero) else { break }
            breaker.callEnded(permit, status: status, now: .zero, using: &random)
            #expect((breaker.phase == .open) == (status == .aborted))
        }
    }

    @Test func `without a number of failures it never opens`() throws {
        var breaker = Breaker(failures: nil)
        for _ in 0..<1_000 { try breaker.call(.unavailable) }
        #expect(breaker.machine.phase == .closed)
    }

    @Test func `half open it lets its probes through and closes when all succeed`() throws {
        var breaker = Breaker(probes: 2)
        for _ in 0..<2 { try breaker.call(.unavailable) }
        breaker.now = .seconds(5)
        let first = try breaker.permit()
        let second = try breaker.permit()
        let refused = breaker.start()
        breaker.end(first, .ok)
        let stillRefused = breaker.start()
        breaker.end(second, .ok)
        #expect(refused == .reject(.probing) && stillRefused == .reject(.probing))
        #expect(breaker.machine.phase == .closed)
    }

    @Test func `a failed probe opens it for longer each time, up to the maximum`() throws {
        var breaker = Breaker()
        for _ in 0..<2 { try breaker.call(.unavailable) }
        var opened: [Duration] = []
        for _ in 0..<4 {
            guard case .reject(.open(let until)) = breaker.start() else { throw Breaker.Refused() }
            opened.append(until - breaker.now)
            breaker.now = until
            try breaker.call(.unavailable)
        }
        #expect(opened == [5, 10, 15, 15].map { .seconds($0) })
    }

    @Test func `once closed it opens for the first time again`() throws {
        var breaker = Breaker()
        for _ in 0..<2 { try breaker.call(.unavailable) }
        breaker.now = .seconds(5)
        try breaker.call(.unavailable)
        breaker.now = .seconds(15)
        try breaker.call(.ok)
        for _ in 0..<2 { try breaker.call(.unavailable) }
        #expect(breaker.start() == .reject(.open(until: .seconds(20))))
    }

    @Test func `the time that it is open has jitter`() throws {
        var times: Set<Duration> = []
        for seed in 0..<50 {
            var breaker = Breaker(failures: 1, jitter: 0.2)
            breaker.random = SeededRandom(seed: UInt64(seed))
            try breaker.call(.unavailable)
            guard case .reject(.open(let until)) = breaker.start() else { continue }
            times.insert(until)
        }
        #expect(times.count == 50)
        #expect(times.allSatisfy { (.seconds(4) ... .seconds(6)).contains($0) })
    }

    @Test func `calls from before it opened say nothing later`() throws {
        var breaker = Breaker(failures: 1, probes: 2)
        let old = try (0..<3).map { _ in try breaker.permit() }
        breaker.end(old[0], .unavailable)
        breaker.now = .seconds(5)
        let probe = try breaker.permit()
        breaker.end(old[1], .unavailable)
        let phase = breaker.machine.phase
        breaker.end(old[2], .ok)
        breaker.end(probe, .ok)
        #expect(phase == .halfOpen)
        // The old success is no probe.
        #expect(breaker.machine.phase == .halfOpen && breaker.machine.inFlight == 0)
    }

    @Test func `a call that was given up leaves its place to another probe`() throws {
        var breaker = Breaker(failures: 1)
        try breaker.call(.unavailable)
        breaker.now = .seconds(5)
        let probe = try breaker.permit()
        breaker.machine.callAbandoned(probe)
        let next = try breaker.permit()
        breaker.end(next, .ok)
        #expect(breaker.machine.phase == .closed)
    }

    @Test func `a full breaker does not become half open`() throws {
        var breaker = Breaker(maximumInFlight: 1, failures: 1)
        let slow = try breaker.permit()
        breaker.machine.callAbandoned(slow)
        try breaker.call(.unavailable)
        breaker.now = .seconds(5)
        _ = try breaker.permit()
        let refused = breaker.start()
        #expect(refused == .reject(.tooManyInFlight(limit: 1)))
    }

    // MARK: - Every sequence

    private enum Event: CaseIterable {
        case start, succeed, fail, abandon, failNewest, time
    }

    /// What the documentation promises, counted independently of the machine.
    private struct Model: ~Copyable {
        var breaker = Breaker(maximumInFlight: 4, failures: 2, probes: 2)
        var running: [(permit: CircuitBreaker.Permit, phase: CircuitBreaker.Phase)] = []
        var problem: String?

        mutating func happens(_ event: Event) {
            let before = breaker.machine.phase
            switch event {
            case .start: start(before)
            case .succeed, .fail:
                guard !running.isEmpty else { return }
                breaker.end(running.removeFirst().permit, event == .fail ? .unavailable : .ok)
            case .failNewest:
                guard !running.isEmpty else { return }
                breaker.end(running.removeLast().permit, .unavailable)
            case .abandon:
                guard !running.isEmpty else { return }
                breaker.machine.callAbandoned(running.removeFirst().permit)
            case .time: breaker.now += .seconds(6)
            }
            check(event, before)
        }

        private mutating func start(_ before: CircuitBreaker.Phase) {
            switch breaker.start() {
            case .allow(let permit):
                running.append((permit, breaker.machine.phase))
                if breaker.machine.phase == .open { problem = "allowed while open" }
            case .reject(.open(let until)):
                if before != .open || until <= breaker.now { problem = "rejected as open" }
            case .reject(.probing):
                if before != .halfOpen { problem = "rejected as probing" }
            case .reject(.tooManyInFlight):
                if running.count < 4 { problem = "rejected as full" }
            }
        }

        private mutating func check(_ event: Event, _ before: CircuitBreaker.Phase) {
            let after = breaker.machine.phase
            if breaker.machine.inFlight != running.count { problem = "lost count" }
            if running.count > 4 { problem = "too many calls" }
            switch (before, after, event) {
            case (.closed, .closed, _), (.open, .open, _), (.halfOpen, .halfOpen, _): break
            case (.closed, .open, .fail), (.closed, .open, .failNewest): break
            case (.open, .halfOpen, .start): break
            case (.halfOpen, .open, .fail), (.halfOpen, .open, .failNewest): break
            case (.halfOpen, .closed, .succeed): break
            default: problem = "from \(before) to \(after) by \(event)"
            }
        }
    }

    @Test(arguments: [[], [.start, .start, .fail, .fail, .time]] as [[Event]])
    private func `the invariants hold after every sequence of six events`(start: [Event]) {
        var found: [String] = []
        var phases: Set<CircuitBreaker.Phase> = []
        let count = Event.allCases.count
        for code in 0..<(count * count * count * count * count * count) {
            var model = Model()
            var sequence = start
            var rest = code
            for _ in 0..<6 {
                sequence.append(Event.allCases[rest % count])
                rest /= count
            }
            for event in sequence { model.happens(event) }
            phases.insert(model.breaker.machine.phase)
            if let problem = model.problem, found.count < 5 {
                found.append("\(problem) in \(sequence)")
            }
        }
        #expect(found == [])
        #expect(phases == [.closed, .open, .halfOpen])
    }
}
