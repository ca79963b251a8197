import Reports
import SQLite
import YAML

/// One read-only connection with the statements of the reports, prepared on first use.
///
/// Belongs to one thread at a time.
final class ReportConnection {
    private let database: Database
    private let reports: [ReportDefinition]
    /// As long as `reports`.
    private var kept: [Prepared?]

    private struct Prepared {
        let statement: Statement
        /// SQLite's index of each of the report's parameters.
        let parameterIndexes: [Int]
        /// The size of the last report, as a guess at the next.
        var lastByteCount = 4_096
    }

    init(path: String, reports: [ReportDefinition], busyTimeout: Duration) throws(SQLiteError) {
        database = try Database(path: path, access: .readOnly, busyTimeout: busyTimeout)
        try database.execute(
            "PRAGMA query_only = 1; PRAGMA cache_size = -8192; PRAGMA mmap_size = 268435456;"
        )
        self.reports = reports
        kept = Array(repeating: nil, count: reports.count)
    }

    /// Finds what is wrong in the definitions when they meet the database.
    func check() -> [Diagnostic] {
        reports.indices.compactMap { index in
            let problem: String
            do throws(SQLiteError) {
                let statement = try prepare(index).statement
                let expected = reports[index].columns.count
                if !statement.isReadOnly {
                    problem = "the SQL writes, expected a SELECT"
                } else if statement.columnCount != expected {
                    problem =
                        "the SQL returns \(statement.columnCount) columns, expected the \(expected) declared"
                } else {
                    return nil
                }
            } catch {
                problem = "\(error.message), expected SQL that fits the report database"
            }
            let place = reports[index].sqlLocation
            return Diagnostic(
                file: place.file,
                line: place.line,
                column: place.column,
                message: "report \"\(reports[index].name)\": \(problem)"
            )
        }
    }

    /// Runs a report; see `ReportEngine.run`.
    func run(
        _ request: ReportRequest,
        format: ReportFormat,
        limits: ReportLimits,
        shouldStop: () -> Bool
    ) throws -> RenderedReport {
        let index = request.index
        let prepared = try prepare(index)
        let statement = prepared.statement
        // The statement holds a read lock until it is reset, and the values of a client until they are cleared.
        defer {
            statement.reset()
            statement.clearBindings()
        }
        for (parameter, value) in zip(prepared.parameterIndexes, request.values) {
            try statement.bind(value, at: parameter)
        }
        let rendered = try database.withProgressCheck(
            everyInstructions: 4_000,
            shouldStop: shouldStop,
            {
                var renderer = RowRenderer(
                    reports[index],
                    values: request.values,
                    format: format,
                    // An eighth more, so that a report of about the same size doesn't grow its buffer.
                    reservedBytes: prepared.lastByteCount + prepared.lastByteCount / 8
                )
                let columnCount = reports[index].columns.count
                while try statement.step() {
                    try limits.check(rows: renderer.rowCount, bytes: renderer.byteCount)
                    statement.appendRow(to: &renderer, columnCount: columnCount)
                }
                let rowCount = renderer.rowCount
                return RenderedReport(bytes: renderer.finish(), rowCount: rowCount, format: format)
            }
        )
        kept[index]?.lastByteCount = rendered.bytes.count
        return rendered
    }

    private func prepare(_ index: Int) throws(SQLiteError) -> Prepared {
        if let prepared = kept[index] { return prepared }
        let report = reports[index]
        let statement = try database.prepare(report.sql, isKept: true)
        // A definition uses every parameter that it declares, so each has an index.
        let indexes = report.parameters.compactMap { statement.parameterIndex(":" + $0.name) }
        let fresh = Prepared(statement: statement, parameterIndexes: indexes)
        kept[index] = fresh
        return fresh
    }
}

extension ReportLimits {
    /// Throws when the next row would be one too many.
    fileprivate func check(rows: Int, bytes: Int) throws(ReportError) {
        guard rows < maximumRows else {
            throw ReportError(.tooManyRows, "the report has more than \(maximumRows) rows")
        }
        guard bytes <= maximumBytes else {
            throw ReportError(.tooManyBytes, "the report has more than \(maximumBytes) bytes")
        }
    }
}

extension Statement {
    fileprivate func bind(_ value: ParameterValue, at index: Int) throws(SQLiteError) {
        switch value {
        case .null: try bindNull(at: index)
        case .text(let value): try bind(value, at: index)
        case .integer(let value): try bind(value, at: index)
        case .decimal(let value): try bind(value, at: index)
        case .date(let value): try bind(value.description, at: index)
        case .month(let value): try bind(value.description, at: index)
        case .boolean(let value): try bind(value ? 1 : 0, at: index)
        }
    }

    fileprivate func appendRow(to renderer: inout RowRenderer, columnCount: Int) {
        renderer.beginRow()
        for column in 0..<columnCount {
            switch kind(column) {
            case .integer: renderer.integer(integer(column))
            case .double: renderer.double(double(column))
            case .text, .blob: withTextBytes(column) { renderer.text($0) }
            case .null: renderer.null()
            }
        }
        renderer.endRow()
    }
}
