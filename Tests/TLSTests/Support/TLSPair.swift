import Glibc
import Logging
import NIOCore
import NIOEmbedded
import TLSTestSupport

@testable import TLS

/// A client's and a server's TLS handler back to back, on one event loop without sockets or a real clock.
final class TLSPair {
    let loop = EmbeddedEventLoop()
    let acceptor: TLSAcceptor
    let connector: TLSConnector
    let clientChannel: EmbeddedChannel
    let serverChannel: EmbeddedChannel
    let clientTLS: TLSHandler
    let serverTLS: TLSHandler
    let client = Recorder()
    let server = Recorder()
    /// What is written to the channel, before it is flushed.
    let serverWrites = WriteRecorder()
    /// Bytes that went from one side to the other.
    private(set) var bytesToServer = 0
    private(set) var bytesToClient = 0

    init(_ acceptor: TLSAcceptor, _ connector: TLSConnector, host: String = "localhost") throws {
        self.acceptor = acceptor
        self.connector = connector
        clientTLS = connector.makeHandler(host: host, authority: "\(host):1", on: loop)
        serverTLS = acceptor.makeHandler(on: loop)
        clientChannel = EmbeddedChannel(loop: loop)
        serverChannel = EmbeddedChannel(loop: loop)
        try clientChannel.pipeline.syncOperations.addHandlers(clientTLS, client)
        try serverChannel.pipeline.syncOperations.addHandlers(serverWrites, serverTLS, server)
    }

    convenience init(_ server: TLSServerConfiguration, _ client: TLSClientConfiguration) throws {
        try self.init(TLSAcceptor(server), TLSConnector(client))
    }

    deinit {
        for channel in [clientChannel, serverChannel] where channel.isActive {
            channel.close(promise: nil)
        }
        loop.run()
    }

    func connect() throws {
        let address = try SocketAddress(ipAddress: "127.0.0.1", port: 1)
        // The server first: the client speaks as soon as it is connected.
        try serverChannel.connect(to: address).wait()
        try clientChannel.connect(to: address).wait()
    }

    /// Carries bytes until neither side has any, and each side's end to the other.
    ///
    /// - Parameter cut: how many bytes the next read has, given those that wait.
    func exchange(_ cut: (Int) -> Int = { $0 }) {
        var moved = true
        while moved {
            loop.run()
            moved = false
            while let bytes = try? clientChannel.readOutbound(as: ByteBuffer.self) {
                moved = true
                bytesToServer += bytes.readableBytes
                Self.carry(bytes, to: serverChannel, cut)
            }
            while let bytes = try? serverChannel.readOutbound(as: ByteBuffer.self) {
                moved = true
                bytesToClient += bytes.readableBytes
                Self.carry(bytes, to: clientChannel, cut)
            }
            if !moved, clientChannel.isActive != serverChannel.isActive {
                moved = true
                for channel in [clientChannel, serverChannel] where channel.isActive {
                    channel.peerCloses()
                }
            }
        }
    }

    func handshake(_ cut: (Int) -> Int = { $0 }) throws {
        try connect()
        exchange(cut)
    }

    private static func carry(_ bytes: ByteBuffer, to channel: EmbeddedChannel, _ cut: (Int) -> Int)
    {
        var rest = bytes
        while rest.readableBytes > 0, channel.isActive {
            let length = min(max(cut(rest.readableBytes), 1), rest.readableBytes)
            guard let part = rest.readSlice(length: length) else { return }
            // Errors are what the recorder remembers.
            _ = try? channel.writeInbound(part)
        }
    }
}

extension EmbeddedChannel {
    /// The end of the transport, from the other side.
    func peerCloses() {
        pipeline.syncOperations.fireChannelInactive()
        close(promise: nil)
        embeddedEventLoop.run()
    }

    /// Writes without a flush.
    func put(_ bytes: [UInt8], promise: EventLoopPromise<Void>? = nil) {
        pipeline.syncOperations.write(NIOAny(ByteBuffer(bytes: bytes)), promise: promise)
    }

    func send(_ bytes: [UInt8]) {
        put(bytes)
        pipeline.syncOperations.flush()
    }
}

/// Remembers what a TLS handler tells the handler behind it.
final class Recorder: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private(set) var isActive = false
    private(set) var hasEnded = false
    private(set) var bytes: [UInt8] = []
    private(set) var reads = 0
    private(set) var errors: [any Error] = []
    var onActive: (ChannelHandlerContext) -> Void = { _ in }
    var onRead: (ChannelHandlerContext) -> Void = { _ in }

    var failure: TLSFailure? { errors.first as? TLSFailure }
    var text: String { String(decoding: bytes, as: UTF8.self) }

    func channelActive(context: ChannelHandlerContext) {
        isActive = true
        onActive(context)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        reads += 1
        bytes += Array(buffer: unwrapInboundIn(data))
        onRead(context)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { errors.append(error) }
    func channelInactive(context: ChannelHandlerContext) { hasEnded = true }
}

/// Remembers the sizes of what is written to the channel.
final class WriteRecorder: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer

    private(set) var writes: [Int] = []
    private(set) var flushes = 0

    func write(
        context: ChannelHandlerContext,
        data: NIOAny,
        promise: EventLoopPromise<Void>?
    ) {
        writes.append(unwrapOutboundIn(data).readableBytes)
        context.write(data, promise: promise)
    }

    func flush(context: ChannelHandlerContext) {
        flushes += 1
        context.flush()
    }

    func reset() {
        writes = []
        flushes = 0
    }
}

/// What most tests begin with: an authority, a server's and a client's certificate.
struct TestCredentials {
    let authority: CertificateAuthority
    let server: CertificateAuthority.Identity
    let client: CertificateAuthority.Identity
    /// The clock by which own certificates are found valid: a test that shows an expired one stops it.
    var now: @Sendable () -> Int64 = { Int64(time(nil)) }

    init() throws {
        authority = try CertificateAuthority()
        server = try authority.issueServer()
        client = try authority.issueClient()
    }

    /// A server with this identity, or the usual one, that trusts the authority's clients.
    func serverConfiguration(
        _ identity: CertificateAuthority.Identity? = nil,
        clients: ClientCertificatePolicy = .none,
        version: TLSVersion = .tls13
    ) throws -> TLSServerConfiguration {
        var configuration = TLSServerConfiguration(
            credentials: try TLSCredentials(
                TLSMaterial(
                    certificateChain: (identity ?? server).certificate,
                    privateKey: (identity ?? server).privateKey,
                    trustRoots: authority.certificate
                ),
                now: now
            ),
            clientCertificates: clients
        )
        configuration.maximumVersion = version
        return configuration
    }

    /// A client that trusts the authority's servers, or another's.
    func clientConfiguration(
        identity: CertificateAuthority.Identity? = nil,
        roots: String? = nil,
        _ verification: ServerVerification = .hostname(nil)
    ) throws -> TLSClientConfiguration {
        TLSClientConfiguration(
            credentials: try TLSCredentials(
                TLSMaterial(
                    certificateChain: identity?.certificate,
                    privateKey: identity?.privateKey,
                    trustRoots: roots ?? authority.certificate
                ),
                now: now
            ),
            verification: verification
        )
    }
}
