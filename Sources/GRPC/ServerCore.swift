package import HTTP2
import Logging
import Synchronization
package import TLS

/// The bounds of one server.
package struct GRPCServerConfiguration: Sendable {
    package var http2 = HTTP2Configuration()
    /// Bytes of one message, as gRPC servers limit it by default.
    package var maximumMessageBytes = 4 * 1024 * 1024
    /// Connections open at once; more are told so with GOAWAY and closed as they come.
    package var maximumConnections = 20_000
    /// Told of every call, in this order.
    package var interceptors: [any ServerInterceptor] = []
    /// Nil serves plaintext.
    package var tls: TLSServerConfiguration?

    package init() {}
}

/// What every call of a server shares.
final class ServerCore: Sendable {
    let configuration: GRPCServerConfiguration
    let methods: MethodTable
    let interceptors: ServerInterceptors
    let logger: Logger
    let counters = CallCounters()
    /// What every response begins with.
    let plainResponseHeaders = HeaderBlock([
        (":status", "200"), ("content-type", "application/grpc"),
        ("grpc-accept-encoding", MessageEncoding.accepted),
    ])

    init(configuration: GRPCServerConfiguration, methods: MethodTable, logger: Logger) {
        self.configuration = configuration
        self.methods = methods
        self.interceptors = ServerInterceptors(configuration.interceptors, serving: methods)
        self.logger = logger
    }

    /// The HTTP/2 side of one client's connection; `tls` stands before it in the pipeline.
    func makeConnection(
        on executor: EventLoopExecutor,
        counters: ConnectionCounters,
        tls: TLSHandler? = nil
    ) -> HTTP2Connection {
        HTTP2Connection(
            acceptingOn: executor,
            configuration: configuration.http2,
            counters: counters,
            accept: { stream in
                ServerCall(
                    core: self,
                    executor: executor,
                    stream: stream,
                    peer: tls?.peerIdentity
                )
            }
        )
    }

    /// An error whose text the client does not get.
    func report(_ error: any Error, path: String) {
        logger.error("a call failed", metadata: ["method": "\(path)", "error": "\(error)"])
    }
}

/// The calls of one server, counted from its start.
final class CallCounters: Sendable {
    private let started = Atomic<UInt64>(0)
    private let succeeded = Atomic<UInt64>(0)
    private let failed = Atomic<UInt64>(0)
    private let cancelled = Atomic<UInt64>(0)

    func callStarted() { started.wrappingAdd(1, ordering: .relaxed) }

    func callEnded(_ code: GRPCStatusCode) {
        switch code {
        case .ok: succeeded.wrappingAdd(1, ordering: .relaxed)
        case .cancelled: cancelled.wrappingAdd(1, ordering: .relaxed)
        default: failed.wrappingAdd(1, ordering: .relaxed)
        }
    }

    var values: [String: UInt64] {
        [
            "grpc_calls_started": started.load(ordering: .relaxed),
            "grpc_calls_ok": succeeded.load(ordering: .relaxed),
            "grpc_calls_failed": failed.load(ordering: .relaxed),
            "grpc_calls_cancelled": cancelled.load(ordering: .relaxed),
        ]
    }
}
