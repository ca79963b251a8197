/// Writes a report into bytes, cell by cell.
///
/// Feed it one row after another: `beginRow`, one cell for each column in order, `endRow`; then `finish`. A hot
/// path: no `String` and no allocation for a cell, only the buffer grows now and then.
///
/// What a cell looks like is decided by its column and by what came: SQLite may return an integer where
/// a definition says text, and each pair has one sensible form.
package struct RowRenderer: ~Copyable {
    private let format: ReportFormat
    private let columns: [ReportColumn]
    private var totals: [Total]
    private var bytes: [UInt8] = []
    /// The column of the next cell.
    private var column = 0
    /// Finished rows.
    package private(set) var rowCount = 0

    /// What has been added up for one column.
    private struct Total {
        let function: TotalFunction?
        /// Wide enough for any number of rows that fits in memory, so that a sum can't overflow.
        var units: Int128 = 0
        var double = 0.0
        var count = 0
        /// A cell was no number, so there is no sum to tell.
        var isUnknown = false
    }

    /// - Parameter values: the parameters of the definition, in its order.
    /// - Parameter reservedBytes: the size to expect, such as that of the last report of this kind.
    package init(
        _ definition: ReportDefinition,
        values: [ParameterValue],
        format: ReportFormat,
        reservedBytes: Int = 4_096
    ) {
        self.format = format
        columns = definition.columns
        totals = definition.totals.map { Total(function: $0) }
        bytes.reserveCapacity(reservedBytes)
        switch format {
        case .csv: beginCSV()
        case .json: beginJSON(definition, values)
        }
    }

    /// Bytes so far, without the totals.
    package var byteCount: Int { bytes.count }

    // MARK: Cells

    package mutating func beginRow() {
        precondition(column == 0, "a row begins inside another")
        if format == .json {
            if rowCount > 0 { bytes.append(UInt8(ascii: ",")) }
            bytes.append(UInt8(ascii: "["))
        }
    }

    package mutating func null() {
        _ = beginCell()
        if format == .json { bytes.append(ascii: "null") }
    }

    package mutating func integer(_ value: Int64) {
        let index = beginCell()
        totals[index].count += 1
        totals[index].units += Int128(value)
        switch columns[index].format {
        case .text, .date, .month:
            let isQuoted = format == .json
            if isQuoted { bytes.append(UInt8(ascii: "\"")) }
            bytes.appendDecimal(value, digits: 0)
            if isQuoted { bytes.append(UInt8(ascii: "\"")) }
        case .integer:
            bytes.appendDecimal(value, digits: 0)
        case .money:
            bytes.appendDecimal(value, digits: 2)
        case .decimal(let digits):
            totals[index].double += Double(value)
            appendFixed(Double(value), digits: digits)
        }
    }

    package mutating func double(_ value: Double) {
        // JSON has no word for infinity, and SQLite stores not-a-number as null already.
        guard value.isFinite else { return null() }
        let index = beginCell()
        totals[index].count += 1
        switch columns[index].format {
        case .text, .date, .month:
            appendText(Array(value.description.utf8))
        case .integer, .money:
            // An average of cents, for example: rounded to the unit.
            let isMoney = columns[index].format == .money
            if let units = Int64(exactly: value.rounded(.toNearestOrEven)) {
                totals[index].units += Int128(units)
                bytes.appendDecimal(units, digits: isMoney ? 2 : 0)
            } else {
                totals[index].isUnknown = true
                bytes.append(contentsOf: (isMoney ? value / 100 : value).description.utf8)
            }
        case .decimal(let digits):
            totals[index].double += value
            appendFixed(value, digits: digits)
        }
    }

    /// Text in UTF-8; what is no UTF-8 is repaired, as both formats promise it.
    package mutating func text(_ text: UnsafeBufferPointer<UInt8>) {
        let index = beginCell()
        totals[index].count += 1
        totals[index].isUnknown = true
        guard isUTF8(text) else {
            appendText(Array(String(decoding: text, as: UTF8.self).utf8))
            return
        }
        appendText(text)
    }

    package mutating func endRow() {
        precondition(column == columns.count, "a row has as many cells as the report has columns")
        column = 0
        rowCount += 1
        switch format {
        case .csv: bytes.append(ascii: "\r\n")
        case .json: bytes.append(UInt8(ascii: "]"))
        }
    }

    /// Writes the totals; the renderer is used up.
    package consuming func finish() -> [UInt8] {
        precondition(column == 0, "the report ends inside a row")
        switch format {
        case .csv: finishCSV()
        case .json: finishJSON()
        }
        return bytes
    }

    // MARK: -

    /// Writes what stands before a cell and returns its column.
    private mutating func beginCell() -> Int {
        let index = column
        precondition(index < columns.count, "a row has as many cells as the report has columns")
        if index > 0 { bytes.append(UInt8(ascii: ",")) }
        column = index + 1
        return index
    }

    private mutating func appendFixed(_ value: Double, digits: Int) {
        guard let units = fixedPointUnits(value, digits: digits) else {
            // Beyond 2^53 units a double has no such digits; its shortest form is the honest one, and rare.
            bytes.append(contentsOf: value.description.utf8)
            return
        }
        bytes.appendDecimal(units, digits: digits)
    }

    private mutating func appendText(_ text: [UInt8]) {
        text.withUnsafeBufferPointer { appendText($0) }
    }

    private mutating func appendText(_ text: UnsafeBufferPointer<UInt8>) {
        switch format {
        case .csv: bytes.appendCSV(text)
        case .json: bytes.appendJSON(text)
        }
    }

    private mutating func appendTotal(_ index: Int, _ function: TotalFunction) {
        let total = totals[index]
        switch function {
        case .count:
            bytes.appendDecimal(Int64(total.count), digits: 0)
        case .sum where total.isUnknown || !total.double.isFinite:
            if format == .json { bytes.append(ascii: "null") }
        case .sum:
            switch columns[index].format {
            case .decimal(let digits): appendFixed(total.double, digits: digits)
            case .money: bytes.appendDecimal(wide: total.units, digits: 2)
            case .integer, .text, .date, .month: bytes.appendDecimal(wide: total.units, digits: 0)
            }
        }
    }
}

// MARK: - CSV (RFC 4180)

extension RowRenderer {
    private mutating func beginCSV() {
        for (index, column) in columns.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            appendText(Array(column.name.utf8))
        }
        bytes.append(ascii: "\r\n")
    }

    private mutating func finishCSV() {
        guard totals.contains(where: { $0.function != nil }) else { return }
        // A definition never totals its first column, so there is room for the word.
        bytes.append(ascii: "total")
        for index in columns.indices.dropFirst() {
            bytes.append(UInt8(ascii: ","))
            if let function = totals[index].function { appendTotal(index, function) }
        }
        bytes.append(ascii: "\r\n")
    }
}

// MARK: - JSON (RFC 8259)

extension RowRenderer {
    private mutating func beginJSON(_ definition: ReportDefinition, _ values: [ParameterValue]) {
        bytes.append(ascii: "{\"report\":")
        appendText(Array(definition.name.utf8))
        bytes.append(ascii: ",\"parameters\":{")
        for (index, (parameter, value)) in zip(definition.parameters, values).enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            appendText(Array(parameter.name.utf8))
            bytes.append(UInt8(ascii: ":"))
            append(value)
        }
        bytes.append(ascii: "},\"columns\":[")
        for (index, column) in columns.enumerated() {
            bytes.append(ascii: index > 0 ? ",{\"name\":" : "{\"name\":")
            appendText(Array(column.name.utf8))
            bytes.append(ascii: ",\"type\":")
            appendText(Array(column.format.name.utf8))
            bytes.append(UInt8(ascii: "}"))
        }
        bytes.append(ascii: "],\"rows\":[")
    }

    private mutating func finishJSON() {
        bytes.append(ascii: "],\"totals\":{")
        var isFirst = true
        for index in columns.indices {
            guard let function = totals[index].function else { continue }
            if !isFirst { bytes.append(UInt8(ascii: ",")) }
            isFirst = false
            appendText(Array(columns[index].name.utf8))
            bytes.append(UInt8(ascii: ":"))
            appendTotal(index, function)
        }
        bytes.append(ascii: "}}")
    }

    private mutating func append(_ value: ParameterValue) {
        switch value {
        case .null: bytes.append(ascii: "null")
        case .integer(let value): bytes.appendDecimal(value, digits: 0)
        case .decimal(let value): bytes.append(contentsOf: value.description.utf8)
        case .boolean(let value): bytes.append(ascii: value ? "true" : "false")
        case .text, .date, .month: appendText(Array(value.description.utf8))
        }
    }
}

private func isUTF8(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    // Most text is ASCII, which one pass over the bytes shows.
    var high: UInt8 = 0
    for byte in text { high |= byte }
    return high < 0x80 || (try? UTF8Span(validating: text.span)) != nil
}
