import SQLite

/// The statements of a store file, prepared once.
///
/// `entry` is the present. `change` is the history: every put and delete since the oldest change that
/// is kept, and before that the last put of each key that was there then, so that a read at any
/// revision since finds everything.
final class StoreStatements {
    private let selectEntry: Statement
    private let selectRange: Statement
    private let selectRangeAt: Statement
    private let selectKeys: Statement
    private let upsertEntry: Statement
    private let deleteEntry: Statement
    private let insertChange: Statement
    private let selectChanges: Statement
    private let deleteChanges: Statement
    private let updateState: Statement
    private let selectLeases: Statement
    private let selectLease: Statement
    private let selectLeaseKeys: Statement
    private let insertLease: Statement
    private let deleteLease: Statement
    /// Ends a range that has no end: no key is as long.
    private let afterAllKeys: [UInt8]

    init(_ database: Database, maximumKeyBytes: Int) throws(SQLiteError) {
        afterAllKeys = Array(repeating: 0xFF, count: maximumKeyBytes + 1)
        selectEntry = try database.prepare(SQL.selectEntry, isKept: true)
        selectRange = try database.prepare(SQL.selectRange, isKept: true)
        selectRangeAt = try database.prepare(SQL.selectRangeAt, isKept: true)
        selectKeys = try database.prepare(SQL.selectKeys, isKept: true)
        upsertEntry = try database.prepare(SQL.upsertEntry, isKept: true)
        deleteEntry = try database.prepare(SQL.deleteEntry, isKept: true)
        insertChange = try database.prepare(SQL.insertChange, isKept: true)
        selectChanges = try database.prepare(SQL.selectChanges, isKept: true)
        deleteChanges = try database.prepare(SQL.deleteChanges, isKept: true)
        updateState = try database.prepare(SQL.updateState, isKept: true)
        selectLeases = try database.prepare(SQL.selectLeases, isKept: true)
        selectLease = try database.prepare(SQL.selectLease, isKept: true)
        selectLeaseKeys = try database.prepare(SQL.selectLeaseKeys, isKept: true)
        insertLease = try database.prepare(SQL.insertLease, isKept: true)
        deleteLease = try database.prepare(SQL.deleteLease, isKept: true)
    }

    // MARK: Entries

    func entry(_ key: StoreKey) throws -> StoreEntry? {
        defer { selectEntry.reset() }
        try selectEntry.bind(key.bytes, at: 1)
        return try selectEntry.step() ? Self.entry(selectEntry) : nil
    }

    /// The first entries of a range, now or at an older revision.
    func range(
        _ range: KeyRange,
        at revision: Revision?,
        limit: Int,
        head: Revision
    ) throws -> RangeResult {
        let revision = revision == head ? nil : revision
        let statement = revision == nil ? selectRange : selectRangeAt
        defer { statement.reset() }
        try bind(range, to: statement)
        // One more tells whether the limit leaves some out.
        try statement.bind(limit + 1, at: 3)
        if let revision { try statement.bind(revision.rawValue, at: 4) }
        var entries: [StoreEntry] = []
        while try statement.step() { entries.append(Self.entry(statement)) }
        let hasMore = entries.count > limit
        if hasMore { entries.removeLast() }
        return RangeResult(revision: revision ?? head, entries: entries, hasMore: hasMore)
    }

    func keys(in range: KeyRange) throws -> [StoreKey] {
        try bind(range, to: selectKeys)
        return try keys(selectKeys)
    }

    func put(_ key: StoreKey, _ value: [UInt8], _ lease: LeaseID?, at revision: Revision) throws {
        let old = try entry(key)
        let new = StoreEntry(
            key: key,
            value: value,
            createRevision: old?.createRevision ?? revision,
            modRevision: revision,
            version: (old?.version ?? 0) + 1,
            lease: lease
        )
        try upsertEntry.bind(key.bytes, at: 1)
        try upsertEntry.bind(value, at: 2)
        try upsertEntry.bind(new.createRevision.rawValue, at: 3)
        try upsertEntry.bind(new.modRevision.rawValue, at: 4)
        try upsertEntry.bind(new.version, at: 5)
        try upsertEntry.bind(lease?.rawValue ?? 0, at: 6)
        try upsertEntry.run()
        try record(.put(new))
    }

    /// False when there was nothing to delete.
    func delete(_ key: StoreKey, at revision: Revision) throws -> Bool {
        guard try entry(key) != nil else { return false }
        try deleteEntry.bind(key.bytes, at: 1)
        try deleteEntry.run()
        try record(.delete(key, revision))
        return true
    }

    private func bind(_ range: KeyRange, to statement: Statement) throws {
        try statement.bind(range.start.bytes, at: 1)
        try statement.bind(range.end?.bytes ?? afterAllKeys, at: 2)
    }

    private func keys(_ statement: Statement) throws -> [StoreKey] {
        defer { statement.reset() }
        var keys: [StoreKey] = []
        while try statement.step() { keys.append(StoreKey(bytes: statement.blob(0))) }
        return keys
    }

    // MARK: History

    /// Calls `body` with each change in order until it returns false; true when it saw them all.
    func forEachChange(from start: Revision, _ body: (StoreChange) -> Bool) throws -> Bool {
        defer { selectChanges.reset() }
        try selectChanges.bind(start.rawValue, at: 1)
        while try selectChanges.step() {
            guard body(Self.change(selectChanges)) else { return false }
        }
        return true
    }

    /// Drops the changes before a revision, but not the last put of a key that was there.
    ///
    /// Only keys that changed since `start`, where the history began, can have something to drop.
    func dropHistory(from start: Revision, before revision: Revision) throws {
        try deleteChanges.bind(start.rawValue, at: 1)
        try deleteChanges.bind(revision.rawValue, at: 2)
        try deleteChanges.run()
    }

    func saveState(_ revision: Revision, _ oldest: Revision) throws {
        try updateState.bind(revision.rawValue, at: 1)
        try updateState.bind(oldest.rawValue, at: 2)
        try updateState.run()
    }

    private func record(_ change: StoreChange) throws {
        try insertChange.bind(change.revision.rawValue, at: 1)
        try insertChange.bind(change.key.bytes, at: 2)
        switch change {
        case .put(let entry):
            try insertChange.bind(entry.value, at: 3)
            try insertChange.bind(entry.createRevision.rawValue, at: 4)
            try insertChange.bind(entry.version, at: 5)
            try insertChange.bind(entry.lease?.rawValue ?? 0, at: 6)
        case .delete:
            try insertChange.bindNull(at: 3)
            for column in 4...6 { try insertChange.bind(0, at: column) }
        }
        try insertChange.run()
    }

    // MARK: Leases

    func leases() throws -> [Lease] {
        defer { selectLeases.reset() }
        var leases: [Lease] = []
        while try selectLeases.step() {
            leases.append(
                Lease(
                    id: LeaseID(selectLeases.integer(0)),
                    timeToLive: .seconds(selectLeases.integer(1))
                )
            )
        }
        return leases
    }

    func hasLease(_ id: LeaseID) throws -> Bool {
        defer { selectLease.reset() }
        try selectLease.bind(id.rawValue, at: 1)
        return try selectLease.step()
    }

    func keys(of lease: LeaseID) throws -> [StoreKey] {
        try selectLeaseKeys.bind(lease.rawValue, at: 1)
        return try keys(selectLeaseKeys)
    }

    func grant(_ lease: Lease) throws {
        try insertLease.bind(lease.id.rawValue, at: 1)
        try insertLease.bind(lease.timeToLive.components.seconds, at: 2)
        try insertLease.run()
    }

    func revoke(_ id: LeaseID) throws {
        try deleteLease.bind(id.rawValue, at: 1)
        try deleteLease.run()
    }

    // MARK: Rows

    private static func entry(_ row: Statement) -> StoreEntry {
        let lease = row.integer(5)
        return StoreEntry(
            key: StoreKey(bytes: row.blob(0)),
            value: row.blob(1),
            createRevision: Revision(row.integer(2)),
            modRevision: Revision(row.integer(3)),
            version: row.integer(4),
            lease: lease == 0 ? nil : LeaseID(lease)
        )
    }

    private static func change(_ row: Statement) -> StoreChange {
        row.isNull(1)
            ? .delete(StoreKey(bytes: row.blob(0)), Revision(row.integer(3))) : .put(entry(row))
    }
}

private enum SQL {
    private static let entryColumns =
        "SELECT key, value, create_revision, mod_revision, version, lease FROM entry"
    private static let changeColumns =
        "SELECT key, value, create_revision, revision, version, lease FROM change"
    private static let inRange = "key >= ?1 AND key < ?2"

    static let selectEntry = "\(entryColumns) WHERE key = ?1"
    static let selectRange = "\(entryColumns) WHERE \(inRange) ORDER BY key LIMIT ?3"
    static let selectRangeAt = """
        \(changeColumns) WHERE \(inRange) AND value IS NOT NULL AND revision = (
            SELECT max(last.revision) FROM change AS last
            WHERE last.key = change.key AND last.revision <= ?4
        ) ORDER BY key LIMIT ?3
        """
    static let selectKeys = "SELECT key FROM entry WHERE \(inRange) ORDER BY key"
    static let upsertEntry = """
        INSERT OR REPLACE INTO entry (key, value, create_revision, mod_revision, version, lease)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        """
    static let deleteEntry = "DELETE FROM entry WHERE key = ?1"
    static let insertChange = """
        INSERT INTO change (revision, key, value, create_revision, version, lease)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        """
    static let selectChanges = "\(changeColumns) WHERE revision >= ?1 ORDER BY revision, key"
    static let deleteChanges = """
        DELETE FROM change
        WHERE key IN (SELECT key FROM change WHERE revision >= ?1 AND revision < ?2)
        AND revision < ?2 AND (value IS NULL OR EXISTS (
            SELECT 1 FROM change AS later WHERE later.key = change.key
            AND later.revision > change.revision AND later.revision < ?2
        ))
        """
    static let updateState = "UPDATE state SET revision = ?1, oldest_change = ?2"
    static let selectLeases = "SELECT id, seconds FROM lease ORDER BY id"
    static let selectLease = "SELECT 1 FROM lease WHERE id = ?1"
    static let selectLeaseKeys =
        "SELECT key FROM entry WHERE lease = ?1 AND lease <> 0 ORDER BY key"
    static let insertLease = "INSERT INTO lease (id, seconds) VALUES (?1, ?2)"
    static let deleteLease = "DELETE FROM lease WHERE id = ?1"
}
