package import Logging
package import NIOCore
import NIOHTTP1
import NIOPosix
package import Primitives
import ServiceLifecycle
import Synchronization

/// A small HTTP/1.1 server for operators: one request at a time on each of a few connections.
///
/// For `curl` and scripts; it is not on any path of the mesh's traffic. It knows no users: bind it
/// to loopback, or to where only operators are.
package final class AdminHTTPServer: Service {
    package typealias Handler = @Sendable (AdminHTTPRequest) async -> AdminHTTPResponse

    private struct State {
        var listener: (any Channel)?
        var connections: [ObjectIdentifier: any Channel] = [:]
    }

    private let address: EndpointAddress
    private let configuration: AdminHTTPConfiguration
    private let group: any EventLoopGroup
    private let logger: Logger
    private let handler: Handler
    private let state = Mutex(State())

    package init(
        address: EndpointAddress,
        configuration: AdminHTTPConfiguration = AdminHTTPConfiguration(),
        group: any EventLoopGroup,
        logger: Logger,
        handler: @escaping Handler
    ) {
        self.address = address
        self.configuration = configuration
        self.group = group
        self.logger = logger
        self.handler = handler
    }

    /// Listens; returns the address, with the port that was taken if it was given as 0.
    package func start() async throws -> EndpointAddress {
        let listener = try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 64)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { self.accept($0) }
            .bind(host: address.host, port: Int(address.port))
            .get()
        state.withLock { $0.listener = listener }
        let port = listener.localAddress?.port.flatMap { UInt16(exactly: $0) } ?? address.port
        return EndpointAddress(host: address.host, port: port)
    }

    /// Serves until the service group shuts down.
    package func run() async throws {
        try? await gracefulShutdown()
        await shutDown()
    }

    /// Ends the listener and every connection; what is being changed is changed all the same.
    package func shutDown() async {
        let channels = state.withLock { state in
            defer { state = State() }
            return [state.listener].compactMap { $0 } + state.connections.values
        }
        for channel in channels { try? await channel.close() }
    }

    private func accept(_ channel: any Channel) -> EventLoopFuture<Void> {
        let id = ObjectIdentifier(channel)
        let isAccepted = state.withLock { state in
            guard state.connections.count < configuration.maximumConnections else { return false }
            state.connections[id] = channel
            return true
        }
        guard isAccepted else {
            logger.warning(
                "a connection to the admin API was closed",
                metadata: ["maximumConnections": "\(configuration.maximumConnections)"]
            )
            return channel.eventLoop.makeFailedFuture(ChannelError.operationUnsupported)
        }
        channel.closeFuture.whenComplete { _ in
            self.state.withLock { $0.connections[id] = nil }
        }
        return channel.eventLoop.makeCompletedFuture {
            var limits = NIOHTTPDecoderLimitConfiguration()
            limits.maxHeaderFieldSize = configuration.maximumHeaderBytes
            limits.maxHeaderListSize = configuration.maximumHeaderBytes
            try channel.pipeline.syncOperations.configureHTTPServerPipeline(
                withEncoderConfiguration: .init(),
                withDecoderLimitConfiguration: limits
            )
            try channel.pipeline.syncOperations.addHandler(
                AdminHTTPConnection(configuration: configuration, handler: handler)
            )
        }
    }
}
