import Synchronization

/// What the TLS handlers of one server or client have seen, counted from its start.
package final class TLSCounters: Sendable {
    private let started = Atomic<UInt64>(0)
    private let completed = Atomic<UInt64>(0)
    private let resumed = Atomic<UInt64>(0)
    // A failure is rare enough for a lock.
    private let failures = Mutex<[TLSFailure.Reason: UInt64]>([:])

    package init() {}

    /// Values by metric name.
    package var values: [String: UInt64] {
        var values = [
            "tls_handshakes_started": started.load(ordering: .relaxed),
            "tls_handshakes_completed": completed.load(ordering: .relaxed),
            "tls_handshakes_resumed": resumed.load(ordering: .relaxed),
        ]
        let failures = failures.withLock { $0 }
        for reason in TLSFailure.Reason.allCases {
            values[reason.metricName] = failures[reason, default: 0]
        }
        return values
    }

    /// Connections that ended for this reason.
    package func failures(_ reason: TLSFailure.Reason) -> UInt64 {
        failures.withLock { $0[reason, default: 0] }
    }

    func handshakeStarted() { started.wrappingAdd(1, ordering: .relaxed) }

    func handshakeCompleted(isResumed: Bool) {
        completed.wrappingAdd(1, ordering: .relaxed)
        if isResumed { resumed.wrappingAdd(1, ordering: .relaxed) }
    }

    func failed(_ reason: TLSFailure.Reason) {
        failures.withLock { $0[reason, default: 0] += 1 }
    }
}
