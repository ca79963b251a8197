/// What a store takes its leases' time from: durations since a moment of its own.
protocol StoreClock: Sendable {
    var now: Duration { get }
    /// Throws when the task is cancelled.
    func sleep(for duration: Duration) async throws
}

/// The machine's monotonic clock.
struct MonotonicStoreClock: StoreClock {
    private let origin = ContinuousClock.now

    var now: Duration { origin.duration(to: .now) }

    func sleep(for duration: Duration) async throws {
        try await Task.sleep(for: duration, clock: .continuous)
    }
}
