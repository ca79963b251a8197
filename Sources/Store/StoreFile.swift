import Glibc
import SQLite

/// The SQL of a `SQLiteStore`: one connection, used by one actor.
///
/// `synchronous` is FULL: a commit waits for the disk. NORMAL would survive a killed process too,
/// but a power cut could take the last commits with it, and with them an epoch that a worker was
/// already given, which then is given to a second one. The price, one `fsync` a commit, is shared by
/// all writes of a group.
final class StoreFile {
    private(set) var revision: Revision
    /// The oldest revision whose changes are all kept.
    private(set) var oldestChange: Revision

    let limits: StoreLimits
    let statements: StoreStatements
    private let retainedRevisions: Int64
    private let database: Database
    /// The oldest revision that can be read in a file that an older version wrote.
    private let oldestRead: Revision

    /// Opens the file, or makes it, and locks it for this process until the end.
    init(_ configuration: SQLiteStore.Configuration, schema: StoreSchema) throws(StoreError) {
        try Self.checkWritable(configuration.path)
        do {
            database = try Self.open(configuration)
            try schema.migrate(database)
            let verdict = try database.text("PRAGMA quick_check(1)") ?? "no answer"
            guard verdict == "ok" else {
                throw StoreError(.corrupt, "the file is damaged: \(verdict)")
            }
            statements = try StoreStatements(
                database,
                maximumKeyBytes: configuration.limits.maximumKeyBytes
            )
            revision = Revision(try database.integer("SELECT revision FROM state") ?? 0)
            oldestChange = Revision(try database.integer("SELECT oldest_change FROM state") ?? 1)
            oldestRead = Revision(try database.integer("SELECT oldest_read FROM state") ?? 0)
        } catch let error as StoreError {
            throw error
        } catch {
            throw StoreError(sqlite: error, doing: "open the store \(configuration.path)")
        }
        limits = configuration.limits
        retainedRevisions = Int64(configuration.retainedRevisions)
    }

    private static func open(_ configuration: SQLiteStore.Configuration) throws -> Database {
        let database = try Database(
            path: configuration.path,
            busyTimeout: configuration.lockTimeout
        )
        // Two writers would each believe their own revision; the exclusive mode makes the second
        // one fail.
        try database.execute("PRAGMA locking_mode = EXCLUSIVE")
        try database.execute("PRAGMA journal_mode = WAL")
        try database.execute("PRAGMA synchronous = FULL")
        try database.execute("PRAGMA journal_size_limit = 67108864")
        let pageBytes = max(1, try database.integer("PRAGMA page_size") ?? 4_096)
        try database.execute(
            "PRAGMA max_page_count = \(max(1, configuration.maximumFileBytes / pageBytes))"
        )
        return database
    }

    /// Without this, SQLite opens the file for reading and fails later with "disk I/O error".
    private static func checkWritable(_ path: String) throws(StoreError) {
        let directory = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
        // The log lies beside the file, so the directory must take new files.
        for needed in [path, directory] where access(needed, F_OK) == 0 && access(needed, W_OK) != 0
        {
            throw StoreError(
                .readOnly,
                "can't open the store \(path): no right to write to \(needed)"
            )
        }
    }

    // MARK: Reading

    func range(_ query: RangeQuery) throws(StoreError) -> RangeResult {
        try checkReadable(query.revision)
        let limit = query.limit ?? limits.maximumRangeEntries
        let result = try reading {
            try statements.range(query.range, at: query.revision, limit: limit, head: revision)
        }
        guard query.limit != nil || !result.hasMore else {
            throw .limitExceeded("more than \(limit) entries in \(query.range)")
        }
        return result
    }

    private func checkReadable(_ asked: Revision?) throws(StoreError) {
        guard let asked, asked != revision else { return }
        guard asked < revision else {
            throw StoreError(
                .futureRevision,
                "the store is at revision \(revision), asked was \(asked)"
            )
        }
        // What was there just before the oldest change that is kept is known as well.
        guard asked >= max(oldestChange.previous, oldestRead) else { throw compacted(asked) }
    }

    private func compacted(_ asked: Revision) -> StoreError {
        StoreError(
            .compacted,
            "the history before revision \(oldestChange) is gone, asked was \(asked)",
            oldestRevision: oldestChange
        )
    }

    /// The next changes from a revision on, up to the batch limit and the end of the revision that
    /// reaches it.
    func changes(in range: KeyRange, from start: Revision) throws(StoreError) -> ChangeBatch {
        guard start >= oldestChange else { throw compacted(start) }
        return try reading {
            var changes: [StoreChange] = []
            let isWhole = try statements.forEachChange(from: start) { change in
                guard range.contains(change.key) else { return true }
                if let last = changes.last, changes.count >= limits.maximumChangesPerBatch,
                    last.revision < change.revision
                {
                    return false
                }
                changes.append(change)
                return true
            }
            let reached = isWhole ? revision : changes.last?.revision ?? revision
            return ChangeBatch(revision: reached, changes: changes)
        }
    }

    func leases() throws(StoreError) -> [Lease] {
        try reading { try statements.leases() }
    }

    func keys(of lease: LeaseID) throws(StoreError) -> [StoreKey] {
        try reading { try statements.keys(of: lease) }
    }

    // MARK: Writing

    /// One of a group of writes.
    enum Write {
        case transaction(Transaction)
        case grant(Lease)
        case revoke(LeaseID)
    }

    /// What one write of a group did.
    struct Applied {
        /// The transaction's result, or only the revision that there is now; or why it was refused
        /// before it changed anything.
        let outcome: Result<TransactionResult, StoreError>
        /// The keys that it changed.
        let keys: [StoreKey]
    }

    /// Does a group of writes, each at its own revision, with one wait for the disk.
    func apply(_ group: [Write]) throws(StoreError) -> [Applied] {
        var head = revision
        var oldest = oldestChange
        let applied = try writing {
            var applied: [Applied] = []
            for write in group {
                applied.append(try apply(write, head: &head))
            }
            if head > revision {
                try dropOldHistory(head: head, oldest: &oldest)
                try statements.saveState(head, oldest)
            }
            return applied
        }
        (revision, oldestChange) = (head, oldest)
        return applied
    }

    func compact(before revision: Revision) throws(StoreError) {
        guard revision <= self.revision.next else {
            throw StoreError(
                .futureRevision,
                "can't compact before revision \(revision), the store is at \(self.revision)"
            )
        }
        guard revision > oldestChange else { return }
        try writing {
            try statements.dropHistory(from: oldestChange, before: revision)
            try statements.saveState(self.revision, revision)
        }
        oldestChange = revision
    }

    private func apply(_ write: Write, head: inout Revision) throws -> Applied {
        switch write {
        case .transaction(let transaction):
            return try apply(transaction, head: &head)
        case .grant(let lease):
            try statements.grant(lease)
            return done(head, [])
        case .revoke(let id):
            guard try statements.hasLease(id) else { return refused(.leaseNotFound(id)) }
            let keys = try statements.keys(of: id)
            for key in keys { _ = try statements.delete(key, at: head.next) }
            try statements.revoke(id)
            if !keys.isEmpty { head = head.next }
            return done(head, keys)
        }
    }

    private func done(_ head: Revision, _ keys: [StoreKey]) -> Applied {
        let result = TransactionResult(succeeded: true, revision: head, results: [])
        return Applied(outcome: .success(result), keys: keys)
    }

    private func refused(_ error: StoreError) -> Applied {
        Applied(outcome: .failure(error), keys: [])
    }

    private func apply(_ transaction: Transaction, head: inout Revision) throws -> Applied {
        var succeeded = true
        for compare in transaction.compares where succeeded {
            succeeded = compare.holds(for: try statements.entry(compare.key))
        }
        let operations = succeeded ? transaction.success : transaction.failure
        for case .put(_, _, let lease?) in operations where try !statements.hasLease(lease) {
            return refused(.leaseNotFound(lease))
        }
        let next = head.next
        var keys: [StoreKey] = []
        var results: [TransactionResult.OperationResult] = []
        for operation in operations {
            results.append(try apply(operation, at: next, head: head, keys: &keys))
        }
        if !keys.isEmpty { head = next }
        // The ranges of one transaction are all true for the revision that it leads to.
        let known = head
        let told = results.map { result in
            guard case .range(let read) = result else { return result }
            return .range(
                RangeResult(revision: known, entries: read.entries, hasMore: read.hasMore)
            )
        }
        let result = TransactionResult(succeeded: succeeded, revision: known, results: told)
        return Applied(outcome: .success(result), keys: keys)
    }

    private func apply(
        _ operation: Transaction.Operation,
        at revision: Revision,
        head: Revision,
        keys: inout [StoreKey]
    ) throws -> TransactionResult.OperationResult {
        switch operation {
        case .put(let key, let value, let lease):
            try statements.put(key, value, lease, at: revision)
            keys.append(key)
            return .put
        case .delete(let key):
            guard try statements.delete(key, at: revision) else { return .deleted(0) }
            keys.append(key)
            return .deleted(1)
        case .deleteRange(let range):
            let deleted = try statements.keys(in: range)
            for key in deleted { _ = try statements.delete(key, at: revision) }
            keys += deleted
            return .deleted(deleted.count)
        case .range(let query):
            let limit = query.limit ?? limits.maximumRangeEntriesInTransaction
            return .range(
                try statements.range(query.range, at: nil, limit: limit, head: head)
            )
        }
    }

    /// Keeps the last revisions.
    ///
    /// A tenth more are let go past the limit, so that most commits have nothing to drop.
    private func dropOldHistory(head: Revision, oldest: inout Revision) throws {
        let kept = head.rawValue - oldest.rawValue + 1
        guard kept > retainedRevisions + retainedRevisions / 10 else { return }
        let before = Revision(head.rawValue - retainedRevisions + 1)
        try statements.dropHistory(from: oldest, before: before)
        oldest = before
    }

    // MARK: Failures

    private func reading<Result>(_ body: () throws -> Result) throws(StoreError) -> Result {
        do {
            return try body()
        } catch {
            throw StoreError(sqlite: error, doing: "read from the store")
        }
    }

    private func writing<Result>(_ body: () throws -> Result) throws(StoreError) -> Result {
        do {
            return try database.transaction(.immediate, body)
        } catch {
            throw StoreError(sqlite: error, doing: "write to the store")
        }
    }
}
