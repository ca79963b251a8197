import Glibc
import SQLite

/// The SQL of a `SQLiteStore`: one connection, used by one actor.
///
/// `synchronous` is FULL: a commit waits for the disk. NORMAL would survive a killed process too, but a power cut could
/// take the last commits with it, and with them an epoch that a worker was already given, which then is given to
/// a second one. The price, one `fsync` a commit, is shared by all transactions of a group.
final class StoreFile {
    private(set) var revision: Revision
    /// The oldest revision whose changes are all kept.
    private(set) var oldestChange: Revision

    private let limits: StoreLimits
    private let retainedRevisions: Int64
    private let database: Database
    private let selectEntry: Statement
    private let selectRange: Statement
    private let selectRangeToEnd: Statement
    private let upsertEntry: Statement
    private let deleteEntry: Statement
    private let insertChange: Statement
    private let selectChanges: Statement
    private let deleteChanges: Statement
    private let updateState: Statement

    /// Opens the file, or makes it, and locks it for this process until the end.
    init(_ configuration: SQLiteStore.Configuration, schema: StoreSchema) throws(StoreError) {
        try Self.checkWritable(configuration.path)
        do {
            database = try Database(
                path: configuration.path,
                busyTimeout: configuration.lockTimeout
            )
            // Two writers would each believe their own revision; the exclusive mode makes the second one fail.
            try database.execute("PRAGMA locking_mode = EXCLUSIVE")
            try database.execute("PRAGMA journal_mode = WAL")
            try database.execute("PRAGMA synchronous = FULL")
            try database.execute("PRAGMA journal_size_limit = 67108864")
            let pageBytes = max(1, try database.integer("PRAGMA page_size") ?? 4_096)
            try database.execute(
                "PRAGMA max_page_count = \(max(1, configuration.maximumFileBytes / pageBytes))"
            )
            try schema.migrate(database)
            let verdict = try database.text("PRAGMA quick_check(1)") ?? "no answer"
            guard verdict == "ok" else {
                throw StoreError(.corrupt, "the file is damaged: \(verdict)")
            }
            selectEntry = try database.prepare(SQL.selectEntry, isKept: true)
            selectRange = try database.prepare(SQL.selectRange, isKept: true)
            selectRangeToEnd = try database.prepare(SQL.selectRangeToEnd, isKept: true)
            upsertEntry = try database.prepare(SQL.upsertEntry, isKept: true)
            deleteEntry = try database.prepare(SQL.deleteEntry, isKept: true)
            insertChange = try database.prepare(SQL.insertChange, isKept: true)
            selectChanges = try database.prepare(SQL.selectChanges, isKept: true)
            deleteChanges = try database.prepare(SQL.deleteChanges, isKept: true)
            updateState = try database.prepare(SQL.updateState, isKept: true)
            revision = Revision(try database.integer("SELECT revision FROM state") ?? 0)
            oldestChange = Revision(try database.integer("SELECT oldest_change FROM state") ?? 1)
        } catch let error as StoreError {
            throw error
        } catch {
            throw StoreError(sqlite: error, doing: "open the store \(configuration.path)")
        }
        limits = configuration.limits
        retainedRevisions = Int64(configuration.retainedRevisions)
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

    func get(_ key: StoreKey) throws(StoreError) -> RangeResult {
        try reading { RangeResult(revision: revision, entries: try entry(key).map { [$0] } ?? []) }
    }

    func range(prefix: StoreKey) throws(StoreError) -> RangeResult {
        let limit = limits.maximumRangeEntries
        let entries = try reading {
            let statement = prefix.endOfPrefix == nil ? selectRangeToEnd : selectRange
            defer { statement.reset() }
            try statement.bind(prefix.bytes, at: 1)
            try statement.bind(limit + 1, at: 2)
            if let end = prefix.endOfPrefix { try statement.bind(end.bytes, at: 3) }
            var entries: [StoreEntry] = []
            while try statement.step() { entries.append(Self.entry(statement)) }
            return entries
        }
        guard entries.count <= limit else {
            throw .limitExceeded("more than \(limit) entries under \"\(prefix)\"")
        }
        return RangeResult(revision: revision, entries: entries)
    }

    /// The next changes from a revision on, up to the batch limit and the end of the revision that reaches it.
    func changes(prefix: StoreKey, from start: Revision) throws(StoreError) -> ChangeBatch {
        guard start >= oldestChange else {
            throw StoreError(
                .compacted,
                "the history before revision \(oldestChange) is gone, asked was \(start)",
                oldestRevision: oldestChange
            )
        }
        return try reading {
            defer { selectChanges.reset() }
            try selectChanges.bind(start.rawValue, at: 1)
            var changes: [StoreChange] = []
            while try selectChanges.step() {
                let change = Self.change(selectChanges)
                guard change.key.hasPrefix(prefix) else { continue }
                if let last = changes.last, changes.count >= limits.maximumChangesPerBatch,
                    last.revision < change.revision
                {
                    return ChangeBatch(revision: last.revision, changes: changes)
                }
                changes.append(change)
            }
            return ChangeBatch(revision: revision, changes: changes)
        }
    }

    // MARK: Writing

    /// What one transaction of a group did.
    struct Applied {
        let result: TransactionResult
        /// The keys that it changed.
        let keys: [StoreKey]
    }

    /// Does a group of transactions, each at its own revision, with one wait for the disk.
    func apply(_ group: [Transaction]) throws(StoreError) -> [Applied] {
        var head = revision
        var oldest = oldestChange
        let applied = try writing {
            var applied: [Applied] = []
            for transaction in group {
                applied.append(try apply(transaction, head: &head))
            }
            if head > revision {
                try dropOldHistory(head: head, oldest: &oldest)
                try saveState(head, oldest)
            }
            return applied
        }
        (revision, oldestChange) = (head, oldest)
        return applied
    }

    func compact(before revision: Revision) throws(StoreError) {
        guard revision <= self.revision.next else {
            throw .invalid(
                "can't compact before revision \(revision), the store is at \(self.revision)"
            )
        }
        guard revision > oldestChange else { return }
        try writing {
            try dropHistory(before: revision)
            try saveState(self.revision, revision)
        }
        oldestChange = revision
    }

    private func apply(_ transaction: Transaction, head: inout Revision) throws -> Applied {
        var succeeded = true
        for compare in transaction.compares where succeeded {
            succeeded = compare.holds(for: try entry(compare.key))
        }
        let operations = succeeded ? transaction.success : transaction.failure
        let next = head.next
        var keys: [StoreKey] = []
        for operation in operations where try apply(operation, at: next) {
            keys.append(operation.key)
        }
        if !keys.isEmpty { head = next }
        return Applied(result: TransactionResult(succeeded: succeeded, revision: head), keys: keys)
    }

    /// False when nothing changed.
    private func apply(_ operation: Transaction.Operation, at revision: Revision) throws -> Bool {
        let old = try entry(operation.key)
        switch operation {
        case .put(let key, let value):
            let new = StoreEntry(
                key: key,
                value: value,
                createRevision: old?.createRevision ?? revision,
                modRevision: revision,
                version: (old?.version ?? 0) + 1
            )
            try upsertEntry.bind(key.bytes, at: 1)
            try upsertEntry.bind(value, at: 2)
            try upsertEntry.bind(new.createRevision.rawValue, at: 3)
            try upsertEntry.bind(new.modRevision.rawValue, at: 4)
            try upsertEntry.bind(new.version, at: 5)
            try upsertEntry.run()
            try record(.put(new))
        case .delete(let key):
            guard old != nil else { return false }
            try deleteEntry.bind(key.bytes, at: 1)
            try deleteEntry.run()
            try record(.delete(key, revision))
        }
        return true
    }

    private func record(_ change: StoreChange) throws {
        try insertChange.bind(change.revision.rawValue, at: 1)
        try insertChange.bind(change.key.bytes, at: 2)
        switch change {
        case .put(let entry):
            try insertChange.bind(entry.value, at: 3)
            try insertChange.bind(entry.createRevision.rawValue, at: 4)
            try insertChange.bind(entry.version, at: 5)
        case .delete:
            try insertChange.bindNull(at: 3)
            try insertChange.bind(0, at: 4)
            try insertChange.bind(0, at: 5)
        }
        try insertChange.run()
    }

    /// Keeps the last revisions.
    ///
    /// A tenth more are let go past the limit, so that most commits have nothing to drop.
    private func dropOldHistory(head: Revision, oldest: inout Revision) throws {
        let kept = head.rawValue - oldest.rawValue + 1
        guard kept > retainedRevisions + retainedRevisions / 10 else { return }
        oldest = Revision(head.rawValue - retainedRevisions + 1)
        try dropHistory(before: oldest)
    }

    private func dropHistory(before revision: Revision) throws {
        try deleteChanges.bind(revision.rawValue, at: 1)
        try deleteChanges.run()
    }

    private func saveState(_ revision: Revision, _ oldest: Revision) throws {
        try updateState.bind(revision.rawValue, at: 1)
        try updateState.bind(oldest.rawValue, at: 2)
        try updateState.run()
    }

    // MARK: Rows

    private func entry(_ key: StoreKey) throws -> StoreEntry? {
        defer { selectEntry.reset() }
        try selectEntry.bind(key.bytes, at: 1)
        return try selectEntry.step() ? Self.entry(selectEntry) : nil
    }

    private static func entry(_ row: Statement) -> StoreEntry {
        StoreEntry(
            key: StoreKey(bytes: row.blob(0)),
            value: row.blob(1),
            createRevision: Revision(row.integer(2)),
            modRevision: Revision(row.integer(3)),
            version: row.integer(4)
        )
    }

    private static func change(_ row: Statement) -> StoreChange {
        row.isNull(1)
            ? .delete(StoreKey(bytes: row.blob(0)), Revision(row.integer(3))) : .put(entry(row))
    }

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

private enum SQL {
    private static let entryColumns =
        "SELECT key, value, create_revision, mod_revision, version FROM entry"

    static let selectEntry = "\(entryColumns) WHERE key = ?1"
    static let selectRange = "\(entryColumns) WHERE key >= ?1 AND key < ?3 ORDER BY key LIMIT ?2"
    static let selectRangeToEnd = "\(entryColumns) WHERE key >= ?1 ORDER BY key LIMIT ?2"
    static let upsertEntry = "INSERT OR REPLACE INTO entry VALUES (?1, ?2, ?3, ?4, ?5)"
    static let deleteEntry = "DELETE FROM entry WHERE key = ?1"
    static let insertChange = "INSERT INTO change VALUES (?1, ?2, ?3, ?4, ?5)"
    static let selectChanges = """
        SELECT key, value, create_revision, revision, version FROM change
        WHERE revision >= ?1 ORDER BY revision, key
        """
    static let deleteChanges = "DELETE FROM change WHERE revision < ?1"
    static let updateState = "UPDATE state SET revision = ?1, oldest_change = ?2"
}
