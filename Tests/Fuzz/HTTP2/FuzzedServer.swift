import GRPC
import HTTP2
import Logging
import NIOCore
import NIOEmbedded

/// A gRPC server's pipeline in an embedded channel, fed by one input.
///
/// The input's first byte chooses how: bare bytes, bytes behind a good opening, or a script whose
/// steps are frames, so that the fuzzer gets past the framing. The rest of it chooses the size of the
/// pieces and small limits.
final class FuzzedServer {
    private let loop = EmbeddedEventLoop()
    private let channel: EmbeddedChannel
    private let connection: HTTP2Connection
    private var output = OutputChecker()
    private var isWritable = true

    static func serve(_ input: inout FuzzInput) {
        weak var connection: HTTP2Connection?
        do {
            let head = input.byte()
            let server = FuzzedServer(hasSmallLimits: head & 0x80 != 0)
            connection = server.connection
            server.play(&input, mode: head & 3, pieces: Int(head >> 2 & 7))
            server.end(byTimePassing: head & 0x40 != 0)
        }
        precondition(connection == nil, "the connection is still held by something")
        precondition(FuzzedMethods.running == 0, "\(FuzzedMethods.running) handlers still run")
    }

    private init(hasSmallLimits: Bool) {
        let pipeline = hasSmallLimits ? FuzzedMethods.limited : FuzzedMethods.plain
        connection = pipeline.makeConnection(on: EventLoopExecutor(eventLoop: loop))
        channel = EmbeddedChannel(loop: loop)
        do {
            try channel.pipeline.syncOperations.addHandler(connection)
            try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        } catch {
            preconditionFailure("an embedded channel always connects: \(error)")
        }
        settle()
    }

    private func play(_ input: inout FuzzInput, mode: UInt8, pieces: Int) {
        let sizes = [1, 2, 7, 16, 64, 512, 4096, 65_536]
        switch mode {
        case 0: break
        case 1: receive(FuzzFrames.preface)
        case 2: receive(FuzzFrames.opening + FuzzFrames.request(1, method: 2, endStream: false))
        default:
            receive(FuzzFrames.opening)
            var script = FuzzScript()
            while !input.isEmpty, channel.isActive { perform(script.next(&input)) }
            return
        }
        while !input.isEmpty, channel.isActive { receive(input.take(sizes[pieces])) }
    }

    private func perform(_ step: FuzzScript.Step) {
        switch step {
        case .receive(let bytes): receive(bytes)
        case .wait(let time): loop.advanceTime(by: time)
        case .toggleWritability:
            isWritable.toggle()
            channel.isWritable = isWritable
            channel.pipeline.fireChannelWritabilityChanged()
        case .shutDown: connection.shutDownGracefully()
        }
        settle()
    }

    private func receive(_ bytes: [UInt8]) {
        guard channel.isActive else { return }
        // Errors are the connection's to handle; what is left over is none.
        _ = try? channel.writeInbound(ByteBuffer(bytes: bytes))
        settle()
    }

    /// Runs everything that is ready, and looks at what came out.
    private func settle() {
        loop.run()
        while let bytes = try? channel.readOutbound(as: ByteBuffer.self) { output.append(bytes) }
        output.check()
        precondition(connection.liveStreams <= 1024, "more streams than are allowed")
        precondition(connection.queuedBytes >= 0, "more bytes have left the queues than entered")
    }

    /// The connection ends: by its own timers, or because the client goes.
    private func end(byTimePassing: Bool) {
        if byTimePassing {
            // Two hours: any rule of time has struck.
            for _ in 0..<24 where channel.isActive {
                loop.advanceTime(by: .minutes(5))
                settle()
            }
        }
        if channel.isActive { channel.close(promise: nil) }
        settle()
        _ = try? channel.finish(acceptAlreadyClosed: true)
        settle()
        precondition(connection.liveStreams == 0, "streams outlive their connection")
        precondition(connection.queuedBytes == 0, "bytes outlive their connection")
        precondition(output.isBetweenFrames, "the output ends inside a frame")
    }
}
