extension SQLiteStore {
    /// A watch that has seen everything before its cursor, and waits.
    struct Watcher {
        let range: KeyRange
        var cursor: Revision
        let wakeUp: CheckedContinuation<WakeUp, Never>
    }

    enum WakeUp {
        /// Look from the cursor on.
        case changed(Revision)
        case cancelled
        case closed
    }

    package nonisolated func watch(_ range: KeyRange, from revision: Revision) -> Watch {
        Watch(store: self, range: range, start: revision)
    }

    /// The changes from a revision on, as they come.
    package struct Watch: AsyncSequence, Sendable {
        package typealias Element = ChangeBatch
        package typealias Failure = StoreError

        fileprivate let store: SQLiteStore
        fileprivate let range: KeyRange
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
                let batch = try await watch.store.nextBatch(in: watch.range, from: cursor)
                if let batch { cursor = batch.revision.next }
                return batch
            }
        }
    }

    private func nextBatch(
        in range: KeyRange,
        from start: Revision
    ) async throws(StoreError) -> ChangeBatch? {
        try configuration.limits.check(range)
        var cursor = start
        while !Task.isCancelled {
            let file = try opened()
            if cursor <= file.revision {
                let batch = try file.changes(in: range, from: cursor)
                guard batch.changes.isEmpty else { return batch }
                cursor = batch.revision.next
            }
            switch try await nextChange(in: range, cursor: cursor) {
            case .changed(let next): cursor = next
            case .cancelled: return nil
            case .closed: throw .closed
            }
        }
        return nil
    }

    private func nextChange(in range: KeyRange, cursor: Revision) async throws(StoreError) -> WakeUp
    {
        guard watchers.count < configuration.maximumWatches else {
            throw .limitExceeded("\(configuration.maximumWatches) watches wait already")
        }
        lastWatcherID += 1
        let id = lastWatcherID
        return await withTaskCancellationHandler {
            await withCheckedContinuation { wakeUp in
                watchers[id] = Watcher(range: range, cursor: cursor, wakeUp: wakeUp)
            }
        } onCancel: {
            // Queued, so it runs after the continuation is in the table, however early the
            // cancellation comes.
            executor.queue.async { self.assumeIsolated { $0.cancelWatcher(id) } }
        }
    }

    private func cancelWatcher(_ id: Int) {
        // The watch may have been woken by a change at the same time; that is as good.
        watchers.removeValue(forKey: id)?.wakeUp.resume(returning: .cancelled)
    }

    /// Wakes the watches that one of the keys concerns, and moves the others on: they have missed
    /// nothing.
    func wakeWatchers(changed keys: [StoreKey]) {
        guard !keys.isEmpty, let head = try? opened().revision else { return }
        for (id, watcher) in watchers where watcher.cursor <= head {
            if keys.contains(where: { watcher.range.contains($0) }) {
                watchers[id] = nil
                watcher.wakeUp.resume(returning: .changed(watcher.cursor))
            } else {
                watchers[id]?.cursor = head.next
            }
        }
    }

    func endWatchers() {
        let ended = watchers
        watchers = [:]
        for watcher in ended.values { watcher.wakeUp.resume(returning: .closed) }
    }
}
