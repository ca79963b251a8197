package import ChannelPolicy
package import GRPC
import HTTP2
package import Logging
package import NIOCore
package import SwiftProtobuf

/// A gRPC client of a service, with as many servers and connections as its name and its settings
/// say.
///
/// It finds the servers, keeps connections to them, chooses one for each call, and tries calls again
/// that may be. Nothing happens before the first call or `connect`. It lives until `close`.
package final class ClientChannel: Sendable {
    let core: ChannelCore
    private let control: ChannelControl

    /// A channel to a target, or to what `resolver` finds instead.
    ///
    /// Connections are spread over the event loops of the group.
    package init(
        _ target: ChannelTarget,
        configuration: ClientChannelConfiguration = ClientChannelConfiguration(),
        resolver: (any NameResolver)? = nil,
        group: any EventLoopGroup,
        logger: Logger
    ) {
        let executors = group.makeIterator().map { EventLoopExecutor(eventLoop: $0) }
        precondition(!executors.isEmpty, "a channel needs an event loop")
        let eventLoop = executors[0].eventLoop
        let resolver: any NameResolver =
            if let resolver {
                resolver
            } else {
                switch target {
                case .addresses(let addresses): StaticResolver(addresses)
                case .dns(let host, let port):
                    DNSResolver(
                        host: host,
                        port: port,
                        configuration: configuration.dns,
                        eventLoop: eventLoop
                    )
                }
            }
        var logger = logger
        logger[metadataKey: "target"] = "\(target)"
        let counters = ChannelCounters()
        let board = PickerBoard(
            serviceConfig: configuration.serviceConfig,
            configuration: configuration,
            eventLoop: eventLoop
        )
        control = ChannelControl(
            resolver: resolver,
            authority: configuration.authority ?? target.authority,
            configuration: configuration,
            board: board,
            counters: counters,
            executors: executors,
            logger: logger
        )
        core = ChannelCore(
            board: board,
            counters: counters,
            control: control,
            buffer: RetryBuffer(
                bytesPerCall: configuration.retryBufferBytesPerCall,
                bytesPerChannel: configuration.retryBufferBytesPerChannel
            ),
            inheritsDeadlines: configuration.connection.inheritsDeadlines
        )
    }

    // MARK: - Calls

    /// One request, one response.
    ///
    /// `timeout` counts from here, with all waiting and all attempts. `waitForReady` says whether
    /// the call outlasts failing connections; nil leaves it to the service config, and then it does
    /// not. Throws `GRPCError` when the status is not OK.
    package func unary<Request: Message, Response: Message>(
        _ path: String,
        _ request: Request,
        metadata: Metadata = Metadata(),
        timeout: Duration? = nil,
        waitForReady: Bool? = nil
    ) async throws -> Response {
        let bytes = try await unary(
            path,
            frame: GRPCFrame(request),
            metadata: metadata,
            timeout: timeout,
            waitForReady: waitForReady
        )
        return try Response(grpcMessage: bytes)
    }

    /// The same with messages as bytes.
    package func unary(
        _ path: String,
        frame: GRPCFrame,
        metadata: Metadata = Metadata(),
        timeout: Duration? = nil,
        waitForReady: Bool? = nil
    ) async throws -> MessageBytes {
        let settings = core.settings(path, metadata, timeout, waitForReady)
        let pass = try core.callStarting(settings)
        do {
            try settings.checkRequest(frame)
            let response = try await core.unary(settings, frame, pass.allowance)
            try settings.checkResponse(response)
            core.callEnded(pass, .ok)
            return response
        } catch {
            core.callEnded(pass, (error as? GRPCError)?.code ?? .unknown)
            throw error
        }
    }

    /// Opens a call whose messages are read and written one by one.
    ///
    /// It returns when the call has a connection. Throws UNAVAILABLE when none can be had.
    package func open(
        _ path: String,
        metadata: Metadata = Metadata(),
        timeout: Duration? = nil,
        waitForReady: Bool? = nil
    ) async throws -> ChannelCall {
        let settings = core.settings(path, metadata, timeout, waitForReady)
        let pass = try core.callStarting(settings)
        let call = ChannelCall(settings, pass, core)
        try await call.begin()
        return call
    }

    // MARK: - The channel

    /// Resolves the name and connects, without a call.
    package func connect() {
        control.callQueued()
    }

    /// What the channel can do for a call now.
    package var state: ConnectivityState { core.board.read { $0.state } }

    /// Returns when the state is another than `old`; at once when the channel is closed.
    ///
    /// Throws when the task is cancelled or too many tasks wait.
    package func waitForStateChange(from old: ConnectivityState) async throws {
        try await core.board.waitForStateChange(from: old)
    }

    /// The settings that hold now.
    package var serviceConfig: ServiceConfig { core.board.read { $0.serviceConfig } }

    /// What it has done, by metric name.
    package var counters: [String: UInt64] { core.counters.values }

    /// Closes every connection; calls in flight end with UNAVAILABLE, and so does every later one.
    package func close() {
        control.close()
    }
}
