package import HTTP2
package import NIOCore
import NIOPosix
package import Primitives
package import SwiftProtobuf
package import TLS

/// The bounds of one client.
package struct GRPCClientConfiguration: Sendable {
    package var connectTimeout: Duration = .seconds(2)
    /// The delay after a failed connection attempt, doubling up to the maximum.
    package var backoffBase: Duration = .milliseconds(100)
    package var backoffMaximum: Duration = .seconds(5)
    /// Bytes of one message.
    package var maximumMessageBytes = 4 * 1024 * 1024
    /// Calls that may wait for the connection.
    package var maximumWaitingCalls = 1024
    /// Silence after which the connection is probed, and silence after the probe that ends it.
    package var keepaliveInterval: Duration = .seconds(10)
    package var keepaliveTimeout: Duration = .seconds(5)
    /// Nil speaks plaintext.
    package var tls: TLSClientConfiguration?

    package init() {}
}

/// A gRPC client over one connection, which is made when a call needs it and made again when it is
/// lost.
///
/// Several addresses are tried in order; the first that answers is used.
// SAFETY (@unchecked Sendable): every stored `var` is touched on the executor's event loop only;
// the entry points go there first.
package final class GRPCClient: @unchecked Sendable {
    private let addresses: [EndpointAddress]
    private let configuration: GRPCClientConfiguration
    /// Runs tasks where the client works: one that prefers it makes its calls without changing
    /// threads.
    package let executor: EventLoopExecutor
    private let authority: String
    private let counters = ConnectionCounters()
    /// Nil without TLS; a failure when the configuration can't be used, which every call then says.
    private let connector: Result<TLSConnector, TLSError>?
    private var connectivity = Connectivity<HTTP2Connection>()
    private var backoff: Backoff
    private var attempt: Attempt?
    private var waiting: [Waiter] = []
    private var lastWaiter: UInt64 = 0

    /// A connection that is being made, until the server's SETTINGS are in.
    private struct Attempt {
        let address: EndpointAddress
        /// What is tried when this fails.
        let next: ArraySlice<EndpointAddress>
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
    package init(
        addresses: [EndpointAddress],
        configuration: GRPCClientConfiguration = GRPCClientConfiguration(),
        eventLoop: any EventLoop
    ) {
        precondition(!addresses.isEmpty, "a client needs an address")
        self.addresses = addresses
        self.configuration = configuration
        self.executor = EventLoopExecutor(eventLoop: eventLoop)
        self.authority = addresses[0].description
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
    /// Throws UNAVAILABLE when no address can be reached.
    package func open(
        _ path: String,
        metadata: Metadata = Metadata(),
        timeout: Duration? = nil
    ) async throws -> ClientCall {
        guard eventLoop.inEventLoop else {
            return try await withTaskExecutorPreference(executor) {
                try await self.open(path, metadata: metadata, timeout: timeout)
            }
        }
        let deadline = timeout.map { CallDeadline(timeout: $0) }
        // A connection can end between becoming ready and being used; a server that keeps doing so
        // is no use.
        for _ in 0..<3 {
            guard let connection = try await readyConnection(before: deadline) else { continue }
            if let deadline, deadline.remaining <= .zero { throw deadline.error }
            let call = ClientCall(
                executor: executor,
                maximumMessageBytes: configuration.maximumMessageBytes
            )
            let headers = requestHeaders(path, metadata: metadata, timeout: deadline?.remaining)
            if let stream = connection.open(headers, endStream: false, delegate: call) {
                call.opened(stream, deadline: deadline)
                return call
            }
            connectivity.connectionEnded(connection)
        }
        throw GRPCError(.unavailable, "the connection to \(authority) ended as the call began")
    }

    /// One request, one response.
    ///
    /// Throws `GRPCError` when the status is not OK.
    package func unary<Request: Message, Response: Message>(
        _ path: String,
        _ request: Request,
        metadata: Metadata = Metadata(),
        timeout: Duration? = nil
    ) async throws -> Response {
        let frame = try GRPCFrame(request)
        let bytes = try await unary(path, frame: frame, metadata: metadata, timeout: timeout)
        return try Response(grpcMessage: bytes)
    }

    /// One request, one response, as bytes that the caller encodes and decodes.
    ///
    /// Throws `GRPCError` when the status is not OK.
    package func unary(
        _ path: String,
        frame: GRPCFrame,
        metadata: Metadata = Metadata(),
        timeout: Duration? = nil
    ) async throws -> MessageBytes {
        try await withTaskExecutorPreference(executor) {
            let call = try await self.open(path, metadata: metadata, timeout: timeout)
            call.sendOnly(frame)
            guard let response = try await call.next() else {
                throw GRPCError(.internal, "the server ended the call without a message")
            }
            guard try await call.next() == nil else {
                call.cancel()
                throw GRPCError(.internal, "the server answered a unary call with two messages")
            }
            return response
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
            if connect { self.connect(to: addresses[...], failures: []) }
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

    private func connect(to candidates: ArraySlice<EndpointAddress>, failures: [String]) {
        guard let address = candidates.first else {
            return connectFailed(
                GRPCError(.unavailable, "cannot connect: \(failures.joined(separator: "; "))")
            )
        }
        attempt = Attempt(address: address, next: candidates.dropFirst(), failures: failures)
        let bootstrap = ClientBootstrap(group: eventLoop)
            .connectTimeout(TimeAmount(configuration.connectTimeout))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try self.prepare(channel) }
            }
        bootstrap.connect(host: address.host, port: Int(address.port)).assumeIsolated()
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
                host: address.host,
                authority: address.description,
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
            self.connectivity.backoffEnded()
        }
        endWaiting(.failure(error))
    }

    /// Closes the connection; calls in flight end with UNAVAILABLE, and so does every later one.
    package func close() async {
        guard eventLoop.inEventLoop else {
            return await withTaskExecutorPreference(executor) { await self.close() }
        }
        let connection = connectivity.close() ?? attempt?.connection
        attempt = nil
        endWaiting(.failure(GRPCError(.unavailable, "the client is closed")))
        connection?.close(reason: "the client was closed")
    }
}

/// The system's words for a failed connection attempt, without NIO's.
private func reason(_ error: any Error) -> String {
    guard let failure = error as? NIOConnectionError else { return "\(error)" }
    if let first = failure.connectionErrors.first?.error as? IOError {
        return String(cString: strerror(first.errnoCode))
    }
    return failure.connectionErrors.isEmpty ? "the name does not resolve" : "\(failure)"
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
        endWaiting(.success(()))
    }

    package func connectionIsDraining(_ connection: HTTP2Connection) {
        connectivity.connectionEnded(connection)
    }

    package func connectionClosed(_ connection: HTTP2Connection, reason: String) {
        connectivity.connectionEnded(connection)
        // A server that closes before its SETTINGS leaves the calls that wait for them behind.
        if connection === attempt?.connection { attemptFailed(reason) }
    }
}
