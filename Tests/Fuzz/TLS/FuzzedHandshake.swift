import NIOCore
import NIOEmbedded
import TLS
import TLSTestSupport

/// A server's TLS handler in an embedded channel, fed by one input.
///
/// Bare bytes get no further than the first message, so most inputs are instructions instead: a real
/// client talks to the server, and its bytes are passed on, changed, dropped, doubled or held up, in
/// the handshake and behind it.
final class FuzzedHandshake {
    private let loop: EmbeddedEventLoop
    private let server: EmbeddedChannel
    private let client: EmbeddedChannel
    private var input: ArraySlice<UInt8>

    static func run(_ bytes: [UInt8]) {
        weak var handler: TLSHandler?
        do {
            let made = FuzzedTLS.acceptor.makeHandler(on: FuzzedTLS.loop)
            handler = made
            let handshake = FuzzedHandshake(made, bytes)
            handshake.play()
            handshake.end()
        }
        precondition(handler == nil, "the handler is still held by something")
    }

    private init(_ handler: TLSHandler, _ bytes: [UInt8]) {
        loop = FuzzedTLS.loop
        input = bytes[...]
        server = EmbeddedChannel(loop: loop)
        client = EmbeddedChannel(loop: loop)
        let connector = FuzzedTLS.connector.makeHandler(
            host: "localhost",
            authority: "localhost",
            on: loop
        )
        do {
            try server.pipeline.syncOperations.addHandlers([handler, PlainEcho()])
            try client.pipeline.syncOperations.addHandlers([connector, PlainEcho(says: 3)])
            let address = try SocketAddress(ipAddress: "127.0.0.1", port: 1)
            try server.connect(to: address).wait()
            try client.connect(to: address).wait()
        } catch {
            preconditionFailure("an embedded channel always connects: \(error)")
        }
    }

    private func next() -> UInt8 { input.popFirst() ?? 0 }

    private func play() {
        guard next() & 1 == 1 else {
            while !input.isEmpty, server.isActive {
                let count = min(Int(next()) + 1, input.count)
                deliver(Array(input.prefix(count)))
                input = input.dropFirst(count)
            }
            return
        }
        // Every flight of a handshake, and the echoes after it, with room for what is changed.
        for _ in 0..<40 where server.isActive {
            var flight = fromClient()
            if flight.isEmpty, input.isEmpty { break }
            while !flight.isEmpty, server.isActive { change(&flight) }
            toClient()
        }
    }

    /// Takes one instruction to the front of what the client sends.
    private func change(_ flight: inout ArraySlice<UInt8>) {
        guard !input.isEmpty else {
            deliver(Array(flight))
            flight = []
            return
        }
        let code = next()
        let count = min(Int(next()) + 1, flight.count)
        switch code & 7 {
        case 0:
            deliver(Array(flight))
            flight = []
        case 1, 2:
            deliver(Array(flight.prefix(count)))
            flight = flight.dropFirst(count)
        case 3:
            deliver([(flight.popFirst() ?? 0) ^ next()])
        case 4:
            flight = flight.dropFirst(count)
        case 5:
            deliver(Array(flight.prefix(count)))
        case 6:
            let inserted = input.prefix(count)
            input = input.dropFirst(count)
            deliver(Array(inserted))
        default:
            loop.advanceTime(by: .milliseconds(Int64(count) * 50))
        }
    }

    private func fromClient() -> ArraySlice<UInt8> {
        loop.run()
        var bytes: [UInt8] = []
        while let buffer = try? client.readOutbound(as: ByteBuffer.self) {
            bytes += buffer.readableBytesView
        }
        return bytes[...]
    }

    private func toClient() {
        loop.run()
        while let buffer = try? server.readOutbound(as: ByteBuffer.self) {
            if client.isActive { _ = try? client.writeInbound(buffer) }
        }
        loop.run()
    }

    private func deliver(_ bytes: [UInt8]) {
        guard server.isActive, !bytes.isEmpty else { return }
        // Errors are the handler's to report; what is left over is none.
        _ = try? server.writeInbound(ByteBuffer(bytes: bytes))
        loop.run()
    }

    private func end() {
        // Whatever is unfinished times out.
        loop.advanceTime(by: .minutes(1))
        for channel in [server, client] {
            if channel.isActive { channel.close(promise: nil) }
            loop.run()
            _ = try? channel.finish(acceptAlreadyClosed: true)
        }
        loop.advanceTime(by: .minutes(1))
    }
}

/// Sends back what it reads, or begins with it, so that records go both ways.
private final class PlainEcho: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Messages that are still sent for what is read.
    private var left: Int
    private let begins: Bool

    init(says count: Int = 0) {
        left = count == 0 ? 8 : count
        begins = count > 0
    }

    func channelActive(context: ChannelHandlerContext) {
        guard begins else { return }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: "hello")), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard left > 0 else { return }
        left -= 1
        context.writeAndFlush(wrapOutboundOut(unwrapInboundIn(data)), promise: nil)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}
