import CNghttp2
import NIOCore
import NIOPosix
import Primitives

/// Frames of HTTP/2 written by hand, also such as no implementation would write.
enum Wire {
    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
    static let settings = frame(4)
    static let settingsAcknowledged = frame(4, flags: 1)

    static func frame(
        _ type: UInt8,
        flags: UInt8 = 0,
        stream: UInt32 = 0,
        payload: [UInt8] = []
    ) -> [UInt8] {
        let count = UInt32(payload.count)
        return bigEndian(count).dropFirst() + [type, flags] + bigEndian(stream) + payload
    }

    /// SETTINGS_INITIAL_WINDOW_SIZE is 4, SETTINGS_MAX_CONCURRENT_STREAMS 3 (RFC 9113, section 6.5.2).
    static func settings(_ values: [(id: UInt16, value: UInt32)]) -> [UInt8] {
        frame(
            4,
            payload: values.flatMap { id, value in
                bigEndian(UInt32(id)).suffix(2) + bigEndian(value)
            }
        )
    }

    /// A whole header section, every field a literal without indexing (RFC 7541, section 6.2.2).
    static func headers(
        _ stream: UInt32,
        _ fields: [(String, String)],
        endStream: Bool = false
    ) -> [UInt8] {
        let block = fields.flatMap { name, value -> [UInt8] in [0] + literal(name) + literal(value)
        }
        return frame(1, flags: endStream ? 5 : 4, stream: stream, payload: block)
    }

    static func data(_ stream: UInt32, _ bytes: [UInt8], endStream: Bool = false) -> [UInt8] {
        frame(0, flags: endStream ? 1 : 0, stream: stream, payload: bytes)
    }

    static func reset(_ stream: UInt32, _ code: UInt32) -> [UInt8] {
        frame(3, stream: stream, payload: bigEndian(code))
    }

    static func goaway(last: UInt32, _ code: UInt32 = 0) -> [UInt8] {
        frame(7, payload: bigEndian(last) + bigEndian(code))
    }

    static func windowUpdate(_ stream: UInt32, _ bytes: UInt32) -> [UInt8] {
        frame(8, stream: stream, payload: bigEndian(bytes))
    }

    /// One gRPC message with its prefix.
    static func message(_ payload: [UInt8], flag: UInt8 = 0) -> [UInt8] {
        [flag] + bigEndian(UInt32(payload.count)) + payload
    }

    /// The head of a gRPC request, with `changes` to its fields; nil leaves a field out.
    static func request(_ path: String, _ changes: [(String, String?)] = []) -> [(String, String)] {
        var fields = [
            (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "test"),
            ("te", "trailers"), ("content-type", "application/grpc"),
        ]
        for (name, value) in changes {
            if let index = fields.firstIndex(where: { $0.0 == name }) {
                if let value { fields[index].1 = value } else { fields.remove(at: index) }
            } else if let value {
                fields.append((name, value))
            }
        }
        return fields
    }

    private static func bigEndian(_ value: UInt32) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
    }

    private static func literal(_ text: String) -> [UInt8] {
        let bytes = Array(text.utf8)
        var length: [UInt8] = [UInt8(min(bytes.count, 127))]
        if bytes.count >= 127 {
            var rest = bytes.count - 127
            while rest >= 128 {
                length.append(UInt8(rest & 0x7F) | 0x80)
                rest >>= 7
            }
            length.append(UInt8(rest))
        }
        return length + bytes
    }
}

/// The other end of a connection, in the hands of the test.
///
/// Belongs to one task.
final class RawPeer {
    struct Frame: Equatable {
        let type: UInt8
        let flags: UInt8
        let stream: UInt32
        let payload: [UInt8]

        var endsStream: Bool { type <= 1 && flags & 1 != 0 }
        /// The number in RST_STREAM's payload, or in GOAWAY's behind the stream's.
        var errorCode: UInt32 {
            payload.dropFirst(type == 7 ? 4 : 0).prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
        }
    }

    /// What came on one stream until it ended.
    struct Response {
        var headers: [[String: String]] = []
        var body: [UInt8] = []
        var resetCode: UInt32?

        /// The first field of that name in any section.
        subscript(name: String) -> String? { headers.lazy.compactMap { $0[name] }.first }
    }

    let channel: any Channel
    private let received: Mailbox<ByteBuffer>
    private var buffer = ByteBuffer()
    private let inflater = HeaderInflater()

    init(channel: any Channel, received: Mailbox<ByteBuffer>) {
        self.channel = channel
        self.received = received
    }

    static func connect(
        to address: EndpointAddress,
        receiveBufferBytes: Int? = nil
    ) async throws -> RawPeer {
        let received = Mailbox<ByteBuffer>()
        var bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Collector(received))
                }
            }
        if let receiveBufferBytes {
            bootstrap =
                bootstrap
                .channelOption(.socketOption(.so_rcvbuf), value: receiveBufferBytes)
                .channelOption(.autoRead, value: false)
        }
        let channel = try await bootstrap.connect(host: address.host, port: Int(address.port)).get()
        return RawPeer(channel: channel, received: received)
    }

    func send(_ parts: [UInt8]...) async throws {
        try await channel.writeAndFlush(ByteBuffer(bytes: parts.joined())).get()
    }

    func close() async {
        try? await channel.close()
    }

    /// The next frame; nil when the connection is closed.
    func nextFrame() async -> Frame? {
        while true {
            if let frame = readFrame() { return frame }
            guard var more = await received.next() else { return nil }
            buffer.writeBuffer(&more)
        }
    }

    /// The next frame of that type, the ones before it dropped.
    func nextFrame(type: UInt8) async -> Frame? {
        while let frame = await nextFrame() {
            if frame.type == type { return frame }
        }
        return nil
    }

    /// What comes on `stream` until it ends, the other streams' frames dropped.
    ///
    /// The header sections of all streams must come through here: they share one compression state.
    func response(on stream: UInt32) async -> Response {
        var response = Response()
        while let frame = await nextFrame() {
            let fields = frame.type == 1 ? inflater.fields(frame.payload) : [:]
            guard frame.stream == stream else { continue }
            switch frame.type {
            case 0: response.body += frame.payload
            case 1: response.headers.append(fields)
            case 3: response.resetCode = frame.errorCode
            default: continue
            }
            if frame.endsStream || frame.type == 3 { break }
        }
        return response
    }

    /// The fields of a HEADERS frame.
    func fields(_ frame: Frame) -> [String: String] { inflater.fields(frame.payload) }

    /// Reads until the other side closes; the bytes that came before that.
    func bytesUntilClosed() async -> Int {
        var count = buffer.readableBytes
        buffer.clear()
        while let more = await received.next() { count += more.readableBytes }
        return count
    }

    /// A client's opening: preface, SETTINGS and the acknowledgement of the server's.
    func openAsClient(_ settings: [UInt8] = Wire.settings) async throws {
        try await send(Wire.preface, settings)
        _ = await nextFrame(type: 4)
        try await send(Wire.settingsAcknowledged)
    }

    /// A server's opening, after which the client sends its requests.
    func openAsServer(_ settings: [UInt8] = Wire.settings) async throws {
        try await send(settings)
        while let more = await received.next() {
            var more = more
            buffer.writeBuffer(&more)
            guard buffer.readableBytes >= Wire.preface.count else { continue }
            buffer.moveReaderIndex(forwardBy: Wire.preface.count)
            break
        }
        try await send(Wire.settingsAcknowledged)
    }

    private func readFrame() -> Frame? {
        guard let head = buffer.getBytes(at: buffer.readerIndex, length: 9) else { return nil }
        let length = Int(head[0]) << 16 | Int(head[1]) << 8 | Int(head[2])
        guard buffer.readableBytes >= 9 + length else { return nil }
        buffer.moveReaderIndex(forwardBy: 9)
        let stream = head[5...8].reduce(0) { $0 << 8 | UInt32($1) }
        return Frame(
            type: head[3],
            flags: head[4],
            stream: stream,
            payload: buffer.readBytes(length: length) ?? []
        )
    }
}

/// A server whose connections are played by the test.
struct RawListener {
    private let channel: any Channel
    private let accepted: Mailbox<(any Channel, Mailbox<ByteBuffer>)>
    let address: EndpointAddress

    static func start() async throws -> RawListener {
        let accepted = Mailbox<(any Channel, Mailbox<ByteBuffer>)>()
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                let received = Mailbox<ByteBuffer>()
                accepted.send((channel, received))
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Collector(received))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let port = UInt16(channel.localAddress?.port ?? 0)
        return RawListener(
            channel: channel,
            accepted: accepted,
            address: EndpointAddress(host: "127.0.0.1", port: port)
        )
    }

    func accept() async -> RawPeer? {
        await accepted.next().map { RawPeer(channel: $0.0, received: $0.1) }
    }

    func stop() async {
        try? await channel.close()
    }
}

/// Hands every read to the test.
private final class Collector: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let received: Mailbox<ByteBuffer>

    init(_ received: Mailbox<ByteBuffer>) {
        self.received = received
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        received.send(unwrapInboundIn(data))
    }

    func channelInactive(context: ChannelHandlerContext) {
        received.finish()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}

/// The header decompression of one connection, by nghttp2.
private final class HeaderInflater {
    private let inflater: OpaquePointer?

    init() {
        var inflater: OpaquePointer?
        nghttp2_hd_inflate_new(&inflater)
        self.inflater = inflater
    }

    deinit {
        nghttp2_hd_inflate_del(inflater)
    }

    func fields(_ block: [UInt8]) -> [String: String] {
        var fields: [String: String] = [:]
        block.withUnsafeBufferPointer { bytes in
            var rest = bytes[...]
            while true {
                var pair = nghttp2_nv()
                var flags: Int32 = 0
                let input = UnsafeBufferPointer(rebasing: rest)
                let read = nghttp2_hd_inflate_hd2(
                    inflater,
                    &pair,
                    &flags,
                    input.baseAddress,
                    input.count,
                    1
                )
                guard read >= 0 else { break }
                rest = rest.dropFirst(read)
                if flags & Int32(NGHTTP2_HD_INFLATE_EMIT.rawValue) != 0 {
                    let name = UnsafeBufferPointer(start: pair.name, count: pair.namelen)
                    let value = UnsafeBufferPointer(start: pair.value, count: pair.valuelen)
                    fields[String(decoding: name, as: UTF8.self)] = String(
                        decoding: value,
                        as: UTF8.self
                    )
                }
                if flags & Int32(NGHTTP2_HD_INFLATE_FINAL.rawValue) != 0 { break }
            }
            nghttp2_hd_inflate_end_headers(inflater)
        }
        return fields
    }
}
