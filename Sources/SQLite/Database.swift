import CSQLite
import Synchronization

/// One connection to a database file.
///
/// Not `Sendable`: a connection and its statements belong to one thread at a time. That is all that SQLite asks for
/// in its multi-thread mode, which saves a mutex in every call, column reads included.
package final class Database {
    /// What the connection may do.
    package enum Access: Sendable {
        case readOnly
        /// The file must exist.
        case readWrite
        case readWriteCreate
    }

    /// When a transaction takes its write lock.
    package enum TransactionKind: String, Sendable {
        /// At the first write.
        case deferred = "BEGIN DEFERRED"
        /// At once, so that it can't fail half-way for another writer.
        case immediate = "BEGIN IMMEDIATE"
        case exclusive = "BEGIN EXCLUSIVE"
    }

    let handle: OpaquePointer
    /// Stops this connection's running statement from any thread.
    package let interrupter: Interrupter

    /// Opens a file, or a private database in memory for the path `:memory:`.
    ///
    /// - Parameter busyTimeout: how long a statement waits for another connection's lock.
    package init(
        path: String,
        access: Access = .readWriteCreate,
        busyTimeout: Duration = .seconds(5)
    ) throws(SQLiteError) {
        let mode =
            switch access {
            case .readOnly: SQLITE_OPEN_READONLY
            case .readWrite: SQLITE_OPEN_READWRITE
            case .readWriteCreate: SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
            }
        var opened: OpaquePointer?
        let flags = mode | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
        let result = sqlite3_open_v2(path, &opened, flags, nil)
        guard result == SQLITE_OK, let opened else {
            let reason = opened.map { String(cString: sqlite3_errmsg($0)) } ?? "out of memory"
            // SQLite hands out a connection even when opening fails, only to carry the message.
            sqlite3_close_v2(opened)
            throw SQLiteError(extendedCode: result, message: "can't open \(path): \(reason)")
        }
        handle = opened
        interrupter = Interrupter(opened)
        let (seconds, attoseconds) = busyTimeout.components
        let milliseconds = seconds.multipliedReportingOverflow(by: 1_000).partialValue
        sqlite3_busy_timeout(
            handle,
            Int32(clamping: milliseconds + attoseconds / 1_000_000_000_000_000)
        )
    }

    deinit {
        interrupter.close()
        // Version 2 waits for statements that are still alive, so the order of deinits doesn't matter.
        sqlite3_close_v2(handle)
    }

    /// Runs statements that return nothing of interest: pragmas, schema, several at once.
    package func execute(_ sql: String) throws(SQLiteError) {
        let result = sqlite3_exec(handle, sql, nil, nil, nil)
        guard result == SQLITE_OK else { throw failure(result) }
    }

    /// Prepares one statement.
    ///
    /// - Parameter isKept: the statement will live long and run often, so SQLite allocates it accordingly.
    package func prepare(_ sql: String, isKept: Bool = false) throws(SQLiteError) -> Statement {
        try Statement(sql, isKept: isKept, database: self)
    }

    /// The first column of the first row as an integer; nil when there is no row or it is null.
    package func integer(_ sql: String) throws(SQLiteError) -> Int64? {
        let statement = try prepare(sql)
        guard try statement.step(), !statement.isNull(0) else { return nil }
        return statement.integer(0)
    }

    /// The first column of the first row as text; nil when there is no row or it is null.
    package func text(_ sql: String) throws(SQLiteError) -> String? {
        let statement = try prepare(sql)
        guard try statement.step(), !statement.isNull(0) else { return nil }
        return statement.text(0)
    }

    /// Runs `body` in a transaction: commits when it returns, rolls back when it throws.
    package func transaction<Result>(
        _ kind: TransactionKind = .immediate,
        _ body: () throws -> Result
    ) throws -> Result {
        try execute(kind.rawValue)
        do {
            let result = try body()
            try execute("COMMIT")
            return result
        } catch {
            // SQLite has already rolled back after some failures (a full disk); then there is nothing to undo.
            if isInTransaction { try? execute("ROLLBACK") }
            throw error
        }
    }

    /// Whether a transaction is open.
    package var isInTransaction: Bool {
        sqlite3_get_autocommit(handle) == 0
    }

    /// Rows that the last insert, update or delete changed.
    package var changedRows: Int {
        Int(sqlite3_changes64(handle))
    }

    /// The row id of the last insert.
    package var lastInsertedRowID: Int64 {
        sqlite3_last_insert_rowid(handle)
    }

    /// Runs `body` and asks `shouldStop` every so many virtual machine instructions of its statements.
    ///
    /// When it says yes, the running statement throws `.interrupted`. 10,000 instructions take well below a
    /// millisecond. `shouldStop` must not use this connection.
    package func withProgressCheck<Result>(
        everyInstructions interval: Int32 = 10_000,
        shouldStop: () -> Bool,
        _ body: () throws -> Result
    ) rethrows -> Result {
        try withoutActuallyEscaping(shouldStop) { check in
            let context = ProgressCheck(check)
            let pointer = Unmanaged.passUnretained(context).toOpaque()
            sqlite3_progress_handler(
                handle,
                interval,
                { pointer in
                    guard let pointer else { return 0 }
                    let context = Unmanaged<ProgressCheck>.fromOpaque(pointer)
                    return context.takeUnretainedValue().shouldStop() ? 1 : 0
                },
                pointer
            )
            defer { sqlite3_progress_handler(handle, 0, nil, nil) }
            // SQLite knows only the pointer, so the object must outlive the body.
            return try withExtendedLifetime(context) { try body() }
        }
    }

    func failure(_ result: Int32) -> SQLiteError {
        SQLiteError(extendedCode: result, message: String(cString: sqlite3_errmsg(handle)))
    }

    /// Gives the closure an address that C can carry.
    private final class ProgressCheck {
        let shouldStop: () -> Bool

        init(_ shouldStop: @escaping () -> Bool) {
            self.shouldStop = shouldStop
        }
    }
}

/// Stops a connection's running statement from any thread; harmless once the connection is closed.
package final class Interrupter: Sendable {
    /// The connection, as `sqlite3_interrupt` takes it.
    ///
    /// Unchecked, as the pointer is only passed to `sqlite3_interrupt`, which SQLite allows from any thread while
    /// the connection is open; the mutex around it holds closing back until the call is over.
    private struct Handle: @unchecked Sendable {
        let pointer: OpaquePointer
    }

    private let handle: Mutex<Handle?>

    fileprivate init(_ pointer: OpaquePointer) {
        handle = Mutex(Handle(pointer: pointer))
    }

    /// Makes the statements that run now throw `.interrupted`.
    package func interrupt() {
        handle.withLock { handle in
            if let handle { sqlite3_interrupt(handle.pointer) }
        }
    }

    fileprivate func close() {
        handle.withLock { $0 = nil }
    }
}
