package import HTTP2
package import Logging

/// The server's side of connections that come from elsewhere than a listener.
///
/// For pipelines that the caller makes: embedded channels in tests and in fuzzing.
package struct ServerPipeline {
    private let core: ServerCore
    private let http2Counters = ConnectionCounters()

    package init(
        methods: MethodTable,
        configuration: GRPCServerConfiguration = GRPCServerConfiguration(),
        logger: Logger
    ) {
        core = ServerCore(configuration: configuration, methods: methods, logger: logger)
    }

    /// Counters of calls and connections by metric name.
    package var counters: [String: UInt64] {
        http2Counters.values.merging(core.counters.values) { first, _ in first }
    }

    /// The handler for one channel on `executor`'s event loop.
    package func makeConnection(on executor: EventLoopExecutor) -> HTTP2Connection {
        core.makeConnection(on: executor, counters: http2Counters)
    }
}
