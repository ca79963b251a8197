/// The embedded store: one SQLite file, one process.
///
/// The actor runs on a queue of its own, because SQLite blocks. Writes that arrive while one is
/// being written form a group that shares the next wait for the disk.
package actor SQLiteStore: Store {
    /// Where the file is, and what it may grow to.
    package struct Configuration: Hashable, Sendable {
        package var path: String
        package var limits = StoreLimits()
        /// Revisions whose changes are kept for watches and histories.
        package var retainedRevisions = 10_000
        /// Past it, changes fail as on a full disk.
        package var maximumFileBytes: Int64 = 4 << 30
        /// How long to wait at the start for another process to let go of the file.
        package var lockTimeout: Duration = .seconds(5)
        /// Writes that wait for the disk; more are refused.
        package var maximumWaitingTransactions = 4_096
        /// Writes that share one wait for the disk.
        package var maximumGroupTransactions = 256
        /// Watches that wait for something to happen.
        package var maximumWatches = 1_024
        /// Leases at one time.
        package var maximumLeases = 100_000
        /// How late a lease's end may be noticed.
        package var leaseCheckInterval: Duration = .milliseconds(100)

        package init(path: String) {
            self.path = path
        }
    }

    /// A write that waits for its group.
    private struct Waiting {
        typealias Done = CheckedContinuation<Result<TransactionResult, StoreError>, Never>

        let write: StoreFile.Write
        /// Nil when nobody waits, as for a lease that ran out.
        let done: Done?
    }

    let configuration: Configuration
    let executor: DispatchSerialExecutor
    let clock: any StoreClock
    /// Nil before `open` and after `close`.
    private var file: StoreFile?
    private var waiting: [Waiting] = []
    private var isFlushScheduled = false

    // What the extensions keep: leases and watches.
    var leases = LeaseTable()
    var leaseSweep: Task<Void, Never>?
    /// Leases that have run out, while their end waits to be written.
    var endingLeases: Set<LeaseID> = []
    var watchers: [Int: Watcher] = [:]
    var lastWatcherID = 0

    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        executor.asUnownedSerialExecutor()
    }

    private init(_ configuration: Configuration, _ clock: any StoreClock) {
        self.configuration = configuration
        self.executor = DispatchSerialExecutor(label: "store")
        self.clock = clock
    }

    /// Opens the file, or makes it.
    ///
    /// Throws when it is damaged, not writable, or not ours.
    package static func open(_ configuration: Configuration) async throws(StoreError) -> SQLiteStore
    {
        try await open(configuration, schema: .current)
    }

    static func open(
        _ configuration: Configuration,
        schema: StoreSchema = .current,
        clock: any StoreClock = MonotonicStoreClock()
    ) async throws(StoreError) -> SQLiteStore {
        let store = SQLiteStore(configuration, clock)
        try await store.openFile(schema)
        return store
    }

    private func openFile(_ schema: StoreSchema) throws(StoreError) {
        let file = try StoreFile(configuration, schema: schema)
        restoreLeases(try file.leases())
        self.file = file
    }

    func opened() throws(StoreError) -> StoreFile {
        guard let file else { throw .closed }
        return file
    }

    // MARK: Reading

    package func range(_ query: RangeQuery) throws(StoreError) -> RangeResult {
        let file = try opened()
        try configuration.limits.check(query)
        return try file.range(query)
    }

    // MARK: Writing

    package func commit(_ transaction: Transaction) async throws(StoreError) -> TransactionResult {
        _ = try opened()
        try configuration.limits.check(transaction)
        return try await write(.transaction(transaction))
    }

    func write(_ write: StoreFile.Write) async throws(StoreError) -> TransactionResult {
        _ = try opened()
        guard waiting.count < configuration.maximumWaitingTransactions else {
            throw .limitExceeded(
                "\(configuration.maximumWaitingTransactions) transactions wait to be written already"
            )
        }
        return try await withCheckedContinuation { done in
            waiting.append(Waiting(write: write, done: done))
            scheduleFlush()
        }.get()
    }

    /// Writes what nobody waits for; there are as many at most as leases.
    func writeUnwatched(_ write: StoreFile.Write) {
        waiting.append(Waiting(write: write, done: nil))
        scheduleFlush()
    }

    package func compact(before revision: Revision) throws(StoreError) {
        try opened().compact(before: revision)
    }

    package func close() {
        while !waiting.isEmpty { flush() }
        // The connection closes with its last reference, and gives up the lock on the file.
        file = nil
        leaseSweep?.cancel()
        leaseSweep = nil
        endWatchers()
    }

    /// Puts the flush behind the jobs that are in the queue now: the writes among them join the
    /// group.
    private func scheduleFlush() {
        guard !isFlushScheduled else { return }
        isFlushScheduled = true
        executor.queue.async { self.assumeIsolated { $0.flush() } }
    }

    private func flush() {
        isFlushScheduled = false
        let group = Array(waiting.prefix(configuration.maximumGroupTransactions))
        waiting.removeFirst(group.count)
        if !waiting.isEmpty { scheduleFlush() }
        guard let file, !group.isEmpty else { return }
        do {
            finish(group, try file.apply(group.map(\.write)))
        } catch {
            guard group.count > 1 else { return group.forEach { finish($0, .failure(error)) } }
            // One of them is the cause (too large for the disk, say). Alone, the others can still
            // succeed.
            for item in group { flushAlone(item, file) }
        }
    }

    private func flushAlone(_ item: Waiting, _ file: StoreFile) {
        do {
            finish([item], try file.apply([item.write]))
        } catch {
            finish(item, .failure(error))
        }
    }

    private func finish(_ group: [Waiting], _ applied: [StoreFile.Applied]) {
        for (item, applied) in zip(group, applied) { finish(item, applied.outcome) }
        wakeWatchers(changed: applied.flatMap(\.keys))
    }

    private func finish(_ item: Waiting, _ outcome: Result<TransactionResult, StoreError>) {
        leaseWritten(item.write, outcome)
        item.done?.resume(returning: outcome)
    }
}
