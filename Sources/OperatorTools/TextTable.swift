/// A table for people: headers in capitals, columns apart by spaces, no borders.
package struct TextTable: Sendable, CustomStringConvertible {
    /// One column's header, and on which side its cells are flush.
    package struct Column: Sendable {
        let title: String
        let isNumeric: Bool

        package static func text(_ title: String) -> Self { Self(title: title, isNumeric: false) }

        /// Cells are flush on the right, so that digits of equal worth stand below each other.
        package static func number(_ title: String) -> Self { Self(title: title, isNumeric: true) }
    }

    private struct Row {
        let cells: [String]
        let notes: [String]
    }

    private static let gap = "   "
    private static let noteIndentation = "  "

    private let columns: [Column]
    private var rows: [Row] = []

    package init(_ columns: [Column]) {
        self.columns = columns
    }

    /// Adds a row, and lines of text below it.
    ///
    /// - Precondition: there is a cell for each column.
    package mutating func add(_ cells: [String], notes: [String] = []) {
        precondition(
            cells.count == columns.count,
            "\(cells.count) cells for \(columns.count) columns"
        )
        let cells = cells.map { $0.isEmpty ? "-" : printable($0) }
        rows.append(Row(cells: cells, notes: notes.map(printable)))
    }

    /// The header and the rows, without a line end after the last.
    package var description: String {
        let titles = columns.map(\.title)
        var widths = titles.map(\.count)
        for row in rows {
            widths = zip(widths, row.cells).map { max($0, $1.count) }
        }
        var lines = [line(titles, widths)]
        for row in rows {
            lines.append(line(row.cells, widths))
            lines += row.notes.map { Self.noteIndentation + $0 }
        }
        return lines.joined(separator: "\n")
    }

    private func line(_ cells: [String], _ widths: [Int]) -> String {
        let padded = zip(zip(cells, widths), columns).map { cell, column in
            let padding = String(repeating: " ", count: cell.1 - cell.0.count)
            return column.isNumeric ? padding + cell.0 : cell.0 + padding
        }
        let line = padded.joined(separator: Self.gap)
        let end = line.lastIndex { $0 != " " }
        return end.map { String(line[...$0]) } ?? ""
    }
}
