import ChannelPolicy
import GRPC
import GRPCChannel
import Logging
import NIOCore
import NIOPosix
import Primitives
import SwiftProtobuf
import Synchronization

typealias Text = Google_Protobuf_StringValue

extension Text {
    init(_ text: String) {
        self.init()
        value = text
    }
}

extension Logger {
    static let silent = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
}

/// A real server that answers with its name, or as the test says.
final class TestServer: Sendable {
    /// What the server does with its n-th unary call, counted from 1.
    typealias Handler =
        @Sendable (_ number: Int, _ request: String, _ call: ServerCall) async throws
        -> String

    let address: TransportAddress
    let health: HealthService
    private let server: GRPCServer
    private let counter: Counter

    /// What several attempts may count together.
    final class Counter: Sendable {
        private let value = Atomic<Int>(0)

        var count: Int { value.load(ordering: .relaxed) }
        func next() -> Int { value.wrappingAdd(1, ordering: .relaxed).newValue }
    }

    private init(
        _ address: TransportAddress,
        _ server: GRPCServer,
        _ counter: Counter,
        _ health: HealthService
    ) {
        self.address = address
        self.server = server
        self.counter = counter
        self.health = health
    }

    /// Unary calls that came.
    var calls: Int { counter.count }
    var openConnections: Int { server.openConnections }

    static func start(
        _ name: String = "a",
        at address: TransportAddress = .ip(EndpointAddress(host: "127.0.0.1", port: 0)),
        drainTimeout: TimeAmount = .seconds(30),
        servesHealth: Bool = false,
        handler: Handler? = nil
    ) async throws -> TestServer {
        let counter = Counter()
        let health = HealthService()
        var methods = MethodTable()
        methods.unary("test.Who", "Ask") { (request: Text, call) -> Text in
            let number = counter.next()
            guard let handler else { return Text(name) }
            return try await Text(handler(number, request.value, call))
        }
        methods.bidirectional("test.Who", "Chat") {
            (requests: RequestStream<Text>, responses: ResponseWriter<Text>, call) in
            let number = counter.next()
            for try await request in requests {
                if let handler {
                    try await responses.write(Text(handler(number, request.value, call)))
                } else {
                    try await responses.write(Text("\(name) \(request.value)"))
                }
            }
        }
        methods.clientStreaming("test.Who", "Collect") {
            (requests: RequestStream<Text>, call) -> Text in
            let number = counter.next()
            var texts: [String] = []
            for try await request in requests { texts.append(request.value) }
            let all = texts.joined(separator: ",")
            guard let handler else { return Text(all) }
            return try await Text(handler(number, all, call))
        }
        if servesHealth { health.register(in: &methods) }
        var configuration = GRPCServerConfiguration()
        configuration.http2.drainTimeout = drainTimeout
        let server = GRPCServer(
            transportAddress: address,
            methods: methods,
            configuration: configuration,
            group: MultiThreadedEventLoopGroup.singleton,
            logger: .silent
        )
        return TestServer(try await server.listen(), server, counter, health)
    }

    /// Gracefully: calls in flight end first.
    func stop() async {
        await server.shutDown()
    }
}

/// Runs `body` with a channel, and closes it afterwards.
func withChannel(
    to servers: [TransportAddress],
    _ serviceConfig: String = "{}",
    _ change: (inout ClientChannelConfiguration) -> Void = { _ in },
    resolver: (any NameResolver)? = nil,
    body: (ClientChannel) async throws -> Void
) async throws {
    var configuration = ClientChannelConfiguration.testing
    configuration.serviceConfig = try ServiceConfig.parse(serviceConfig)
    change(&configuration)
    let channel = ClientChannel(
        .addresses(servers),
        configuration: configuration,
        resolver: resolver,
        group: MultiThreadedEventLoopGroup.singleton,
        logger: .silent
    )
    do {
        try await body(channel)
    } catch {
        channel.close()
        throw error
    }
    channel.close()
}

extension ClientChannelConfiguration {
    /// Patient with connections, for a machine that has other things to do, and quick to try again.
    static var testing: Self {
        var configuration = Self()
        configuration.subchannel.backoff = .testing
        configuration.subchannel.healthBackoff = .testing
        configuration.subchannel.maximumEarlyEnds = 1000
        return configuration
    }
}

extension ExponentialBackoff.Configuration {
    static let testing = Self(initial: .milliseconds(20), multiplier: 1, maximum: .milliseconds(20))
}

extension ClientChannel {
    /// A unary call whose answer is a text; patient, so that a hang fails the test.
    func ask(
        _ text: String = "",
        timeout: Duration? = .seconds(50),
        waitForReady: Bool? = nil
    ) async throws -> String {
        let answer: Text = try await unary(
            "/test.Who/Ask",
            Text(text),
            timeout: timeout,
            waitForReady: waitForReady
        )
        return answer.value
    }

    func asks(_ count: Int) async throws -> [String] {
        var answers: [String] = []
        for _ in 0..<count { answers.append(try await ask()) }
        return answers
    }

    /// Returns when the state fulfils `condition`.
    func wait(until condition: (ConnectivityState) -> Bool) async throws {
        var now = state
        while !condition(now) {
            try await waitForStateChange(from: now)
            now = state
        }
    }

    func waitUntilReady() async throws {
        connect()
        try await wait { $0 == .ready }
    }

    func counter(_ name: String) -> UInt64 { counters[name] ?? 0 }
}

extension ChannelCall {
    func write(_ text: String) async throws {
        try await write(GRPCFrame(Text(text)))
    }

    func read() async throws -> String? {
        try await next().map { try Text(grpcMessage: $0).value }
    }
}

/// A resolver in the hands of the test.
final class ScriptedResolver: NameResolver {
    private struct State {
        var report: (@Sendable (Result<Resolution, GRPCError>) -> Void)?
        var last: Result<Resolution, GRPCError>?
        var refreshes = 0
        var isStopped = false
    }

    private let state = Mutex(State())

    init(_ addresses: [TransportAddress]? = nil) {
        if let addresses { say(addresses) }
    }

    var refreshes: Int { state.withLock { $0.refreshes } }
    var isStopped: Bool { state.withLock { $0.isStopped } }

    func say(_ addresses: [TransportAddress], serviceConfig: ServiceConfig? = nil) {
        say(.success(Resolution(addresses: addresses, serviceConfig: serviceConfig)))
    }

    func say(_ result: Result<Resolution, GRPCError>) {
        let report = state.withLock { state in
            state.last = result
            return state.report
        }
        report?(result)
    }

    func start(_ report: @escaping @Sendable (Result<Resolution, GRPCError>) -> Void) {
        let last = state.withLock { state in
            state.report = report
            return state.last
        }
        if let last { report(last) }
    }

    func refresh() { state.withLock { $0.refreshes += 1 } }
    func stop() { state.withLock { $0.isStopped = true } }
}

/// The error that `body` throws, if it is one of gRPC's.
func grpcError(_ body: () async throws -> Void) async -> GRPCError? {
    do {
        try await body()
        return nil
    } catch {
        return error as? GRPCError
    }
}

/// Returns when `condition` holds; the time limit of the suite ends a test where it never does.
func eventually(_ condition: () async throws -> Bool) async throws {
    while try await !condition() { try await Task.sleep(for: .milliseconds(5)) }
}

/// Suspends until the task is cancelled.
func waitForCancellation() async throws {
    let never = AsyncStream<Void> { _ in }
    for await _ in never {}
    throw CancellationError()
}
