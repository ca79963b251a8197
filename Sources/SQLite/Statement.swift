import CSQLite

/// A prepared statement: bind, step, read columns, reset, again.
///
/// Columns count from 0, parameters from 1, as in SQLite. Reading a column is valid after `step` returned true.
package final class Statement {
    private let handle: OpaquePointer
    // Keeps the connection open while the statement is in use.
    private let database: Database

    init(_ sql: String, isKept: Bool, database: Database) throws(SQLiteError) {
        var prepared: OpaquePointer?
        var hasMore = false
        let flags = isKept ? UInt32(SQLITE_PREPARE_PERSISTENT) : 0
        let result = sql.withCString { start in
            var rest: UnsafePointer<CChar>?
            let result = sqlite3_prepare_v3(database.handle, start, -1, flags, &prepared, &rest)
            while let byte = rest?.pointee, byte != 0 {
                // Blank space and semicolons may follow the statement; more SQL would be silently ignored.
                hasMore = hasMore || !" \t\r\n;".utf8.contains(UInt8(bitPattern: byte))
                rest = rest?.advanced(by: 1)
            }
            return result
        }
        guard result == SQLITE_OK else { throw database.failure(result) }
        guard let prepared, !hasMore else {
            sqlite3_finalize(prepared)
            let found = prepared == nil ? "none" : "several"
            throw SQLiteError(
                extendedCode: SQLITE_MISUSE,
                message: "expected one SQL statement, got \(found)"
            )
        }
        handle = prepared
        self.database = database
    }

    deinit {
        sqlite3_finalize(handle)
    }

    // MARK: Running

    /// Goes to the next row; false when there is none.
    package func step() throws(SQLiteError) -> Bool {
        switch sqlite3_step(handle) {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        case let result: throw database.failure(result)
        }
    }

    /// Runs a statement whose rows are of no interest, and makes it ready to run again.
    package func run() throws(SQLiteError) {
        defer { reset() }
        while try step() {}
    }

    /// Makes the statement ready to run again; bindings stay.
    package func reset() {
        // The result repeats the error of the last step, which has been thrown already.
        sqlite3_reset(handle)
    }

    /// Sets every parameter to null.
    package func clearBindings() {
        sqlite3_clear_bindings(handle)
    }

    /// Whether the statement only reads.
    package var isReadOnly: Bool {
        sqlite3_stmt_readonly(handle) != 0
    }

    // MARK: Parameters

    package var parameterCount: Int {
        Int(sqlite3_bind_parameter_count(handle))
    }

    /// The name of a parameter with its prefix, such as `:year`; nil for a `?`.
    package func parameterName(_ index: Int) -> String? {
        sqlite3_bind_parameter_name(handle, Int32(clamping: index)).map { String(cString: $0) }
    }

    /// The index of a parameter by its name with the prefix, such as `:year`.
    package func parameterIndex(_ name: String) -> Int? {
        let index = sqlite3_bind_parameter_index(handle, name)
        return index == 0 ? nil : Int(index)
    }

    package func bind(_ value: Int64, at index: Int) throws(SQLiteError) {
        try check(sqlite3_bind_int64(handle, Int32(clamping: index), value))
    }

    package func bind(_ value: Int, at index: Int) throws(SQLiteError) {
        try bind(Int64(value), at: index)
    }

    package func bind(_ value: Double, at index: Int) throws(SQLiteError) {
        try check(sqlite3_bind_double(handle, Int32(clamping: index), value))
    }

    package func bind(_ value: String, at index: Int) throws(SQLiteError) {
        var value = value
        let result = value.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) { text in
                // A null pointer would bind null and no empty text.
                guard let start = text.baseAddress else {
                    return sqlite3_bind_text(handle, Int32(clamping: index), "", 0, transient)
                }
                return sqlite3_bind_text64(
                    handle,
                    Int32(clamping: index),
                    start,
                    UInt64(text.count),
                    transient,
                    UInt8(SQLITE_UTF8)
                )
            }
        }
        try check(result)
    }

    package func bind(_ value: [UInt8], at index: Int) throws(SQLiteError) {
        guard !value.isEmpty else {
            return try check(sqlite3_bind_zeroblob(handle, Int32(clamping: index), 0))
        }
        let result = value.withUnsafeBytes { bytes in
            sqlite3_bind_blob64(
                handle,
                Int32(clamping: index),
                bytes.baseAddress,
                UInt64(bytes.count),
                transient
            )
        }
        try check(result)
    }

    package func bindNull(at index: Int) throws(SQLiteError) {
        try check(sqlite3_bind_null(handle, Int32(clamping: index)))
    }

    package func bind(_ value: Int64, to name: String) throws(SQLiteError) {
        try bind(value, at: index(of: name))
    }

    package func bind(_ value: Int, to name: String) throws(SQLiteError) {
        try bind(value, at: index(of: name))
    }

    package func bind(_ value: Double, to name: String) throws(SQLiteError) {
        try bind(value, at: index(of: name))
    }

    package func bind(_ value: String, to name: String) throws(SQLiteError) {
        try bind(value, at: index(of: name))
    }

    package func bind(_ value: [UInt8], to name: String) throws(SQLiteError) {
        try bind(value, at: index(of: name))
    }

    package func bindNull(to name: String) throws(SQLiteError) {
        try bindNull(at: index(of: name))
    }

    // MARK: Columns

    package var columnCount: Int {
        Int(sqlite3_column_count(handle))
    }

    package func columnName(_ column: Int) -> String {
        sqlite3_column_name(handle, Int32(clamping: column)).map { String(cString: $0) } ?? ""
    }

    /// How SQLite stored the value of a column in this row.
    package func kind(_ column: Int) -> ColumnKind {
        switch sqlite3_column_type(handle, Int32(clamping: column)) {
        case SQLITE_INTEGER: .integer
        case SQLITE_FLOAT: .double
        case SQLITE_TEXT: .text
        case SQLITE_BLOB: .blob
        default: .null
        }
    }

    package func isNull(_ column: Int) -> Bool {
        kind(column) == .null
    }

    /// The value as an integer; 0 for null, as SQLite converts.
    package func integer(_ column: Int) -> Int64 {
        sqlite3_column_int64(handle, Int32(clamping: column))
    }

    /// The value as a floating-point number; 0 for null, as SQLite converts.
    package func double(_ column: Int) -> Double {
        sqlite3_column_double(handle, Int32(clamping: column))
    }

    /// The value as text; empty for null.
    package func text(_ column: Int) -> String {
        withTextBytes(column) { String(decoding: $0, as: UTF8.self) }
    }

    /// The value as bytes; empty for null.
    package func blob(_ column: Int) -> [UInt8] {
        let start = sqlite3_column_blob(handle, Int32(clamping: column))
        let count = Int(sqlite3_column_bytes(handle, Int32(clamping: column)))
        return Array(UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : count))
    }

    /// Lends the UTF-8 bytes of the value without a copy; they are gone after the next step or reset.
    package func withTextBytes<Result>(
        _ column: Int,
        _ body: (UnsafeBufferPointer<UInt8>) throws -> Result
    ) rethrows -> Result {
        // The order matters: asking for the text may convert the value, which changes its size.
        let start = sqlite3_column_text(handle, Int32(clamping: column))
        let count = Int(sqlite3_column_bytes(handle, Int32(clamping: column)))
        return try body(UnsafeBufferPointer(start: start, count: start == nil ? 0 : count))
    }

    // MARK: -

    private func index(of name: String) throws(SQLiteError) -> Int {
        if let index = parameterIndex(name) { return index }
        throw SQLiteError(
            extendedCode: SQLITE_RANGE,
            message: "no parameter \(name), expected one that the statement names"
        )
    }

    private func check(_ result: Int32) throws(SQLiteError) {
        guard result == SQLITE_OK else { throw database.failure(result) }
    }
}

/// SQLite's five kinds of values.
package enum ColumnKind: Hashable, Sendable {
    case integer
    case double
    case text
    case blob
    case null
}

/// Tells SQLite to copy the bytes before the call returns (`SQLITE_TRANSIENT`, a macro that Swift can't import).
private var transient: sqlite3_destructor_type {
    unsafeBitCast(-1, to: sqlite3_destructor_type.self)
}
