/// How much history is kept.
package struct HistoryRetention: Hashable, Sendable {
    /// History is kept at least so long.
    package var age: Duration = .seconds(3_600)
    /// And at most so many revisions, however young.
    package var maximumRevisions: Int64 = 100_000
    /// How often to look; the history is that much older at most.
    package var interval: Duration = .seconds(60)

    package init() {}
}

/// Forgets history that is older than it need be, or more than it need be.
///
/// Any store: etcd keeps all history until it is told otherwise, and the embedded store's own bound
/// is a count. Replicas may all do it, as forgetting what is forgotten is no error.
package struct HistoryCompactor<Storage: Store>: Sendable {
    private let store: Storage
    private let retention: HistoryRetention
    private let failed: @Sendable (StoreError) -> Void

    /// - Parameter failed: told of each attempt that failed; the next one makes up for it.
    package init(
        store: Storage,
        retention: HistoryRetention = HistoryRetention(),
        failed: @escaping @Sendable (StoreError) -> Void
    ) {
        self.store = store
        self.retention = retention
        self.failed = failed
    }

    /// Works until it is cancelled or the store is closed.
    package func run(clock: some Clock<Duration> = .continuous) async {
        let origin = clock.now
        var schedule = CompactionSchedule(retention)
        while !Task.isCancelled {
            do throws(StoreError) {
                let revision = try await store.revision()
                let now = origin.duration(to: clock.now)
                if let before = schedule.sampled(revision, now: now) {
                    try await store.compact(before: before)
                }
            } catch {
                if error.code == .closed { return }
                failed(error)
            }
            do {
                try await clock.sleep(for: retention.interval)
            } catch {
                return
            }
        }
    }
}

/// What a compactor forgets next.
struct CompactionSchedule {
    private struct Sample {
        let revision: Revision
        let time: Duration
    }

    private let retention: Duration
    private let maximumRevisions: Int64
    /// What the revision was when; none is older than the retention but the first.
    private var samples: [Sample] = []
    private var done = Revision.zero

    init(_ retention: HistoryRetention) {
        self.retention = retention.age
        maximumRevisions = retention.maximumRevisions
    }

    /// The revision before which history is due to go; nil when none is.
    mutating func sampled(_ revision: Revision, now: Duration) -> Revision? {
        samples.append(Sample(revision: revision, time: now))
        // The last sample that is old enough: everything up to it is.
        if let old = samples.lastIndex(where: { now - $0.time >= retention }) {
            samples.removeFirst(old)
        }
        var due = Revision(revision.rawValue - maximumRevisions + 1)
        if let first = samples.first, now - first.time >= retention {
            due = max(due, first.revision.next)
        }
        guard due > max(done, Revision(1)) else { return nil }
        done = due
        return due
    }
}

extension Store {
    /// Where the store is now.
    package func revision() async throws(StoreError) -> Revision {
        // No key begins with a zero byte, so nothing is read.
        try await range(RangeQuery(.key(StoreKey(bytes: [0])), limit: 1)).revision
    }
}
