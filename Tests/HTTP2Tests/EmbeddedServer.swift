import NIOCore
import NIOEmbedded

@testable import HTTP2

/// A server's connection whose client is the test's bytes, without a socket or a real clock.
final class EmbeddedServer {
    struct Frame: Equatable {
        let type: UInt8
        let flags: UInt8
        let stream: UInt32
        let payload: [UInt8]

        func number(at offset: Int) -> UInt32 {
            payload.dropFirst(offset).prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
        }
    }

    let counters = ConnectionCounters()
    let loop = EmbeddedEventLoop()
    let channel: EmbeddedChannel
    let connection: HTTP2Connection
    private let acceptor = Acceptor()
    private var output = ByteBuffer()

    init(_ configuration: HTTP2Configuration = HTTP2Configuration()) throws {
        connection = HTTP2Connection(
            acceptingOn: EventLoopExecutor(eventLoop: loop),
            configuration: configuration,
            counters: counters,
            accept: { [acceptor] in acceptor.accept($0) }
        )
        channel = EmbeddedChannel(loop: loop)
        try channel.pipeline.syncOperations.addHandler(connection)
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    }

    deinit {
        _ = try? channel.finish(acceptAlreadyClosed: true)
    }

    /// The streams that were accepted, in order.
    var accepted: [StreamRecorder] { acceptor.accepted }
    /// What each does when its headers are in.
    var onRequest: (StreamRecorder) -> Void {
        get { acceptor.onRequest }
        set { acceptor.onRequest = newValue }
    }

    func ended(by rule: EndingRule) -> UInt64? { counters.values[rule.counter] }

    func receive(_ parts: [UInt8]...) throws {
        guard channel.isActive else { return }
        try channel.writeInbound(ByteBuffer(bytes: parts.joined()))
        loop.run()
    }

    /// Preface, SETTINGS and the acknowledgement of ours; what came until then is dropped.
    func open(_ settings: [UInt8] = Bytes.settings) throws {
        try receive(Bytes.preface, settings, Bytes.settingsAcknowledged)
        _ = try frames()
    }

    /// What has been sent since the last call.
    func frames() throws -> [Frame] {
        loop.run()
        while var bytes = try channel.readOutbound(as: ByteBuffer.self) {
            output.writeBuffer(&bytes)
        }
        var frames: [Frame] = []
        while let head = output.getBytes(at: output.readerIndex, length: 9) {
            let length = head[0..<3].reduce(0) { $0 << 8 | Int($1) }
            guard let payload = output.getBytes(at: output.readerIndex + 9, length: length) else {
                break
            }
            output.moveReaderIndex(forwardBy: 9 + length)
            let stream = head[5...8].reduce(0) { $0 << 8 | UInt32($1) }
            frames.append(Frame(type: head[3], flags: head[4], stream: stream, payload: payload))
        }
        return frames
    }

    private final class Acceptor {
        var accepted: [StreamRecorder] = []
        var onRequest: (StreamRecorder) -> Void = { _ in }

        func accept(_ stream: HTTP2Stream) -> any HTTP2StreamDelegate {
            let recorder = StreamRecorder()
            recorder.stream = stream
            recorder.onHeaders = { [weak self] in self?.onRequest($0) }
            accepted.append(recorder)
            return recorder
        }
    }
}

/// A client's frames, written by hand.
enum Bytes {
    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
    static let settings = frame(4)
    static let settingsAcknowledged = frame(4, flags: 1)
    static let ping = frame(6, payload: [1, 2, 3, 4, 5, 6, 7, 8])

    static func frame(
        _ type: UInt8,
        flags: UInt8 = 0,
        stream: Int = 0,
        payload: [UInt8] = []
    ) -> [UInt8] {
        number(payload.count).dropFirst() + [type, flags] + number(stream) + payload
    }

    /// Four bytes, the highest first.
    static func number(_ value: Int) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
    }

    /// Fields as literals without indexing (RFC 7541, section 6.2.2), none as long as 127 bytes.
    static func block(_ fields: [(String, String)]) -> [UInt8] {
        var block: [UInt8] = []
        for (name, value) in fields {
            block += [0, UInt8(name.utf8.count)]
            block += Array(name.utf8)
            block.append(UInt8(value.utf8.count))
            block += Array(value.utf8)
        }
        return block
    }

    static let requestFields = [
        (":method", "POST"), (":scheme", "http"), (":path", "/a/b"), (":authority", "x"),
    ]

    static func request(_ stream: Int, endStream: Bool = false) -> [UInt8] {
        frame(1, flags: endStream ? 5 : 4, stream: stream, payload: block(requestFields))
    }
}
