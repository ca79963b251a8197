import Synchronization

/// Identifiers of traces and spans, for all event loops.
///
/// SplitMix64 over a shared counter: one atomic addition each, no lock and no system call, and the
/// values of one generator don't repeat. They need to be spread, not secret.
final class TraceIDs: Sendable {
    private let state: Atomic<UInt64>

    init(seed: UInt64) {
        self.state = Atomic(seed)
    }

    private func next() -> UInt64 {
        let step: UInt64 = 0x9E37_79B9_7F4A_7C15
        var z = state.wrappingAdd(step, ordering: .relaxed).newValue
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    func spanID() -> TraceContext.SpanID {
        while true {
            // Zero comes once in 2^64.
            if let id = TraceContext.SpanID(next()) { return id }
        }
    }

    func traceID() -> TraceContext.TraceID {
        while true {
            if let id = TraceContext.TraceID(high: next(), low: next()) { return id }
        }
    }
}
