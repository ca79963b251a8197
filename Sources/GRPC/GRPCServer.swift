import HTTP2
package import Logging
package import NIOCore
import NIOPosix
package import Primitives
import ServiceLifecycle
import Synchronization
import TLS

/// A server that could not start.
package struct ServerStartError: Error, CustomStringConvertible {
    package let description: String
}

/// A gRPC server on one address.
package final class GRPCServer: Service {
    private let core: ServerCore
    private let address: TransportAddress
    private let group: any EventLoopGroup
    private let executors: EventLoopExecutors
    private let http2Counters = ConnectionCounters()
    private let connections = Mutex<[ObjectIdentifier: NIOLoopBound<HTTP2Connection>]>([:])
    private let listener = Mutex<(any Channel)?>(nil)
    private let isShuttingDown = Atomic(false)
    /// Made by `start` when the configuration has TLS.
    private let acceptor = Mutex<TLSAcceptor?>(nil)

    /// Port 0 takes a free one; `start` tells which.
    package convenience init(
        address: EndpointAddress,
        methods: MethodTable,
        configuration: GRPCServerConfiguration = GRPCServerConfiguration(),
        group: any EventLoopGroup,
        logger: Logger
    ) {
        self.init(
            transportAddress: .ip(address),
            methods: methods,
            configuration: configuration,
            group: group,
            logger: logger
        )
    }

    /// On a TCP port or a socket in the file system.
    package init(
        transportAddress address: TransportAddress,
        methods: MethodTable,
        configuration: GRPCServerConfiguration = GRPCServerConfiguration(),
        group: any EventLoopGroup,
        logger: Logger
    ) {
        self.core = ServerCore(configuration: configuration, methods: methods, logger: logger)
        self.address = address
        self.group = group
        self.executors = EventLoopExecutors(group: group)
    }

    /// Counters of calls and connections by metric name.
    package var counters: [String: UInt64] {
        var values = http2Counters.values.merging(core.counters.values) { first, _ in first }
        if let acceptor = acceptor.withLock({ $0 }) {
            values.merge(acceptor.counters.values) { first, _ in first }
        }
        if let tls = core.configuration.tls {
            values.merge(tls.credentials.counters) { first, _ in first }
        }
        return values
    }

    package var openConnections: Int { connections.withLock { $0.count } }

    /// Listens and returns the address with the port that was taken.
    ///
    /// Throws `ServerStartError` with one line that names the address.
    @discardableResult
    package func start() async throws -> EndpointAddress {
        guard case .ip(let address) = try await listen() else {
            return EndpointAddress(host: "localhost", port: 0)
        }
        return address
    }

    /// Listens, also on a socket in the file system.
    ///
    /// A socket that nobody listens on is replaced. Throws `ServerStartError` with one line that
    /// names the address.
    @discardableResult
    package func listen() async throws -> TransportAddress {
        try prepareTLS()
        let bootstrap = ServerBootstrap(group: group)
            // A fleet comes back at once after a restart; the system cuts it to its own limit.
            .serverChannelOption(.backlog, value: 4096)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            // Small reads first, and none is very large: a connection keeps a buffer of the size that its
            // largest read had, and an Envoy's first request brings 61 kB.
            .childChannelOption(
                .recvAllocator,
                value: AdaptiveRecvByteBufferAllocator(
                    minimum: 512,
                    initial: 512,
                    maximum: 16_384
                )
            )
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try self.accept(channel) }
            }
        do {
            let channel = try await bind(bootstrap)
            listener.withLock { $0 = channel }
            guard case .ip(let address) = address, let port = channel.localAddress?.port else {
                return address
            }
            return .ip(EndpointAddress(host: address.host, port: UInt16(port)))
        } catch let error as IOError {
            throw ServerStartError(
                description: "cannot listen on \(address): \(Self.reason(error))"
            )
        } catch let error as ServerStartError {
            throw error
        } catch {
            throw ServerStartError(description: "cannot listen on \(address): \(error)")
        }
    }

    private func prepareTLS() throws(ServerStartError) {
        guard let tls = core.configuration.tls else { return }
        do {
            let made = try TLSAcceptor(tls, logger: core.logger)
            acceptor.withLock { $0 = made }
        } catch {
            throw ServerStartError(description: "cannot serve TLS on \(address): \(error)")
        }
    }

    private func bind(_ bootstrap: ServerBootstrap) async throws -> any Channel {
        switch address {
        case .ip(let address):
            return try await bootstrap.childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
                .bind(host: address.host, port: Int(address.port)).get()
        case .unix(let path):
            guard path.utf8.count <= TransportAddress.maximumPathBytes else {
                let limit = TransportAddress.maximumPathBytes
                throw ServerStartError(
                    description: "\(path): a socket's path has at most \(limit) bytes"
                )
            }
            do {
                return try await bootstrap.bind(unixDomainSocketPath: path).get()
            } catch let error as IOError where error.errnoCode == EADDRINUSE {
                guard SocketFile.removeStale(path) else { throw error }
                return try await bootstrap.bind(unixDomainSocketPath: path).get()
            }
        }
    }

    private static func reason(_ error: IOError) -> String {
        switch error.errnoCode {
        case EADDRINUSE: "the address is in use by another process"
        case EACCES: "permission denied"
        case EADDRNOTAVAIL: "no network interface has this address"
        default: error.description
        }
    }

    private func accept(_ channel: any Channel) throws {
        let executor = executors[channel.eventLoop]
        let tls = acceptor.withLock { $0 }?.makeHandler(on: channel.eventLoop)
        let connection = core.makeConnection(on: executor, counters: http2Counters, tls: tls)
        let id = ObjectIdentifier(connection)
        let isAccepted = connections.withLock { connections in
            guard connections.count < core.configuration.maximumConnections,
                !isShuttingDown.load(ordering: .relaxed)
            else { return false }
            connections[id] = NIOLoopBound(connection, eventLoop: channel.eventLoop)
            return true
        }
        guard isAccepted else {
            return try channel.pipeline.syncOperations.addHandler(
                RefusedConnection(isPlaintext: tls == nil, counters: http2Counters)
            )
        }
        channel.closeFuture.whenComplete { _ in
            self.connections.withLock { _ = $0.removeValue(forKey: id) }
        }
        if let tls { try channel.pipeline.syncOperations.addHandler(tls) }
        try channel.pipeline.syncOperations.addHandler(connection)
    }

    /// Serves until the service group shuts down, then lets the calls in flight end.
    package func run() async throws {
        if listener.withLock({ $0 == nil }) { try await listen() }
        try await gracefulShutdown()
        await shutDown()
    }

    /// Stops listening, sends GOAWAY, and returns when the last call has ended or the drain timeout
    /// has passed.
    package func shutDown() async {
        let listening = listener.withLock { listener in
            defer { listener = nil }
            return listener
        }
        // What was accepted but not yet noted when the connections are looked at is turned away.
        isShuttingDown.store(true, ordering: .relaxed)
        try? await listening?.close()
        let open = connections.withLock { $0.values.map { $0 } }
        for connection in open {
            connection.eventLoop.execute { connection.value.shutDownGracefully() }
        }
        for connection in open {
            _ = try? await connection.eventLoop.submit { connection.value.closeFuture }.get()?.get()
        }
    }
}
