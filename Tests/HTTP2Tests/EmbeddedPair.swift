import NIOCore
import NIOEmbedded

@testable import HTTP2

/// A client's and a server's connection back to back, on one event loop without sockets or a real clock.
final class EmbeddedPair {
    let loop = EmbeddedEventLoop()
    let client: HTTP2Connection
    let server: HTTP2Connection
    let clientChannel: EmbeddedChannel
    let serverChannel: EmbeddedChannel
    let clientCounters = ConnectionCounters()
    let serverCounters = ConnectionCounters()
    let events = ConnectionEvents()
    /// The server's streams in the order in which the client opened them.
    private(set) var accepted: [StreamRecorder] = []
    /// What each accepted stream does when its headers are in.
    var onRequest: (StreamRecorder) -> Void = { _ in }

    init(
        client clientConfiguration: HTTP2Configuration,
        server serverConfiguration: HTTP2Configuration
    ) throws {
        let executor = EventLoopExecutor(eventLoop: loop)
        let acceptor = Acceptor()
        self.server = HTTP2Connection(
            acceptingOn: executor,
            configuration: serverConfiguration,
            counters: serverCounters,
            accept: { acceptor.accept($0) }
        )
        self.client = HTTP2Connection(
            openingOn: executor,
            configuration: clientConfiguration,
            counters: clientCounters,
            delegate: events
        )
        self.clientChannel = EmbeddedChannel(loop: loop)
        self.serverChannel = EmbeddedChannel(loop: loop)
        acceptor.pair = self
        try clientChannel.pipeline.syncOperations.addHandler(client)
        try serverChannel.pipeline.syncOperations.addHandler(server)
        let address = try SocketAddress(ipAddress: "127.0.0.1", port: 1)
        try clientChannel.connect(to: address).wait()
        try serverChannel.connect(to: address).wait()
    }

    convenience init(server: HTTP2Configuration = HTTP2Configuration()) throws {
        try self.init(client: HTTP2Configuration(), server: server)
    }

    /// Both sides hold what the other needs to end, so a test that is over says so.
    deinit {
        _ = try? clientChannel.finish(acceptAlreadyClosed: true)
        _ = try? serverChannel.finish(acceptAlreadyClosed: true)
    }

    private final class Acceptor {
        weak var pair: EmbeddedPair?

        func accept(_ stream: HTTP2Stream) -> any HTTP2StreamDelegate {
            let recorder = StreamRecorder()
            recorder.stream = stream
            recorder.onHeaders = { [weak pair] in pair?.onRequest($0) }
            pair?.accepted.append(recorder)
            return recorder
        }
    }

    /// Carries bytes until neither side has any.
    func exchange() throws {
        var moved = true
        while moved {
            loop.run()
            moved = false
            while let bytes = try clientChannel.readOutbound(as: ByteBuffer.self) {
                moved = true
                if serverChannel.isActive { try serverChannel.writeInbound(bytes) }
            }
            while let bytes = try serverChannel.readOutbound(as: ByteBuffer.self) {
                moved = true
                if clientChannel.isActive { try clientChannel.writeInbound(bytes) }
            }
        }
    }

    /// Opens a stream from the client's side.
    func open(_ headers: HeaderBlock = .request, endStream: Bool = false) -> StreamRecorder? {
        let recorder = StreamRecorder()
        guard let stream = client.open(headers, endStream: endStream, delegate: recorder) else {
            return nil
        }
        recorder.stream = stream
        return recorder
    }
}

extension HeaderBlock {
    static let request = HeaderBlock([
        (":method", "POST"), (":scheme", "http"), (":path", "/a/b"), (":authority", "test"),
    ])

    static let ok = HeaderBlock([(":status", "200")])
}

/// Remembers what a stream was told.
final class StreamRecorder: HTTP2StreamDelegate {
    var stream: HTTP2Stream?
    var onHeaders: (StreamRecorder) -> Void = { _ in }
    /// Gives received bytes back to the peer at once.
    var consumes = true
    private(set) var headers: [HeaderBlock] = []
    private(set) var body: [UInt8] = []
    private(set) var hasEnded = false
    private(set) var timesWritable = 0
    private(set) var end: StreamEnd?

    func received(headers: HeaderBlock, endStream: Bool) {
        self.headers.append(headers)
        if endStream { hasEnded = true }
        onHeaders(self)
    }

    func received(data: UnsafeRawBufferPointer) {
        body += data
        if consumes { stream?.consume(data.count) }
    }

    func receivedEnd() { hasEnded = true }
    func becameWritable() { timesWritable += 1 }

    func closed(_ end: StreamEnd) {
        self.end = end
        stream = nil
    }
}

/// Remembers what the client was told about its connection.
final class ConnectionEvents: HTTP2ConnectionDelegate {
    private(set) var timesReady = 0
    private(set) var timesDraining = 0
    private(set) var closeReason: String?
    var onReady: (HTTP2Connection) -> Void = { _ in }

    func connectionIsReady(_ connection: HTTP2Connection) {
        timesReady += 1
        onReady(connection)
    }

    func connectionIsDraining(_ connection: HTTP2Connection) { timesDraining += 1 }
    func connectionClosed(_ connection: HTTP2Connection, reason: String) { closeReason = reason }
}
