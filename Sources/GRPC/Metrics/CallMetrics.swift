import NIOCore
import Synchronization

/// Counts the calls of one server or of any number of clients, by method.
///
/// For each method: calls begun and in flight, and by status how many ended, how long they took, and
/// the bytes and messages they carried. A call costs two looks at the clock, nine atomic additions
/// and no allocation, except that the first one of a method to end with a status makes room for
/// it. A server's methods are those of its table, where all others are "other"; a client's are the
/// first `maximumMethods` that are called.
package final class CallMetrics: Sendable {
    package struct Limits: Sendable {
        /// Methods of their own; further ones are counted together as "other".
        package var maximumMethods = 256
        /// Event loops up to this number don't share memory that they write to; a power of two.
        package var shards = 8

        package init() {}
    }

    /// The name under which calls of other methods are counted.
    package static let otherMethods = "other"

    let side: CallMetricsSide
    private let limits: Limits
    private let tallies: CallTallies
    private let names: MethodNames
    private let isServing = Atomic(false)

    package init(_ side: CallMetricsSide, limits: Limits = Limits()) {
        self.side = side
        self.limits = limits
        self.tallies = CallTallies(methods: limits.maximumMethods + 1, shards: limits.shards)
        self.names = MethodNames(maximum: limits.maximumMethods)
    }

    private func ended(
        _ method: Int?,
        _ executorNumber: Int,
        since start: NIODeadline,
        _ status: GRPCStatus,
        _ traffic: CallTraffic
    ) {
        let nanoseconds = UInt64(max(0, (NIODeadline.now() - start).nanoseconds))
        tallies.ended(
            method: method ?? limits.maximumMethods,
            shard: executorNumber,
            status.code,
            // Rounded up, as the bounds of the buckets are inclusive.
            microseconds: (nanoseconds + 999) / 1000,
            traffic: traffic
        )
    }

    /// What was counted so far.
    ///
    /// Calls go on meanwhile, so the numbers of one call may be in it in part.
    package var snapshot: CallMetricsSnapshot {
        let names = names.all.map { String($0.drop { $0 == "/" }) }
        var methods: [CallMetricsSnapshot.Method] = []
        for (number, name) in (names + [Self.otherMethods]).enumerated() {
            let row = number < names.count ? number : limits.maximumMethods
            guard let values = tallies.values(of: row) else { continue }
            methods.append(CallMetricsSnapshot.Method(name: name, values))
        }
        return CallMetricsSnapshot(side: side, methods: methods.sorted { $0.name < $1.name })
    }
}

extension CallMetrics: ServerInterceptor {
    /// - Precondition: no other server has it; the methods of two would be confused.
    package func serving(_ methods: MethodTable) {
        precondition(side == .server, "metrics of clients' calls can't count a server's")
        let wasServing = isServing.exchange(true, ordering: .relaxed)
        precondition(!wasServing, "call metrics are of one server only")
        for path in methods.paths { _ = names.number(of: path) }
    }

    package func started(_ call: ServerCall) {
        tallies.started(method: method(of: call), shard: call.executorNumber)
    }

    package func ended(_ call: ServerCall, _ status: GRPCStatus) {
        ended(method(of: call), call.executorNumber, since: call.startTime, status, call.traffic)
    }

    /// The names were numbered in the order of the table.
    private func method(of call: ServerCall) -> Int {
        min(call.methodIndex ?? .max, limits.maximumMethods)
    }
}

extension CallMetrics: ClientInterceptor {
    package func started(_ call: ClientCall, _ metadata: inout Metadata) {
        precondition(side == .client, "metrics of a server's calls can't count clients'")
        let method = names.number(of: call.path) ?? limits.maximumMethods
        tallies.started(method: method, shard: call.executorNumber)
    }

    package func ended(_ call: ClientCall, _ status: GRPCStatus) {
        let method = names.number(of: call.path)
        ended(method, call.executorNumber, since: call.startTime, status, call.traffic)
    }
}

/// Which calls are counted, and so under which names.
package enum CallMetricsSide: Sendable {
    case server
    /// Attempts: one call of the application is several when it is retried or hedged.
    case client
}
