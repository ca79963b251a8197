import Reports
import YAML

/// A definition with every kind of parameter and column.
let everyKind = """
    name: every-kind
    title: Every kind of column
    parameters:
      - {name: year, type: integer, required: true, minimum: 2000, maximum: 2100}
      - {name: region, type: text, values: [eu, us, ap]}
      - {name: note, type: text, maximumBytes: 4}
      - {name: rate, type: decimal, minimum: 0, maximum: 1, default: 0.5}
      - {name: since, type: date, minimum: 2020-01-01}
      - {name: until, type: month, maximum: 2030-12}
      - {name: open, type: boolean, default: true}
    sql: |
      SELECT name, ':no', day, month, count, share, amount FROM t -- :neither
      WHERE y = :year AND r = :region AND n = :note AND x > :rate /* :nor */
      AND d > :since AND m < :until AND o = :open AND y2 = :year
    columns:
      - {name: name, type: text}
      - {name: day, type: date}
      - {name: month, type: month}
      - {name: count, type: integer}
      - {name: share, type: decimal, decimals: 3}
      - {name: amount, type: money}
    totals: {day: count, count: sum, share: sum, amount: sum}
    """

func definition(_ yaml: String) throws(Diagnostics) -> ReportDefinition {
    try ReportDefinition.decode(try YAMLNode.parse(yaml, file: "report.yaml"))
}

extension RowRenderer {
    /// A whole row, by cells of SQLite's kinds.
    mutating func row(_ cells: [Cell]) {
        beginRow()
        for cell in cells {
            switch cell {
            case .null: null()
            case .integer(let value): integer(value)
            case .double(let value): double(value)
            case .text(let value): Array(value.utf8).withUnsafeBufferPointer { text($0) }
            case .bytes(let value): value.withUnsafeBufferPointer { text($0) }
            }
        }
        endRow()
    }
}

enum Cell {
    case null
    case integer(Int64)
    case double(Double)
    case text(String)
    case bytes([UInt8])
}
