package import MeridianAPI
import Synchronization

/// What a worker is doing, counted as it happens and reported with its heartbeats.
package final class LoadMeter: Sendable {
    private let capacity: Int
    private let inFlight = Atomic<Int>(0)
    private let requests = Atomic<UInt64>(0)
    private let errors = Atomic<UInt64>(0)

    init(capacity: Int) {
        self.capacity = capacity
    }

    /// Counts a request in; false when `limit` are in already.
    func begin(limit: Int) -> Bool {
        guard inFlight.wrappingAdd(1, ordering: .relaxed).newValue <= limit else {
            inFlight.wrappingSubtract(1, ordering: .relaxed)
            return false
        }
        return true
    }

    func end(isError: Bool) {
        inFlight.wrappingSubtract(1, ordering: .relaxed)
        requests.wrappingAdd(1, ordering: .relaxed)
        if isError { errors.wrappingAdd(1, ordering: .relaxed) }
    }

    package var load: Meridian_V1_Load {
        let inFlight = inFlight.load(ordering: .relaxed)
        return .with {
            $0.inFlight = UInt32(clamping: inFlight)
            $0.requests = requests.load(ordering: .relaxed)
            $0.errors = errors.load(ordering: .relaxed)
            $0.utilization = min(1, Double(inFlight) / Double(capacity))
        }
    }
}
