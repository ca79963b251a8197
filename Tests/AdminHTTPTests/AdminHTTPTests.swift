import Logging
import NIOCore
import NIOPosix
import Primitives
import Testing

@testable import AdminHTTP

/// The HTTP server of operators, spoken to in bytes.
@Suite struct AdminHTTPTests {
    /// Starts a server whose handler says what it was asked, and a client connection.
    private static func exchange(
        _ text: String,
        configuration: AdminHTTPConfiguration = AdminHTTPConfiguration(),
        handler: @escaping AdminHTTPServer.Handler = { request in
            let query = request.query.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
            return AdminHTTPResponse(
                status: 200,
                body: "\(request.method) \(request.path) \(query) \(request.body.count)"
            )
        }
    ) async throws -> String {
        try await withServer(configuration, handler) { address in
            let socket = try await RawSocket(address)
            // A server with a short deadline may have ended the connection before.
            try? await socket.write(text)
            return try await socket.readToEnd()
        }
    }

    private static func withServer<Result>(
        _ configuration: AdminHTTPConfiguration,
        _ handler: @escaping AdminHTTPServer.Handler,
        _ body: (EndpointAddress) async throws -> Result
    ) async throws -> Result {
        var configuration = configuration
        // Hundreds of tests may run beside this one, and each of its steps may wait for its turn.
        if configuration.requestTimeout == AdminHTTPConfiguration().requestTimeout {
            configuration.requestTimeout = .seconds(300)
        }
        let server = AdminHTTPServer(
            address: EndpointAddress(host: "127.0.0.1", port: 0),
            configuration: configuration,
            group: MultiThreadedEventLoopGroup.singleton,
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }),
            handler: handler
        )
        let address = try await server.start()
        do {
            let result = try await body(address)
            await server.shutDown()
            return result
        } catch {
            await server.shutDown()
            throw error
        }
    }

    @Test func `a request is handed on with its query and body`() async throws {
        let answer = try await Self.exchange(
            "PUT /v1/raw?a=x%20y&b=%2B+ HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n"
                + "connection: close\r\n\r\nhello"
        )
        #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n"))
        #expect(answer.hasSuffix("PUT /v1/raw [\"a=x y\", \"b=+ \"] 5\n"))
    }

    @Test func `requests of one connection are answered in order`() async throws {
        let answer = try await Self.exchange(
            "GET /1 HTTP/1.1\r\nhost: a\r\n\r\nGET /2 HTTP/1.1\r\nhost: a\r\n"
                + "connection: close\r\n\r\n"
        )
        let paths = answer.split(whereSeparator: \.isNewline).filter { $0.hasPrefix("GET") }
        #expect(paths == ["GET /1 [] 0", "GET /2 [] 0"])
    }

    @Test(
        arguments: [
            ("content-length: 11\r\n\r\n", "HTTP/1.1 413 "),
            ("transfer-encoding: chunked\r\n\r\nb\r\n12345678901\r\n", "HTTP/1.1 413 "),
            ("content-length: 10\r\nconnection: close\r\n\r\n1234567890", "HTTP/1.1 200 "),
            ("origin: http://evil.example\r\n\r\n", "HTTP/1.1 403 "),
            ("x: \(String(repeating: "a", count: 3_000))\r\n\r\n", "HTTP/1.1 4"),
        ]
    )
    func `a request beyond a bound is refused and one at it is not`(
        rest: String,
        expected: String
    ) async throws {
        var configuration = AdminHTTPConfiguration()
        configuration.maximumBodyBytes = 10
        configuration.maximumHeaderBytes = 2_048
        let answer = try await Self.exchange(
            "PUT /v1/raw HTTP/1.1\r\nhost: a\r\n\(rest)",
            configuration: configuration
        )
        #expect(answer.hasPrefix(expected), "\(answer)")
    }

    @Test func `a path that is none is refused`() async throws {
        let answer = try await Self.exchange("GET /%zz HTTP/1.1\r\nhost: a\r\n\r\n")
        #expect(answer.hasPrefix("HTTP/1.1 400 "))
    }

    @Test func `a request that does not come ends its connection`() async throws {
        var configuration = AdminHTTPConfiguration()
        configuration.requestTimeout = .milliseconds(50)
        let answer = try await Self.exchange("GET / HT", configuration: configuration)
        #expect(!answer.contains("200"))
    }

    @Test func `an answer that does not come ends its connection and its task`() async throws {
        var configuration = AdminHTTPConfiguration()
        configuration.answerTimeout = .milliseconds(50)
        let answer = try await Self.exchange(
            "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
            configuration: configuration
        ) { _ in
            // Ends with the task, so at once when that is cancelled.
            try? await Task.sleep(for: .seconds(600))
            return AdminHTTPResponse(status: 200, body: "")
        }
        #expect(answer.isEmpty)
    }

    @Test func `a connection too many is closed`() async throws {
        var configuration = AdminHTTPConfiguration()
        configuration.maximumConnections = 1
        let handler: AdminHTTPServer.Handler = { _ in AdminHTTPResponse(status: 200, body: "{}") }
        let second = try await Self.withServer(configuration, handler) { address in
            let first = try await RawSocket(address)
            // An answer says that the server has accepted the connection.
            try await first.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            _ = try await first.readSome()
            do {
                let second = try await RawSocket(address)
                try await second.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
                return try await second.readToEnd()
            } catch is ChannelError {
                // It was closed before we had got as far.
                return ""
            }
        }
        #expect(second.isEmpty)
    }
}

/// A TCP connection, read as text.
private struct RawSocket {
    private let channel: any Channel
    private let incoming: AsyncStream<String>

    init(_ address: EndpointAddress) async throws {
        // Unbounded: what it holds is the few answers of one test.
        let (stream, continuation) = AsyncStream.makeStream(of: String.self)
        incoming = stream
        channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Reader(continuation))
                }
            }
            .connect(host: address.host, port: Int(address.port))
            .get()
    }

    func write(_ text: String) async throws {
        try await channel.writeAndFlush(ByteBuffer(string: text))
    }

    func readSome() async throws -> String {
        for await text in incoming { return text }
        return ""
    }

    func readToEnd() async throws -> String {
        var all = ""
        for await text in incoming { all += text }
        return all
    }

    private final class Reader: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private let continuation: AsyncStream<String>.Continuation

        init(_ continuation: AsyncStream<String>.Continuation) {
            self.continuation = continuation
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            continuation.yield(String(buffer: unwrapInboundIn(data)))
        }

        func channelInactive(context: ChannelHandlerContext) {
            continuation.finish()
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            context.close(promise: nil)
        }
    }
}
