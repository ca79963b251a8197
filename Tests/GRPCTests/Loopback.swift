import GRPC
import HTTP2
import Logging
import NIOCore
import NIOPosix
import Primitives

/// A server on a free port of the loopback interface and a client of it, each with a thread of its own.
struct Loopback: Sendable {
    let server: GRPCServer
    let client: GRPCClient
    let address: EndpointAddress
    let serverGroup: MultiThreadedEventLoopGroup

    /// Runs `body` between start and shutdown.
    ///
    /// The drain timeout is short unless the test sets its own: a call that a test leaves open must not hold it up.
    static func run(
        server: GRPCServerConfiguration = .testing,
        client: GRPCClientConfiguration = .testing,
        methods: (inout MethodTable) -> Void,
        body: (Loopback) async throws -> Void
    ) async throws {
        var table = MethodTable()
        methods(&table)
        let serverGroup = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let clientGroup = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let grpcServer = GRPCServer(
            address: EndpointAddress(host: "127.0.0.1", port: 0),
            methods: table,
            configuration: server,
            group: serverGroup,
            logger: .silent
        )
        let address = try await grpcServer.start()
        let grpcClient = GRPCClient(
            addresses: [address],
            configuration: client,
            eventLoop: clientGroup.next()
        )
        let loopback = Loopback(
            server: grpcServer,
            client: grpcClient,
            address: address,
            serverGroup: serverGroup
        )
        let result: Result<Void, any Error>
        do {
            result = .success(try await body(loopback))
        } catch {
            result = .failure(error)
        }
        await grpcClient.close()
        await grpcServer.shutDown()
        try await clientGroup.shutdownGracefully()
        try await serverGroup.shutdownGracefully()
        try result.get()
    }
}

extension GRPCServerConfiguration {
    static var testing: Self {
        var configuration = Self()
        configuration.http2.drainTimeout = .milliseconds(200)
        return configuration
    }
}

extension GRPCClientConfiguration {
    /// Patient, for a machine that has other things to do.
    static var testing: Self {
        var configuration = Self()
        configuration.connectTimeout = .seconds(30)
        return configuration
    }
}

extension Logger {
    /// Errors that handlers throw on purpose are no news.
    static let silent = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
}

/// What one task tells another, kept until it is asked for.
struct Mailbox<Element: Sendable>: Sendable {
    private let stream: AsyncStream<Element>
    private let continuation: AsyncStream<Element>.Continuation

    init() {
        (stream, continuation) = AsyncStream.makeStream()
    }

    func send(_ element: Element) { continuation.yield(element) }
    func finish() { continuation.finish() }

    /// The next element; nil after `finish` and when the task is cancelled.
    func next() async -> Element? {
        for await element in stream { return element }
        return nil
    }
}

/// Suspends until the task is cancelled.
func waitForCancellation() async throws {
    let never = AsyncStream<Void> { _ in }
    for await _ in never {}
    throw CancellationError()
}

extension ClientCall {
    /// Every message until the end.
    func readAll() async throws -> [String] {
        var texts: [String] = []
        while let message = try await next() { texts.append(String(buffer: message)) }
        return texts
    }

    func write(_ text: String) async throws {
        try await write(GRPCFrame(bytes: Array(text.utf8)))
    }
}

/// The error that `body` throws, if it is one of ours.
func grpcError(_ body: () async throws -> Void) async -> GRPCError? {
    do {
        try await body()
        return nil
    } catch {
        return error as? GRPCError
    }
}
