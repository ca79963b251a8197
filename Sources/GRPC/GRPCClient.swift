package import HTTP2
package import NIOCore
import NIOPosix
package import Primitives
package import SwiftProtobuf
import TLS

/// A gRPC client over one connection, which is made when a call needs it and made again when it is
/// lost.
///
/// Several addresses are tried in order; the first that answers is used.
// SAFETY (@unchecked Sendable): every stored `var` is touched on the executor's event loop only;
// the entry points go there first.
package final class GRPCClient: @unchecked Sendable {
    private let addresses: [TransportAddress]
    private let configuration: GRPCClientConfiguration
    /// Runs tasks where the client works: one that prefers it makes its calls without changing
    /// threads.
    package let executor: EventLoopExecutor
    private let authority: String
    /// The host that a server's certificate must name, when it is not each address's own.
    private let serverName: String?
    private let interceptors: ClientInterceptors?
    private let counters = ConnectionCounters()
    /// Nil without TLS; a failure when the configuration can't be used, which every call then says.
    private let connector: Result<TLSConnector, TLSError>?
    /// Who is told how the connection does; set it before the first use.
    package weak var observer: (any GRPCClientObserver)?
    private var connectivity = Connectivity<HTTP2Connection>()
    /// What takes no new calls and still has some: each closes after its last one.
    private var draining: [HTTP2Connection] = []
    private var backoff: Backoff
    private var attempt: Attempt?
    private var waiting: [Waiter] = []
    private var lastWaiter: UInt64 = 0

    /// A connection that is being made, until the server's SETTINGS are in.
    private struct Attempt {
        let address: TransportAddress
        /// What is tried when this fails.
        let next: ArraySlice<TransportAddress>
        /// Why the addresses before this were no use.
        let failures: [String]
        var connection: HTTP2Connection?
    }

    /// A call that waits for the connection.
    private struct Waiter {
        let id: UInt64
        let continuation: UnsafeContinuation<Void, any Error>
        let timer: Scheduled<Void>?
    }

    /// - Precondition: there is at least one address.
    package convenience init(
        addresses: [EndpointAddress],
        configuration: GRPCClientConfiguration = GRPCClientConfiguration(),
        eventLoop: any EventLoop
    ) {
        self.init(
            addresses: addresses.map { .ip($0) },
            configuration: configuration,
            executor: EventLoopExecutor(eventLoop: eventLoop)
        )
    }

    /// The clients of one event loop share its executor.
    ///
    /// `authority` is what `:authority` says, the first address when there is none.
    /// - Precondition: there is at least one address.
    package init(
        addresses: [TransportAddress],
        authority: String? = nil,
        configuration: GRPCClientConfiguration = GRPCClientConfiguration(),
        executor: EventLoopExecutor
    ) {
        precondition(!addresses.isEmpty, "a client needs an address")
        self.addresses = addresses
        self.configuration = configuration
        self.executor = executor
        let authority = authority ?? configuration.authority
        self.authority = authority ?? addresses[0].defaultAuthority
        self.serverName = authority.map(hostOf)
        self.interceptors = ClientInterceptors(configuration.interceptors)
        self.connector = configuration.tls.map { tls in
            Result { () throws(TLSError) in try TLSConnector(tls) }
        }
        self.backoff = Backoff(
            base: configuration.backoffBase,
            maximum: configuration.backoffMaximum
        )
    }

    private var eventLoop: any EventLoop { executor.eventLoop }

    // MARK: - Calls

    /// Opens a call, connecting first when there is no connection.
    ///
    /// Throws UNAVAILABLE when no address can be reached. `compression` is for the requests; a
    /// server that does not know it ends the call with UNIMPLEMENTED.
    package func open(
        _ path: String,
        metadata: Metadata = Metadata(),
        timeout: Duration? = nil,
        compression: MessageEncoding? = nil
    ) async throws -> ClientCall {
        guard eventLoop.inEventLoop else {
            return try await withTaskExecutorPreference(executor) {
                try await self.open(
                    path,
                    metadata: metadata,
                    timeout: timeout,
                    compression: compression
                )
            }
        }
        let deadline = CallDeadline(
            timeout: timeout,
            inherited: configuration.inheritsDeadlines ? CallContext.current?.deadline : nil
        )
        let call = ClientCall(
            executor: executor,
            maximumMessageBytes: configuration.maximumMessageBytes,
            compression: compression
        )
        guard let interceptors else {
            try await open(call, path, metadata: metadata, deadline: deadline)
            return call
        }
        do {
            var metadata = metadata
            try call.start(interceptors, path: path, deadline: deadline?.time, &metadata)
            try await open(call, path, metadata: metadata, deadline: deadline)
            return call
        } catch {
            call.failed(error)
            throw error
        }
    }

    private func open(
        _ call: ClientCall,
        _ path: String,
        metadata: Metadata,
        deadline: CallDeadline?
    ) async throws {
        // A connection can end between becoming ready and being used; a server that keeps doing so
        // is no use.
        for _ in 0..<3 {
            guard let connection = try await readyConnection(before: deadline) else { continue }
            if let deadline, deadline.remaining <= .zero { throw deadline.error }
            let headers = requestHeaders(path, metadata: metadata, timeout: deadline?.remaining)
            if start(call, headers, on: connection, deadline: deadline) { return }
        }
        throw GRPCError(.unavailable, "the connection to \(authority) ended as the call began")
    }

    /// False when the connection takes no more calls.
    private func start(
        _ call: ClientCall,
        _ headers: HeaderBlock,
        on connection: HTTP2Connection,
        deadline: CallDeadline?
    ) -> Bool {
        var headers = headers
        if let compression = call.compression {
            headers.append(name: "grpc-encoding", value: compression.name)
        }
        guard let stream = connection.open(headers, endStream: false, delegate: call) else {
            connectionEnded(connection)
            return false
        }
        call.opened(stream, deadline: deadline)
        return true
    }

    /// Opens a call on the connection that is there; nil when there is none.
    ///
    /// On the event loop. For callers that have other connections to go to.
    package func openIfReady(
        _ path: String,
        metadata: Metadata,
        deadline: CallDeadline?,
        previousAttempts: Int,
        observer: any ClientCallObserver
    ) -> ClientCall? {
        eventLoop.preconditionInEventLoop()
        guard let connection = connectivity.connection else { return nil }
        let call = ClientCall(
            executor: executor,
            maximumMessageBytes: configuration.maximumMessageBytes,
            observer: observer
        )
        var metadata = metadata
        if let interceptors {
            do {
                try call.start(interceptors, path: path, deadline: deadline?.time, &metadata)
            } catch {
                call.failed(error)
                return call
            }
        }
        var headers = requestHeaders(path, metadata: metadata, timeout: deadline?.remaining)
        if previousAttempts > 0 {
            headers.append(name: "grpc-previous-rpc-attempts", value: "\(previousAttempts)")
        }
        if !start(call, headers, on: connection, deadline: deadline) {
            guard interceptors != nil else { return nil }
            // Whoever was told of the start hears of the end too.
            call.closed(.unsent)
        }
        return call
    }

    /// One request, one response.
    ///
    /// Throws `GRPCError` when the status is not OK.
    package func unary<Request: Message, Response: Message>(
        _ path: String,
        _ request: Request,
        metadata: Metadata = Metadata(),
        timeout: Duration? = nil,
        compression: MessageEncoding? = nil
    ) async throws -> Response {
        let frame = try GRPCFrame(request)
        let bytes = try await unary(
            path,
            frame: frame,
            metadata: metadata,
            timeout: timeout,
            compression: compression
        )
        return try Response(grpcMessage: bytes)
    }

    /// One request, one response, as bytes that the caller encodes and decodes.
    ///
    /// Throws `GRPCError` when the status is not OK.
    package func unary(
        _ path: String,
        frame: GRPCFrame,
        metadata: Metadata = Metadata(),
        timeout: Duration? = nil,
        compression: MessageEncoding? = nil
    ) async throws -> MessageBytes {
        try await withTaskExecutorPreference(executor) {
            let call = try await self.open(
                path,
                metadata: metadata,
                timeout: timeout,
                compression: compression
            )
            call.sendOnly(frame)
            return try await call.onlyResponse()
        }
    }

    private func requestHeaders(
        _ path: String,
        metadata: Metadata,
        timeout: Duration?
    ) -> HeaderBlock {
        var headers = HeaderBlock([
            (":method", "POST"), (":scheme", connector == nil ? "http" : "https"), (":path", path),
            (":authority", authority),
            ("te", "trailers"), ("content-type", "application/grpc"),
            ("grpc-accept-encoding", MessageEncoding.accepted),
            ("user-agent", "grpc-swift-meridian"),
        ])
        if let timeout {
            headers.append(name: "grpc-timeout", value: GRPCTimeout.format(timeout))
        }
        metadata.append(to: &headers)
        return headers
    }

    // MARK: - The connection

    /// Counters of connections by metric name.
    package var connectionCounters: [String: UInt64] {
        guard case .success(let connector) = connector else { return counters.values }
        return counters.values.merging(connector.counters.values) { first, _ in first }
    }

    /// Connects without waiting for a call, when there is no connection and no delay runs.
    package func connect() {
        executor.runOnLoop {
            guard case .wait(connect: true) = self.connectivity.callStarted() else { return }
            self.startConnecting()
        }
    }

    private func startConnecting() {
        stateChanged()
        connect(to: addresses[...], failures: [])
    }

    private func stateChanged() {
        observer?.clientChanged(connectivity.phase)
    }

    private func connectionEnded(_ connection: HTTP2Connection) {
        if connectivity.connectionEnded(connection) { stateChanged() }
    }

    /// Nil after a wait: look again.
    private func readyConnection(before deadline: CallDeadline?) async throws -> HTTP2Connection? {
        switch connectivity.callStarted() {
        case .use(let connection): return connection
        case .fail(let error): throw error
        case .wait(let connect):
            guard waiting.count < configuration.maximumWaitingCalls else {
                throw GRPCError(
                    .resourceExhausted,
                    "\(waiting.count) calls wait for a connection to \(authority)"
                )
            }
            if connect { startConnecting() }
            try await waitForConnection(before: deadline)
            return nil
        }
    }

    private func waitForConnection(before deadline: CallDeadline?) async throws {
        lastWaiter += 1
        let id = lastWaiter
        try await withTaskCancellationHandler {
            try await withUnsafeThrowingContinuation { continuation in
                let timer = deadline.map { deadline in
                    eventLoop.scheduleTask(deadline: deadline.time) {
                        self.executor.batch { self.stopWaiting(id, deadline.error) }
                    }
                }
                waiting.append(Waiter(id: id, continuation: continuation, timer: timer))
            }
        } onCancel: {
            self.eventLoop.execute {
                self.executor.batch {
                    self.stopWaiting(id, GRPCError(.cancelled, "the call was cancelled"))
                }
            }
        }
    }

    private func stopWaiting(_ id: UInt64, _ error: GRPCError) {
        guard let index = waiting.firstIndex(where: { $0.id == id }) else { return }
        let waiter = waiting.remove(at: index)
        waiter.timer?.cancel()
        waiter.continuation.resume(throwing: error)
    }

    private func endWaiting(_ result: Result<Void, any Error>) {
        let ended = waiting
        waiting = []
        for waiter in ended {
            waiter.timer?.cancel()
            waiter.continuation.resume(with: result)
        }
    }

    private func connect(to candidates: ArraySlice<TransportAddress>, failures: [String]) {
        guard let address = candidates.first else {
            return connectFailed(
                GRPCError(.unavailable, "cannot connect: \(failures.joined(separator: "; "))")
            )
        }
        attempt = Attempt(address: address, next: candidates.dropFirst(), failures: failures)
        let bootstrap = ClientBootstrap(group: eventLoop)
            .connectTimeout(TimeAmount(configuration.connectTimeout))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try self.prepare(channel) }
            }
        bootstrap.connect(to: address).assumeIsolated()
            .whenComplete { result in
                switch result {
                case .success(let channel): self.limitSettingsWait(channel)
                case .failure(let error): self.executor.batch { self.attemptFailed(reason(error)) }
                }
            }
    }

    private func attemptFailed(_ reason: String) {
        guard let attempt else { return }
        self.attempt = nil
        connect(to: attempt.next, failures: attempt.failures + ["\(attempt.address): \(reason)"])
    }

    /// Whatever accepts the connection but does not speak HTTP/2 must not hold up the calls.
    private func limitSettingsWait(_ channel: any Channel) {
        guard let connection = attempt?.connection else { return }
        let timeout = configuration.connectTimeout
        let timer = eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(timeout)) {
            guard connection === self.attempt?.connection else { return }
            connection.close(reason: "no HTTP/2 SETTINGS within \(timeout)")
        }
        channel.closeFuture.whenComplete { _ in timer.cancel() }
    }

    private func prepare(_ channel: any Channel) throws {
        guard attempt != nil else { throw GRPCError(.unavailable, "the client is closed") }
        var http2 = HTTP2Configuration()
        http2.keepaliveInterval = TimeAmount(configuration.keepaliveInterval)
        http2.keepaliveTimeout = TimeAmount(configuration.keepaliveTimeout)
        let connection = HTTP2Connection(
            openingOn: executor,
            configuration: http2,
            counters: counters,
            delegate: self
        )
        attempt?.connection = connection
        if let connector, let address = attempt?.address {
            let tls = try connector.get().makeHandler(
                host: serverName ?? address.defaultHost,
                authority: serverName ?? address.description,
                on: eventLoop
            )
            try channel.pipeline.syncOperations.addHandler(tls)
        }
        try channel.pipeline.syncOperations.addHandler(connection)
    }

    private func connectFailed(_ error: GRPCError) {
        attempt = nil
        guard connectivity.connectFailed(error) else { return }
        var random = SystemRandomNumberGenerator()
        eventLoop.scheduleTask(in: TimeAmount(backoff.failed(using: &random))) {
            self.executor.batch {
                if self.connectivity.backoffEnded() { self.stateChanged() }
            }
        }
        stateChanged()
        endWaiting(.failure(error))
    }

    /// Closes the connection; calls in flight end with UNAVAILABLE, and so does every later one.
    package func close() async {
        guard eventLoop.inEventLoop else {
            return await withTaskExecutorPreference(executor) { await self.close() }
        }
        closeNow()
    }

    /// The same on the event loop.
    package func closeNow() {
        eventLoop.preconditionInEventLoop()
        var connections = draining
        if let connection = connectivity.close() ?? attempt?.connection {
            connections.append(connection)
        }
        attempt = nil
        stateChanged()
        endWaiting(.failure(GRPCError(.unavailable, "the client is closed")))
        for connection in connections { connection.close(reason: "the client was closed") }
    }
}

/// An authority without its port, an IPv6 address without its brackets.
private func hostOf(_ authority: String) -> String {
    if authority.hasPrefix("["), let end = authority.firstIndex(of: "]") {
        return String(authority[authority.index(after: authority.startIndex)..<end])
    }
    guard let colon = authority.lastIndex(of: ":") else { return authority }
    return String(authority[..<colon])
}

/// The system's words for a failed connection attempt, without NIO's.
private func reason(_ error: any Error) -> String {
    if let error = error as? IOError { return String(cString: strerror(error.errnoCode)) }
    guard let failure = error as? NIOConnectionError else { return "\(error)" }
    if let first = failure.connectionErrors.first?.error as? IOError {
        return String(cString: strerror(first.errnoCode))
    }
    return failure.connectionErrors.isEmpty ? "the name does not resolve" : "\(failure)"
}

extension ClientBootstrap {
    fileprivate func connect(to address: TransportAddress) -> EventLoopFuture<any Channel> {
        switch address {
        case .ip(let address):
            channelOption(.tcpOption(.tcp_nodelay), value: 1)
                .connect(host: address.host, port: Int(address.port))
        case .unix(let path): connect(unixDomainSocketPath: path)
        }
    }
}

extension GRPCClient: HTTP2ConnectionDelegate {
    package func connectionIsReady(_ connection: HTTP2Connection) {
        // A server may send SETTINGS again on a connection that is in use.
        guard connection === attempt?.connection else { return }
        attempt = nil
        guard connectivity.connected(connection) else {
            return connection.close(reason: "the client was closed")
        }
        backoff.succeeded()
        stateChanged()
        endWaiting(.success(()))
    }

    package func connectionIsDraining(_ connection: HTTP2Connection) {
        if !draining.contains(where: { $0 === connection }) { draining.append(connection) }
        connectionEnded(connection)
    }

    package func connectionClosed(_ connection: HTTP2Connection, reason: String) {
        draining.removeAll { $0 === connection }
        connectionEnded(connection)
        // A server that closes before its SETTINGS leaves the calls that wait for them behind.
        if connection === attempt?.connection { attemptFailed(reason) }
    }
}
