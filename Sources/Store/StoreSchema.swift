import SQLite

/// The tables of a store file, as steps from one version to the next.
///
/// The version of a file is the number of steps that it has seen. A step that was released is never edited.
struct StoreSchema: Sendable {
    let steps: [String]

    /// `PRAGMA application_id`: "MERI", so that another program's database is not mistaken for a store.
    private static let applicationID: Int64 = 0x4D45_5249

    static let current = StoreSchema(steps: [
        """
        CREATE TABLE state (
            id INTEGER PRIMARY KEY CHECK (id = 0),
            revision INTEGER NOT NULL,
            oldest_change INTEGER NOT NULL
        );
        INSERT INTO state VALUES (0, 0, 1);
        CREATE TABLE entry (
            key BLOB PRIMARY KEY,
            value BLOB NOT NULL,
            create_revision INTEGER NOT NULL,
            mod_revision INTEGER NOT NULL,
            version INTEGER NOT NULL
        ) WITHOUT ROWID;
        -- One row for each put and delete; a delete has no value.
        CREATE TABLE change (
            revision INTEGER NOT NULL,
            key BLOB NOT NULL,
            value BLOB,
            create_revision INTEGER NOT NULL,
            version INTEGER NOT NULL,
            PRIMARY KEY (revision, key)
        ) WITHOUT ROWID;
        """,
        """
        -- Reads at an older revision, and leases. The last change of each key before the history's
        -- begin is kept from here on; version 1 dropped it, so what such a file held between its
        -- oldest change and now can't be told.
        ALTER TABLE state ADD COLUMN oldest_read INTEGER NOT NULL DEFAULT 0;
        UPDATE state SET oldest_read = revision WHERE oldest_change > 1;
        ALTER TABLE entry ADD COLUMN lease INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE change ADD COLUMN lease INTEGER NOT NULL DEFAULT 0;
        INSERT INTO change SELECT mod_revision, key, value, create_revision, version, lease
            FROM entry WHERE mod_revision < (SELECT oldest_change FROM state);
        CREATE INDEX change_by_key ON change (key, revision);
        CREATE INDEX entry_by_lease ON entry (lease) WHERE lease <> 0;
        CREATE TABLE lease (
            id INTEGER PRIMARY KEY,
            seconds INTEGER NOT NULL
        );
        """,
    ])

    /// Brings the file to the current version, all steps in one transaction; refuses what it doesn't know.
    func migrate(_ database: Database) throws(StoreError) {
        do {
            try database.transaction { try migrateInTransaction(database) }
        } catch let error as StoreError {
            throw error
        } catch {
            throw StoreError(sqlite: error, doing: "prepare the schema")
        }
    }

    private func migrateInTransaction(_ database: Database) throws {
        let version = Int(try database.integer("PRAGMA user_version") ?? 0)
        let application = try database.integer("PRAGMA application_id") ?? 0
        let tables = try database.integer("SELECT count(*) FROM sqlite_schema") ?? 0
        guard application == Self.applicationID || (application == 0 && version == 0 && tables == 0)
        else {
            throw StoreError(.notAStore, "the file is a database of another program")
        }
        guard (0...steps.count).contains(version) else {
            throw StoreError(
                .newerSchema,
                "the file has schema version \(version), expected at most \(steps.count): a newer program wrote it"
            )
        }
        for step in steps[version...] { try database.execute(step) }
        try database.execute("PRAGMA application_id = \(Self.applicationID)")
        try database.execute("PRAGMA user_version = \(steps.count)")
    }
}
