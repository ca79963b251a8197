/// A report: what may be asked, the SQL that answers, and how the answer is laid out.
package struct ReportDefinition: Sendable, Hashable {
    /// What clients call it, such as `customer-statement`.
    package let name: String
    package let title: String
    package let parameters: [ReportParameter]
    /// One `SELECT` with `:name` parameters, whose columns are `columns` in the same order.
    package let sql: String
    package let columns: [ReportColumn]
    /// What the last row says of each column, nil where it says nothing; as long as `columns`.
    package let totals: [TotalFunction?]
    /// Where the SQL was written, for what only a database can find wrong in it.
    package let sqlLocation: SourceLocation

    package init(
        name: String,
        title: String,
        parameters: [ReportParameter],
        sql: String,
        columns: [ReportColumn],
        totals: [String: TotalFunction],
        sqlLocation: SourceLocation = SourceLocation(file: "", line: 1, column: 1)
    ) {
        self.name = name
        self.title = title
        self.parameters = parameters
        self.sql = sql
        self.columns = columns
        self.totals = columns.map { totals[$0.name] }
        self.sqlLocation = sqlLocation
    }
}

/// A place in a file, lines and columns from 1.
package struct SourceLocation: Sendable, Hashable {
    package let file: String
    package let line: Int
    package let column: Int

    package init(file: String, line: Int, column: Int) {
        self.file = file
        self.line = line
        self.column = column
    }
}

/// A column of a report.
package struct ReportColumn: Sendable, Hashable {
    package let name: String
    package let format: ColumnFormat

    package init(_ name: String, _ format: ColumnFormat) {
        self.name = name
        self.format = format
    }
}

/// How the cells of a column are written.
package enum ColumnFormat: Sendable, Hashable {
    case text
    /// Text in the form `2024-02-29`.
    case date
    /// Text in the form `2024-02`.
    case month
    case integer
    /// A number with so many digits after the point, 0 to 9.
    case decimal(digits: Int)
    /// An integer number of cents, written exactly with two digits after the point.
    case money

    /// The word for it in definitions and in JSON.
    package var name: String {
        switch self {
        case .text: "text"
        case .date: "date"
        case .month: "month"
        case .integer: "integer"
        case .decimal: "decimal"
        case .money: "money"
        }
    }

    /// Whether cells can be added up.
    package var isNumeric: Bool {
        switch self {
        case .text, .date, .month: false
        case .integer, .decimal, .money: true
        }
    }
}

/// What a total says about its column.
package enum TotalFunction: String, Sendable, Hashable, CaseIterable {
    case sum
    /// The number of cells that are not null.
    case count
}

/// The form in which a report is delivered.
package enum ReportFormat: Sendable, Hashable {
    case csv
    case json

    package var contentType: String {
        switch self {
        case .csv: "text/csv; charset=utf-8"
        case .json: "application/json"
        }
    }
}
