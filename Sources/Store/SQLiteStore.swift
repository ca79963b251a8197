/// The embedded store: one SQLite file, one process.
///
/// The actor runs on a queue of its own, because SQLite blocks. Transactions that arrive while one is being written
/// form a group that shares the next wait for the disk.
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
        /// Transactions that wait to be written; more are refused.
        package var maximumWaitingTransactions = 4_096
        /// Transactions that share one wait for the disk.
        package var maximumGroupTransactions = 256
        /// Watches that wait for something to happen.
        package var maximumWatches = 1_024

        package init(path: String) {
            self.path = path
        }
    }

    private struct Waiting {
        let transaction: Transaction
        let done: CheckedContinuation<Result<TransactionResult, StoreError>, Never>
    }

    /// A watch that has seen everything before its cursor.
    private struct Watcher {
        let prefix: StoreKey
        var cursor: Revision
        let wakeUp: CheckedContinuation<WakeUp, Never>
    }

    private enum WakeUp {
        /// Look from the cursor on.
        case changed(Revision)
        case cancelled
        case closed
    }

    private let configuration: Configuration
    private let executor: DispatchSerialExecutor
    /// Nil before `open` and after `close`.
    private var file: StoreFile?
    private var waiting: [Waiting] = []
    private var isFlushScheduled = false
    private var watchers: [Int: Watcher] = [:]
    private var lastWatcherID = 0

    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        executor.asUnownedSerialExecutor()
    }

    private init(_ configuration: Configuration) {
        self.configuration = configuration
        self.executor = DispatchSerialExecutor(label: "store")
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
        schema: StoreSchema
    ) async throws(StoreError) -> SQLiteStore {
        let store = SQLiteStore(configuration)
        try await store.openFile(schema)
        return store
    }

    private func openFile(_ schema: StoreSchema) throws(StoreError) {
        file = try StoreFile(configuration, schema: schema)
    }

    // MARK: Reading

    package func get(_ key: StoreKey) throws(StoreError) -> RangeResult {
        try opened().get(key)
    }

    package func range(prefix: StoreKey) throws(StoreError) -> RangeResult {
        try opened().range(prefix: prefix)
    }

    // MARK: Writing

    package func commit(_ transaction: Transaction) async throws(StoreError) -> TransactionResult {
        _ = try opened()
        try configuration.limits.check(transaction)
        guard waiting.count < configuration.maximumWaitingTransactions else {
            throw .limitExceeded(
                "\(configuration.maximumWaitingTransactions) transactions wait to be written already"
            )
        }
        return try await withCheckedContinuation { done in
            waiting.append(Waiting(transaction: transaction, done: done))
            scheduleFlush()
        }.get()
    }

    package func compact(before revision: Revision) throws(StoreError) {
        try opened().compact(before: revision)
    }

    package func close() {
        while !waiting.isEmpty { flush() }
        // The connection closes with its last reference, and gives up the lock on the file.
        file = nil
        let watchers = watchers
        self.watchers = [:]
        for watcher in watchers.values { watcher.wakeUp.resume(returning: .closed) }
    }

    /// Puts the flush behind the jobs that are in the queue now: the transactions among them join the group.
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
            finish(group, try file.apply(group.map(\.transaction)))
        } catch {
            guard group.count > 1 else {
                return group.forEach { $0.done.resume(returning: .failure(error)) }
            }
            // One of them is the cause (too large for the disk, say). Alone, the others can still succeed.
            for item in group { flushAlone(item, file) }
        }
    }

    private func flushAlone(_ item: Waiting, _ file: StoreFile) {
        do {
            finish([item], try file.apply([item.transaction]))
        } catch {
            item.done.resume(returning: .failure(error))
        }
    }

    private func finish(_ group: [Waiting], _ applied: [StoreFile.Applied]) {
        for (item, applied) in zip(group, applied) {
            item.done.resume(returning: .success(applied.result))
        }
        wakeWatchers(changed: applied.flatMap(\.keys))
    }

    // MARK: Watching

    package nonisolated func watch(prefix: StoreKey, from revision: Revision) -> Watch {
        Watch(store: self, prefix: prefix, start: revision)
    }

    /// The changes from a revision on, as they come.
    package struct Watch: AsyncSequence, Sendable {
        package typealias Element = ChangeBatch
        package typealias Failure = StoreError

        fileprivate let store: SQLiteStore
        fileprivate let prefix: StoreKey
        fileprivate let start: Revision

        package func makeAsyncIterator() -> Iterator {
            Iterator(watch: self, cursor: start)
        }

        package struct Iterator: AsyncIteratorProtocol {
            fileprivate let watch: Watch
            fileprivate var cursor: Revision

            package mutating func next(
                isolation actor: isolated (any Actor)? = #isolation
            ) async throws(StoreError) -> ChangeBatch? {
                let batch = try await watch.store.nextBatch(prefix: watch.prefix, from: cursor)
                if let batch { cursor = batch.revision.next }
                return batch
            }
        }
    }

    private func nextBatch(
        prefix: StoreKey,
        from start: Revision
    ) async throws(StoreError) -> ChangeBatch? {
        var cursor = start
        while !Task.isCancelled {
            let file = try opened()
            if cursor <= file.revision {
                let batch = try file.changes(prefix: prefix, from: cursor)
                guard batch.changes.isEmpty else { return batch }
                cursor = batch.revision.next
            }
            switch try await nextChange(prefix: prefix, cursor: cursor) {
            case .changed(let next): cursor = next
            case .cancelled: return nil
            case .closed: throw StoreError(.closed, "the store was closed")
            }
        }
        return nil
    }

    private func nextChange(prefix: StoreKey, cursor: Revision) async throws(StoreError) -> WakeUp {
        guard watchers.count < configuration.maximumWatches else {
            throw .limitExceeded("\(configuration.maximumWatches) watches wait already")
        }
        lastWatcherID += 1
        let id = lastWatcherID
        return await withTaskCancellationHandler {
            await withCheckedContinuation { wakeUp in
                watchers[id] = Watcher(prefix: prefix, cursor: cursor, wakeUp: wakeUp)
            }
        } onCancel: {
            // Queued, so it runs after the continuation is in the table, however early the cancellation comes.
            executor.queue.async { self.assumeIsolated { $0.cancelWatcher(id) } }
        }
    }

    private func cancelWatcher(_ id: Int) {
        // The watch may have been woken by a change at the same time; that is as good.
        watchers.removeValue(forKey: id)?.wakeUp.resume(returning: .cancelled)
    }

    /// Wakes the watches that one of the keys concerns, and moves the others on: they have missed nothing.
    private func wakeWatchers(changed keys: [StoreKey]) {
        guard let head = file?.revision, !keys.isEmpty else { return }
        for (id, watcher) in watchers where watcher.cursor <= head {
            if keys.contains(where: { $0.hasPrefix(watcher.prefix) }) {
                watchers[id] = nil
                watcher.wakeUp.resume(returning: .changed(watcher.cursor))
            } else {
                watchers[id]?.cursor = head.next
            }
        }
    }

    private func opened() throws(StoreError) -> StoreFile {
        guard let file else { throw StoreError(.closed, "the store was closed") }
        return file
    }
}
