import ChannelPolicy
import Primitives
import Testing

/// A machine with its source of chance, and what most tests do first.
private struct Subchannel: ~Copyable {
    var machine: SubchannelMachine
    var random = SeededRandom(seed: 1)

    init(isHealthChecked: Bool = false, jitter: Double = 0) {
        var configuration = SubchannelMachine.Configuration()
        configuration.backoff.jitter = jitter
        configuration.healthBackoff.jitter = jitter
        configuration.isHealthChecked = isHealthChecked
        machine = SubchannelMachine(configuration)
    }

    mutating func request(now: MonotonicTime) -> SubchannelMachine.OnConnectRequest {
        machine.connectRequested(now: now, using: &random)
    }

    /// Starts an attempt.
    mutating func connect(now: MonotonicTime) throws -> SubchannelMachine.ConnectionID {
        guard case .connect(let connection, _) = request(now: now) else {
            throw Unexpected()
        }
        return connection
    }

    mutating func watchEnds(
        _ connection: SubchannelMachine.ConnectionID,
        _ status: StatusCode
    ) -> SubchannelMachine.OnHealthWatchEnded {
        machine.healthWatchEnded(connection, status: status, using: &random)
    }

    struct Unexpected: Error {}
}

private let refused = ChannelFailure("connection refused")

@Suite struct SubchannelMachineTests {
    @Test func `it is idle until it is asked to connect, then connecting, then ready`() throws {
        var subchannel = Subchannel()
        let first = subchannel.machine.state
        let connection = try subchannel.connect(now: .zero)
        let second = subchannel.machine.state
        let outcome = subchannel.machine.connected(connection)
        let third = subchannel.machine.state
        #expect([first, second, third] == [.idle, .connecting, .ready])
        #expect(outcome == .ready)
    }

    @Test func `only an idle subchannel connects`() throws {
        var subchannel = Subchannel()
        let connection = try subchannel.connect(now: .zero)
        #expect(subchannel.request(now: .zero) == .ignore)
        _ = subchannel.machine.connected(connection)
        #expect(subchannel.request(now: .zero) == .ignore)
    }

    @Test func `an attempt has twenty seconds, or its backoff when that is longer`() throws {
        var subchannel = Subchannel()
        var now = MonotonicTime.zero
        var timeouts: [Duration] = []
        for _ in 0..<10 {
            guard case .connect(let connection, let timeout) = subchannel.request(now: now) else {
                throw Subchannel.Unexpected()
            }
            timeouts.append(timeout)
            _ = subchannel.machine.connectFailed(connection, refused, now: now)
            now += .seconds(200)
            _ = subchannel.machine.backoffEnded(now: now)
        }
        let seconds = timeouts.map { ($0 / .seconds(1)).rounded() }
        #expect(seconds == [20, 20, 20, 20, 20, 20, 20, 27, 43, 69])
    }

    @Test func `the delay counts from the start of the attempt`() throws {
        var subchannel = Subchannel()
        let connection = try subchannel.connect(now: .seconds(10))
        let outcome = subchannel.machine.connectFailed(
            connection,
            refused,
            now: .milliseconds(10_300)
        )
        #expect(outcome == .backOff(.milliseconds(700)))
        #expect(subchannel.machine.state == .transientFailure(refused))
    }

    @Test func `an attempt that took longer than the delay needs no further wait`() throws {
        var subchannel = Subchannel()
        let connection = try subchannel.connect(now: .zero)
        let outcome = subchannel.machine.connectFailed(connection, refused, now: .seconds(20))
        #expect(outcome == .backOff(.zero))
        #expect(subchannel.machine.backoffEnded(now: .seconds(20)) == .idle)
    }

    @Test func `the end of the delay makes it idle, and an early timer waits for the rest`() throws
    {
        var subchannel = Subchannel()
        let connection = try subchannel.connect(now: .zero)
        _ = subchannel.machine.connectFailed(connection, refused, now: .zero)
        #expect(subchannel.request(now: .zero) == .ignore)
        let early = subchannel.machine.backoffEnded(now: .milliseconds(999))
        #expect(early == .wait(.milliseconds(1)))
        let late = subchannel.machine.backoffEnded(now: .seconds(1))
        #expect(late == .idle)
        #expect(subchannel.machine.backoffEnded(now: .seconds(1)) == .ignore)
    }

    @Test func `jitter spreads the delays by a fifth`() throws {
        var delays: [Double] = []
        for seed in 0..<200 {
            var subchannel = Subchannel(jitter: 0.2)
            subchannel.random = SeededRandom(seed: UInt64(seed))
            let connection = try subchannel.connect(now: .zero)
            guard
                case .backOff(let delay) = subchannel.machine.connectFailed(
                    connection,
                    refused,
                    now: .zero
                )
            else { throw Subchannel.Unexpected() }
            delays.append(delay / .seconds(1))
        }
        #expect(delays.allSatisfy { (0.8...1.2).contains($0) })
        #expect(delays.contains { $0 < 0.85 } && delays.contains { $0 > 1.15 })
    }

    @Test func `a connection that lasted makes the next delay the first one again`() throws {
        var subchannel = Subchannel()
        let failed = try subchannel.connect(now: .zero)
        _ = subchannel.machine.connectFailed(failed, refused, now: .zero)
        _ = subchannel.machine.backoffEnded(now: .seconds(1))
        let connection = try subchannel.connect(now: .seconds(1))
        _ = subchannel.machine.connected(connection)
        let ended = subchannel.machine.connectionEnded(connection, now: .seconds(60))
        #expect(ended == .idle)
        let next = try subchannel.connect(now: .seconds(60))
        let outcome = subchannel.machine.connectFailed(next, refused, now: .seconds(60))
        #expect(outcome == .backOff(.seconds(1)))
    }

    @Test func `a server that hangs up at once is dialled three times, then with delays`() throws {
        var subchannel = Subchannel()
        var outcomes: [SubchannelMachine.OnConnectionEnded] = []
        for _ in 0..<4 {
            let connection = try subchannel.connect(now: .zero)
            _ = subchannel.machine.connected(connection)
            outcomes.append(subchannel.machine.connectionEnded(connection, now: .zero))
        }
        #expect(outcomes.dropLast() == [.idle, .idle, .idle])
        guard case .backOff(let delay)? = outcomes.last else { throw Subchannel.Unexpected() }
        #expect(abs(delay / .seconds(1) - 4.096) < 1e-6)
        #expect(subchannel.request(now: .zero) == .ignore)
        _ = subchannel.machine.backoffEnded(now: delay)
        // One that lasts is forgiven everything.
        let lasting = try subchannel.connect(now: .seconds(5))
        _ = subchannel.machine.connected(lasting)
        #expect(subchannel.machine.connectionEnded(lasting, now: .seconds(99)) == .idle)
        let brief = try subchannel.connect(now: .seconds(99))
        _ = subchannel.machine.connected(brief)
        #expect(subchannel.machine.connectionEnded(brief, now: .seconds(99)) == .idle)
    }

    @Test func `a reset of the backoff makes it idle at once and the delay small again`() throws {
        var subchannel = Subchannel()
        for _ in 0..<3 {
            let connection = try subchannel.connect(now: .zero)
            _ = subchannel.machine.connectFailed(connection, refused, now: .zero)
            let isIdle = subchannel.machine.backoffReset()
            #expect(isIdle)
        }
        let connection = try subchannel.connect(now: .zero)
        let outcome = subchannel.machine.connectFailed(connection, refused, now: .zero)
        #expect(outcome == .backOff(.seconds(1)))
    }

    @Test func `news of an old connection changes nothing`() throws {
        var subchannel = Subchannel(isHealthChecked: true)
        let old = try subchannel.connect(now: .zero)
        #expect(subchannel.machine.released() == .cancelAttempt(old))
        #expect(subchannel.machine.connected(old) == .close)
        let new = try subchannel.connect(now: .zero)
        #expect(subchannel.machine.connected(old) == .close)
        #expect(subchannel.machine.connectFailed(old, refused, now: .zero) == .ignore)
        #expect(subchannel.machine.connected(new) == .watchHealth)
        #expect(subchannel.machine.connectionEnded(old, now: .zero) == .ignore)
        #expect(subchannel.machine.healthReported(old, isServing: true) == .ignore)
        #expect(subchannel.watchEnds(old, .unavailable) == .ignore)
        #expect(subchannel.machine.healthDelayEnded(old) == .ignore)
        #expect(subchannel.machine.state == .connecting)
    }

    @Test func `a shut down subchannel never connects again`() throws {
        var subchannel = Subchannel()
        let connection = try subchannel.connect(now: .zero)
        _ = subchannel.machine.connected(connection)
        #expect(subchannel.machine.shutDown() == .close(connection))
        #expect(subchannel.machine.shutDown() == .nothing)
        #expect(subchannel.machine.released() == .nothing)
        #expect(subchannel.request(now: .seconds(999)) == .ignore)
    }

    // MARK: - Health (gRFC A17)

    @Test func `a health-checked subchannel is ready when the server says so`() throws {
        var subchannel = Subchannel(isHealthChecked: true)
        let connection = try subchannel.connect(now: .zero)
        #expect(subchannel.machine.connected(connection) == .watchHealth)
        #expect(subchannel.machine.state == .connecting)
        #expect(subchannel.machine.healthReported(connection, isServing: true) == .changed)
        #expect(subchannel.machine.state == .ready)
        #expect(subchannel.machine.healthReported(connection, isServing: true) == .ignore)
    }

    @Test func `it goes between unhealthy and ready without connecting`() throws {
        var subchannel = Subchannel(isHealthChecked: true)
        let connection = try subchannel.connect(now: .zero)
        _ = subchannel.machine.connected(connection)
        _ = subchannel.machine.healthReported(connection, isServing: false)
        let unhealthy = subchannel.machine.state
        _ = subchannel.machine.healthReported(connection, isServing: true)
        let healthy = subchannel.machine.state
        _ = subchannel.machine.healthReported(connection, isServing: false)
        let again = subchannel.machine.state
        #expect(unhealthy == .transientFailure(ChannelFailure("the backend is unhealthy")))
        #expect(healthy == .ready && again == unhealthy)
    }

    @Test func `a server without a health service counts as healthy`() throws {
        var subchannel = Subchannel(isHealthChecked: true)
        let connection = try subchannel.connect(now: .zero)
        _ = subchannel.machine.connected(connection)
        #expect(subchannel.watchEnds(connection, .unimplemented) == .checkDisabled)
        #expect(subchannel.machine.state == .ready)
        #expect(subchannel.watchEnds(connection, .unavailable) == .ignore)
        #expect(subchannel.machine.healthReported(connection, isServing: false) == .ignore)
    }

    @Test func `a watch that fails is made again with growing delays`() throws {
        var subchannel = Subchannel(isHealthChecked: true)
        let connection = try subchannel.connect(now: .zero)
        _ = subchannel.machine.connected(connection)
        var delays: [Duration] = []
        for _ in 0..<3 {
            guard case .watchAgain(let delay) = subchannel.watchEnds(connection, .unknown) else {
                throw Subchannel.Unexpected()
            }
            delays.append(delay)
            guard case .transientFailure = subchannel.machine.state else {
                throw Subchannel.Unexpected()
            }
            #expect(subchannel.machine.healthDelayEnded(connection) == .watchHealth)
            #expect(subchannel.machine.state == .connecting)
        }
        #expect(delays.map { $0 / .seconds(1) } == [1, 1.6, 2.56])
    }

    @Test func `a watch that said something is made again at once, with the first delay next`()
        throws
    {
        var subchannel = Subchannel(isHealthChecked: true)
        let connection = try subchannel.connect(now: .zero)
        _ = subchannel.machine.connected(connection)
        _ = subchannel.watchEnds(connection, .unknown)
        _ = subchannel.machine.healthDelayEnded(connection)
        _ = subchannel.machine.healthReported(connection, isServing: true)
        let first = subchannel.watchEnds(connection, .unavailable)
        _ = subchannel.machine.healthDelayEnded(connection)
        let second = subchannel.watchEnds(connection, .unavailable)
        #expect(first == .watchAgain(after: .zero))
        #expect(second == .watchAgain(after: .seconds(1)))
    }

    @Test func `GOAWAY ends a health-checked connection in any health`() throws {
        var subchannel = Subchannel(isHealthChecked: true)
        let first = try subchannel.connect(now: .zero)
        _ = subchannel.machine.connected(first)
        #expect(subchannel.machine.connectionEnded(first, now: .seconds(9)) == .idle)
        let second = try subchannel.connect(now: .seconds(9))
        _ = subchannel.machine.connected(second)
        _ = subchannel.watchEnds(second, .unknown)
        #expect(subchannel.machine.connectionEnded(second, now: .seconds(99)) == .idle)
        #expect(subchannel.machine.healthDelayEnded(second) == .ignore)
    }
}
