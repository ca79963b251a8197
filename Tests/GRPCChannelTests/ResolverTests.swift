import ChannelPolicy
import GRPC
import NIOCore
import NIOPosix
import Primitives
import Synchronization
import Testing

@testable import GRPCChannel

@Suite(.timeLimit(.minutes(10)))
struct ResolverTests {
    // MARK: - Targets

    private func ip(_ host: String, _ port: UInt16) -> TransportAddress {
        .ip(EndpointAddress(host: host, port: port))
    }

    @Test(
        arguments: [
            ("dns:///example.org:80", "example.org", 80), ("dns:example.org:80", "example.org", 80),
            ("example.org:80", "example.org", 80), ("example.org", "example.org", 443),
            ("dns:///[::1]:80", "::1", 80), ("::1", "::1", 443), ("127.0.0.1:7", "127.0.0.1", 7),
        ] as [(String, String, UInt16)]
    )
    func `a name is a host and a port`(text: String, host: String, port: UInt16) throws {
        let target = try ChannelTarget(text)
        #expect(target == .dns(host: host, port: port))
    }

    @Test func `lists of addresses and socket paths need no resolution`() throws {
        let ipv4 = try ChannelTarget("ipv4:127.0.0.1:1,127.0.0.2")
        let ipv6 = try ChannelTarget("ipv6:[::1]:1,[2001:db8::1]:2")
        let relative = try ChannelTarget("unix:run/socket")
        let absolute = try ChannelTarget("unix:///run/socket")
        #expect(ipv4 == .addresses([ip("127.0.0.1", 1), ip("127.0.0.2", 443)]))
        #expect(ipv6 == .addresses([ip("::1", 1), ip("2001:db8::1", 2)]))
        #expect(relative == .addresses([.unix(path: "run/socket")]))
        #expect(absolute == .addresses([.unix(path: "/run/socket")]))
        #expect(absolute.authority == "localhost")
        #expect(ipv6.authority == "[::1]:1")
    }

    @Test(arguments: [
        "", "dns:///", "dns://8.8.8.8/example.org:80", "example.org:0", "example.org:65536",
        "example.org:x", "ipv4:example.org:1", "ipv4:[::1]:1", "ipv6:127.0.0.1:1", "ipv4:",
        "ipv4:127.0.0.1:1,", "unix:", "unix://run/socket", "unix-abstract:x", "[::1]x",
    ])
    func `what is no target is refused`(text: String) {
        #expect(throws: ChannelTargetError.self) { try ChannelTarget(text) }
    }

    @Test func `a socket's path has the length that the system takes`() throws {
        let longest = String(repeating: "x", count: 107)
        let target = try ChannelTarget("unix:\(longest)")
        #expect(target == .addresses([.unix(path: longest)]))
        #expect(throws: ChannelTargetError.self) { try ChannelTarget("unix:x\(longest)") }
    }

    // MARK: - The schedule

    private func schedule(interval: Duration? = .seconds(100)) -> ResolutionSchedule {
        ResolutionSchedule(
            ResolutionSchedule.Configuration(
                minimumInterval: .seconds(30),
                interval: interval,
                backoff: ExponentialBackoff.Configuration(
                    initial: .seconds(1),
                    multiplier: 2,
                    maximum: .seconds(10),
                    jitter: 0
                )
            )
        )
    }

    @Test func `a failure right after a lookup waits for the next one`() {
        var schedule = schedule()
        var random = SeededRandom(seed: 1)
        let first = schedule.wanted(now: .zero)
        let done = schedule.lookupEnded(succeeded: true, now: .seconds(2), using: &random)
        let soon = schedule.wanted(now: .seconds(3))
        let again = schedule.wanted(now: .seconds(4))
        let due = schedule.timerFired(now: .seconds(30))
        #expect(first == .lookUp)
        #expect(done == .wait(.seconds(98)))
        #expect(soon == .wait(.seconds(27)))
        #expect(again == .nothing)
        #expect(due == .lookUp)
    }

    @Test func `a failure long after a lookup looks at once`() {
        var schedule = schedule(interval: nil)
        var random = SeededRandom(seed: 1)
        _ = schedule.wanted(now: .zero)
        let done = schedule.lookupEnded(succeeded: true, now: .seconds(1), using: &random)
        let later = schedule.wanted(now: .seconds(30))
        #expect(done == .nothing)
        #expect(later == .lookUp)
    }

    @Test func `what fails during a lookup asks for another`() {
        var schedule = schedule()
        var random = SeededRandom(seed: 1)
        _ = schedule.wanted(now: .zero)
        let during = schedule.wanted(now: .seconds(1))
        let done = schedule.lookupEnded(succeeded: true, now: .seconds(2), using: &random)
        #expect(during == .nothing)
        #expect(done == .wait(.seconds(28)))
    }

    @Test func `failed lookups are tried again after growing delays`() {
        var schedule = schedule()
        var random = SeededRandom(seed: 1)
        var delays: [ResolutionSchedule.Action] = []
        _ = schedule.wanted(now: .zero)
        for _ in 0..<3 {
            delays.append(schedule.lookupEnded(succeeded: false, now: .zero, using: &random))
            let meanwhile = schedule.wanted(now: .zero)
            #expect(meanwhile == .nothing)
            _ = schedule.timerFired(now: .zero)
        }
        #expect(delays == [.wait(.seconds(1)), .wait(.seconds(2)), .wait(.seconds(4))])
    }

    // MARK: - Lookups

    /// Answers lookups with what the test has set.
    private final class StubLookup: HostLookup {
        let addresses = Mutex<[EndpointAddress]>([])
        let count = Atomic<Int>(0)

        func addresses(of host: String, port: UInt16) async throws -> [EndpointAddress] {
            count.wrappingAdd(1, ordering: .relaxed)
            return addresses.withLock { $0 }
        }
    }

    @Test func `a name is looked up again after a failure and the new address is used`()
        async throws
    {
        guard case .ip(let gone) = try await unusedAddress() else { return }
        let server = try await TestServer.start("moved")
        guard case .ip(let address) = server.address else { return }
        let lookup = StubLookup()
        lookup.addresses.withLock { $0 = [gone] }
        var configuration = DNSResolver.Configuration()
        configuration.minimumInterval = .milliseconds(20)
        configuration.interval = nil
        let resolver = DNSResolver(
            host: "service.test",
            port: 1,
            configuration: configuration,
            lookup: lookup,
            eventLoop: MultiThreadedEventLoopGroup.singleton.next()
        )
        try await withChannel(to: [], resolver: resolver) { channel in
            let error = await grpcError { _ = try await channel.ask() }
            lookup.addresses.withLock { $0 = [address] }
            let answer = try await channel.ask(waitForReady: true)
            #expect(error?.code == .unavailable)
            #expect(answer == "moved")
            #expect(lookup.count.load(ordering: .relaxed) >= 2)
        }
        await server.stop()
    }

    private func unusedAddress() async throws -> TransportAddress {
        let server = try await TestServer.start()
        await server.stop()
        return server.address
    }

    @Test func `the system knows localhost`() async throws {
        let server = try await TestServer.start("local")
        guard case .ip(let address) = server.address else { return }
        let channel = ClientChannel(
            try ChannelTarget("dns:///localhost:\(address.port)"),
            configuration: .testing,
            group: MultiThreadedEventLoopGroup.singleton,
            logger: .silent
        )
        let answer = try await channel.ask(waitForReady: true)
        channel.close()
        await server.stop()
        #expect(answer == "local")
    }

    @Test func `a name that does not exist is unavailable`() async throws {
        let channel = ClientChannel(
            try ChannelTarget("dns:///no-such-name.invalid:80"),
            configuration: .testing,
            group: MultiThreadedEventLoopGroup.singleton,
            logger: .silent
        )
        let error = await grpcError { _ = try await channel.ask() }
        channel.close()
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("no-such-name.invalid") == true)
    }

    @Test func `the families take turns, sorted, the preferred one first`() {
        func found(_ text: String) -> SystemLookup.Found {
            SystemLookup.Found(isIPv6: text.contains(":"), text: text)
        }
        let texts = ["::2", "10.0.0.3", "10.0.0.1", "::1", "10.0.0.2", "::1"]
        let order = SystemLookup.interleaved(texts.map(found)).map(\.text)
        #expect(order == ["::1", "10.0.0.1", "::2", "10.0.0.2", "10.0.0.3"])
    }
}
