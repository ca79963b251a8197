import ChannelPolicy
import Primitives
import Testing

/// One hedged call with its allowance.
private struct Call: ~Copyable {
    var machine: HedgingMachine
    var allowance: RetryAllowance
    var now = MonotonicTime.zero
    let first: HedgingMachine.Action

    init(
        attempts: Int = 3,
        delay: Duration = .seconds(1),
        allowance: RetryAllowance = RetryAllowance()
    ) {
        var machine = HedgingMachine(
            policy: HedgingPolicy(
                maximumAttempts: attempts,
                delay: delay,
                nonFatalStatusCodes: [.unavailable]
            )
        )
        self.allowance = allowance
        first = machine.callStarted(&self.allowance, now: .zero)
        self.machine = machine
    }

    mutating func timer(at now: MonotonicTime) -> HedgingMachine.Action {
        self.now = now
        return machine.timerFired(&allowance, now: now)
    }

    mutating func ends(
        _ attempt: Int,
        _ status: StatusCode,
        _ reach: AttemptEnd.Reach = .server,
        _ pushback: Pushback = .none
    ) -> HedgingMachine.Action {
        machine.attemptEnded(
            attempt: attempt,
            AttemptEnd(status: status, reach: reach, pushback: pushback),
            &allowance,
            now: now
        )
    }

    mutating func responds(_ attempt: Int) -> HedgingMachine.Action {
        machine.responseStarted(attempt: attempt, &allowance)
    }
}

extension HedgingMachine.AttemptSet {
    fileprivate init(_ attempts: Int...) {
        self = attempts.reduce(into: []) { $0.insert(Self(attempt: $1)) }
    }
}

@Suite struct HedgingMachineTests {
    @Test func `attempts follow each other by the delay up to their number`() {
        var call = Call()
        let actions = [call.first, call.timer(at: .seconds(1)), call.timer(at: .seconds(2))]
        #expect(
            actions == [
                .send(attempt: 0, next: .seconds(1)), .send(attempt: 1, next: .seconds(2)),
                .send(attempt: 2, next: nil),
            ]
        )
        #expect(call.timer(at: .seconds(3)) == .ignore)
    }

    @Test func `without a delay all attempts are due at once`() {
        var call = Call(delay: .zero)
        let actions = [call.first, call.timer(at: .zero), call.timer(at: .zero)]
        #expect(
            actions == [
                .send(attempt: 0, next: .zero), .send(attempt: 1, next: .zero),
                .send(attempt: 2, next: nil),
            ]
        )
    }

    @Test func `a timer that fires early waits for the rest`() {
        var call = Call()
        #expect(call.timer(at: .milliseconds(999)) == .wait(next: .seconds(1)))
    }

    @Test func `the first success wins and the others are cancelled`() {
        var call = Call()
        _ = call.timer(at: .seconds(1))
        _ = call.timer(at: .seconds(2))
        #expect(call.ends(1, .ok) == .finish(attempt: 1, cancelling: .init(0, 2)))
        #expect(call.ends(0, .ok) == .ignore && call.timer(at: .seconds(3)) == .ignore)
    }

    @Test func `the first response commits the call to its attempt`() {
        var call = Call()
        _ = call.timer(at: .seconds(1))
        #expect(call.responds(1) == .commit(attempt: 1, cancelling: .init(0)))
        #expect(call.responds(0) == .ignore && call.responds(1) == .ignore)
        #expect(call.ends(0, .unavailable) == .ignore)
        #expect(call.timer(at: .seconds(2)) == .ignore)
        // What comes after the response is the call's, a failure too.
        #expect(call.ends(1, .unavailable) == .finish(attempt: 1, cancelling: []))
    }

    @Test func `a fatal status ends the call and cancels the others`() {
        var call = Call()
        _ = call.timer(at: .seconds(1))
        #expect(call.ends(0, .notFound) == .finish(attempt: 0, cancelling: .init(1)))
    }

    @Test func `a non-fatal status sends the next attempt at once`() {
        var call = Call()
        call.now = .milliseconds(300)
        #expect(call.ends(0, .unavailable) == .send(attempt: 1, next: .milliseconds(1_300)))
    }

    @Test func `when all attempts failed the last failure is the result`() {
        var call = Call()
        _ = call.timer(at: .seconds(1))
        _ = call.timer(at: .seconds(2))
        let actions = [1, 2, 0].map { call.ends($0, .unavailable) }
        #expect(
            actions == [.wait(next: nil), .wait(next: nil), .finish(attempt: 0, cancelling: [])]
        )
    }

    // MARK: - Pushback

    @Test func `the server's delay moves the next attempt`() {
        var call = Call()
        call.now = .milliseconds(500)
        let moved = call.ends(0, .unavailable, .server, .retry(after: .seconds(9)))
        let early = call.timer(at: .seconds(1))
        let due = call.timer(at: .milliseconds(9_500))
        #expect(moved == .wait(next: .milliseconds(9_500)) && early == moved)
        #expect(due == .send(attempt: 1, next: .milliseconds(10_500)))
    }

    @Test func `a server that says stop ends the sending`() {
        var call = Call()
        _ = call.timer(at: .seconds(1))
        #expect(call.ends(0, .unavailable, .server, .stop) == .wait(next: nil))
        #expect(call.timer(at: .seconds(2)) == .ignore)
        #expect(call.ends(1, .unavailable) == .finish(attempt: 1, cancelling: []))
    }

    @Test func `a server that says stop to the only attempt ends the call`() {
        var call = Call()
        let action = call.ends(0, .unavailable, .server, .stop)
        #expect(action == .finish(attempt: 0, cancelling: []))
    }

    // MARK: - Transparent retries and drops

    @Test func `what the server has not seen is sent again in its place`() {
        var call = Call()
        let actions = [
            call.ends(0, .unavailable, .unprocessed), call.ends(0, .unavailable, .neverLeft),
            call.ends(0, .unavailable, .unprocessed),
        ]
        #expect(
            actions == [
                .sendAgain(attempt: 0), .sendAgain(attempt: 0),
                .send(attempt: 1, next: .seconds(1)),
            ]
        )
    }

    @Test func `a hedge that we drop leaves the others running and no more follow`() {
        var call = Call()
        _ = call.timer(at: .seconds(1))
        #expect(call.ends(1, .unavailable, .dropped) == .wait(next: nil))
        #expect(call.ends(0, .ok) == .finish(attempt: 0, cancelling: []))
    }

    // MARK: - The buffer

    @Test func `a buffer that overflows commits the call to the attempt that sent the most`() {
        var call = Call()
        _ = call.timer(at: .seconds(1))
        let action = call.machine.bufferOverflowed(keeping: 0, &call.allowance)
        #expect(action == .commit(attempt: 0, cancelling: .init(1)))
    }

    @Test func `a buffer that overflows between two attempts ends the call`() {
        var call = Call()
        _ = call.ends(0, .unavailable, .server, .retry(after: .seconds(5)))
        let action = call.machine.bufferOverflowed(keeping: 0, &call.allowance)
        #expect(action == .finish(attempt: 0, cancelling: []))
    }

    // MARK: - The shared allowance

    @Test func `a throttled channel sends no hedges, only first attempts`() {
        let throttling = RetryThrottling(maximumTokens: 2, tokenRatioThousandths: 1)
        var allowance = RetryAllowance(throttling: throttling)
        allowance.throttle.failed()
        var call = Call(allowance: allowance)
        #expect(call.first == .send(attempt: 0, next: .seconds(1)))
        #expect(call.timer(at: .seconds(1)) == .wait(next: nil))
        #expect(call.ends(0, .unavailable) == .finish(attempt: 0, cancelling: []))
    }

    @Test func `a hedge that is throttled after a pushback delay ends the call`() {
        let throttling = RetryThrottling(maximumTokens: 3, tokenRatioThousandths: 1)
        var call = Call(allowance: RetryAllowance(throttling: throttling))
        _ = call.ends(0, .unavailable, .server, .retry(after: .seconds(5)))
        call.allowance.throttle.failed()
        #expect(call.timer(at: .seconds(5)) == .finish(attempt: 0, cancelling: []))
    }

    @Test func `attempts that end count in the throttle`() {
        let throttling = RetryThrottling(maximumTokens: 10, tokenRatioThousandths: 500)
        var call = Call(allowance: RetryAllowance(throttling: throttling))
        _ = call.ends(0, .unavailable)
        _ = call.ends(1, .ok)
        var expected = RetryThrottle(throttling)
        expected.failed()
        expected.succeeded()
        #expect(call.allowance.throttle == expected)
    }

    @Test func `hedges count in the budget until they end or are cancelled`() {
        let budget = RetryBudget.Configuration(ratioThousandths: 2_000, minimumPerSecond: 0)
        let fresh = RetryAllowance(budget: budget)
        var call = Call(attempts: 5, allowance: fresh)
        _ = call.timer(at: .seconds(1))
        _ = call.timer(at: .seconds(2))
        let over = call.timer(at: .seconds(3))
        _ = call.responds(0)
        let free = (0..<3).map { _ in call.allowance.budget.retryRequested(now: .zero) }
        for _ in 0..<2 { call.allowance.budget.retryEnded() }
        call.machine.callEnded(&call.allowance)
        #expect(over == .wait(next: nil))
        #expect(free == [true, true, false])
        #expect(call.allowance == fresh)
    }

    @Test func `no policy has more attempts than there is room for`() {
        var call = Call(attempts: 1_000, delay: .zero)
        var sent = 1
        while case .send = call.timer(at: .zero) { sent += 1 }
        #expect(sent == HedgingMachine.maximumAttempts)
    }

    // MARK: - Every sequence

    private enum Event: CaseIterable {
        case timer, responds0, responds1, ok0, ok1, fails0, fails1, fatal0, stop0, delay0
        case unprocessed1
    }

    /// The attempts that a shell would have running, and the result that it would have given.
    private struct Shell: ~Copyable {
        var call = Call()
        var running: Set<Int> = [0]
        var committed: Int?
        var isFinished = false
        var waits = true
        var sent = 1
        var problem: String?

        mutating func happens(_ event: Event) {
            call.now += .seconds(1)
            switch event {
            case .timer: if waits { obey(call.timer(at: call.now)) }
            case .responds0: if running.contains(0) { obey(call.responds(0)) }
            case .responds1: if running.contains(1) { obey(call.responds(1)) }
            case .ok0: ends(0, .ok)
            case .ok1: ends(1, .ok)
            case .fails0: ends(0, .unavailable)
            case .fails1: ends(1, .unavailable)
            case .fatal0: ends(0, .internal)
            case .stop0: ends(0, .unavailable, .server, .stop)
            case .delay0: ends(0, .unavailable, .server, .retry(after: .seconds(1)))
            case .unprocessed1: ends(1, .unavailable, .unprocessed)
            }
            if !isFinished, running.isEmpty, !waits { problem = "nothing runs and nothing waits" }
        }

        private mutating func ends(
            _ attempt: Int,
            _ status: StatusCode,
            _ reach: AttemptEnd.Reach = .server,
            _ pushback: Pushback = .none
        ) {
            guard running.remove(attempt) != nil else { return }
            obey(call.ends(attempt, status, reach, pushback))
        }

        private mutating func obey(_ action: HedgingMachine.Action) {
            if isFinished { problem = "\(action) after the end" }
            switch action {
            case .send(let attempt, let next):
                if attempt != sent || committed != nil { problem = "sends \(attempt)" }
                sent += 1
                running.insert(attempt)
                waits = next != nil
            case .sendAgain(let attempt):
                if !running.insert(attempt).inserted { problem = "sends \(attempt) twice" }
            case .wait(let next): waits = next != nil
            case .commit(let attempt, let others):
                if committed != nil || !running.contains(attempt) { problem = "commits twice" }
                committed = attempt
                cancel(others)
                if running != [attempt] { problem = "others run beside the call" }
            case .finish(let attempt, let others):
                if let committed, committed != attempt { problem = "the result of another" }
                cancel(others)
                if !running.isEmpty { problem = "attempts run after the end" }
                isFinished = true
            case .ignore: break
            }
        }

        private mutating func cancel(_ attempts: HedgingMachine.AttemptSet) {
            waits = false
            for attempt in 0..<HedgingMachine.maximumAttempts
            where attempts.contains(attempt: attempt) {
                if running.remove(attempt) == nil { problem = "cancels \(attempt) twice" }
            }
        }
    }

    @Test func `the invariants hold after every sequence of five events`() {
        let count = Event.allCases.count
        var found: [String] = []
        var finished = 0
        for code in 0..<(count * count * count * count * count) {
            var shell = Shell()
            var rest = code
            var sequence: [Event] = []
            for _ in 0..<5 where !shell.isFinished {
                sequence.append(Event.allCases[rest % count])
                shell.happens(Event.allCases[rest % count])
                rest /= count
            }
            // Whatever happened, nothing stays counted.
            shell.call.machine.callEnded(&shell.call.allowance)
            if shell.call.allowance != RetryAllowance() { shell.problem = "counts are left" }
            if shell.isFinished { finished += 1 }
            if let problem = shell.problem, found.count < 5 {
                found.append("\(problem) in \(sequence)")
            }
        }
        #expect(found == [])
        #expect(finished > 10_000)
    }
}
