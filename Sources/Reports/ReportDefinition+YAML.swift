package import YAML

extension ReportDefinition {
    /// Reads a definition; throws everything that is wrong in it, with the place.
    package static func decode(_ node: YAMLNode) throws(Diagnostics) -> ReportDefinition {
        try node.decode { fields in
            let name = fields.required("name", .name)
            let title = fields.required("title", .text)
            let parameters = fields.mappings("parameters", count: 0...32) {
                ReportParameter.decode($0)
            }
            let sql = fields.required("sql", .located(.text))
            let columns = fields.mappings("columns", count: 1...64) { ReportColumn.decode($0) }
            let totals = fields.entries("totals", .choice() as ScalarType<TotalFunction>)
            check(parameters, against: sql, in: fields)
            check(columns, in: fields)
            check(totals, against: columns, in: fields)
            return ReportDefinition(
                name: name,
                title: title,
                parameters: parameters,
                sql: sql.value,
                columns: columns,
                totals: Dictionary(
                    totals.map { ($0.key.value, $0.value) },
                    uniquingKeysWith: { first, _ in first }
                ),
                sqlLocation: SourceLocation(
                    file: sql.node.file,
                    line: sql.node.line,
                    column: sql.node.column
                )
            )
        }
    }

    private static func check(
        _ parameters: [ReportParameter],
        against sql: Located<String>,
        in fields: MappingReader
    ) {
        // A name that could not be read is empty, and has been reported.
        let declared = parameters.map(\.name).filter { !$0.isEmpty }
        if let name = firstDuplicate(in: declared) {
            fields.report(
                "parameter \"\(name)\" is declared twice, expected it once",
                at: "parameters"
            )
        }
        let used = SQLParameters(sql.value)
        for other in used.others {
            let message =
                "the SQL has the parameter \(other), expected only parameters such as :name"
            fields.report(message, at: sql.node)
        }
        for name in used.names where !declared.contains(name) {
            let message = "the SQL uses :\(name), expected it among the declared parameters"
            fields.report(message + expectation(declared), at: sql.node)
        }
        for name in declared where !used.names.contains(name) {
            let message = "parameter \"\(name)\" is never used, expected :\(name) in the SQL"
            fields.report(message, at: "parameters")
        }
    }

    private static func check(_ columns: [ReportColumn], in fields: MappingReader) {
        if let name = firstDuplicate(in: columns.map(\.name).filter { !$0.isEmpty }) {
            fields.report("column \"\(name)\" is declared twice, expected it once", at: "columns")
        }
    }

    private static func check(
        _ totals: [(key: Located<String>, value: TotalFunction)],
        against columns: [ReportColumn],
        in fields: MappingReader
    ) {
        for (key, function) in totals {
            guard let index = columns.firstIndex(where: { $0.name == key.value }) else {
                let names = columns.map(\.name).joined(separator: ", ")
                let message =
                    "total of the unknown column \"\(key.value)\", expected one of: \(names)"
                fields.report(message, at: key.node)
                continue
            }
            if index == 0 {
                // In CSV the first cell of the last row says that it is the total.
                let message =
                    "total of the first column, expected a later one: it holds the word total"
                fields.report(message, at: key.node)
            }
            if function == .sum, !columns[index].format.isNumeric {
                let format = columns[index].format.name
                let message =
                    "sum of a column of type \(format), expected integer, decimal or money"
                fields.report(message, at: key.node)
            }
        }
    }

    private static func expectation(_ declared: [String]) -> String {
        declared.isEmpty ? " (there are none)" : ": \(declared.joined(separator: ", "))"
    }

    private static func firstDuplicate(in names: [String]) -> String? {
        var seen: Set<String> = []
        return names.first { !seen.insert($0).inserted }
    }
}

extension ReportColumn {
    fileprivate static func decode(_ fields: MappingReader) -> ReportColumn {
        let name = fields.required("name", .columnName)
        let kind = fields.required("type", .choice() as ScalarType<ColumnKind>)
        // Asked for only where it means something, so that it is an unknown field elsewhere.
        let format: ColumnFormat =
            switch kind {
            case .text: .text
            case .date: .date
            case .month: .month
            case .integer: .integer
            case .decimal:
                .decimal(digits: fields.value("decimals", .integer(in: 0...9), default: 2))
            case .money: .money
            }
        return ReportColumn(name, format)
    }
}

private enum ColumnKind: String, CaseIterable {
    case text
    case date
    case month
    case integer
    case decimal
    case money
}

extension ReportParameter {
    fileprivate static func decode(_ fields: MappingReader) -> ReportParameter {
        let name = fields.required("name", .columnName)
        let kind = fields.required("type", .choice() as ScalarType<ParameterKind>)
        let isRequired = fields.value("required", .boolean, default: false)
        let type = parameterType(kind, fields)
        let standard = fields.optional("default", .parameter(type))
        if isRequired, standard != nil {
            let message =
                "a required parameter has a default, expected one of \"required\" and \"default\""
            fields.report(message, at: "default")
        }
        return ReportParameter(name, type, isRequired: isRequired, standard: standard ?? .null)
    }

    private static func parameterType(
        _ kind: ParameterKind,
        _ fields: MappingReader
    ) -> ParameterType {
        switch kind {
        case .text:
            return .text(
                allowed: fields.list("values", .text, count: 0...256),
                maximumBytes: fields.value("maximumBytes", .integer(in: 1...4_096), default: 256)
            )
        case .integer:
            return .integer(range(fields, expected: "an integer", .min ... .max) { Int64($0) })
        case .decimal:
            let widest = -Double.greatestFiniteMagnitude...Double.greatestFiniteMagnitude
            return .decimal(range(fields, expected: "a number", widest) { finiteDecimal($0) })
        case .date:
            return .date(range(fields, expected: "a date", CalendarDate.all) { CalendarDate($0) })
        case .month:
            return .month(
                range(fields, expected: "a month", CalendarMonth.all) { CalendarMonth($0) }
            )
        case .boolean:
            return .boolean
        }
    }

    /// The range from the fields `minimum` and `maximum`, each as wide as can be when it is left out.
    private static func range<Bound: Comparable>(
        _ fields: MappingReader,
        expected: String,
        _ widest: ClosedRange<Bound>,
        read: @escaping (String) -> Bound?
    ) -> ClosedRange<Bound> {
        let type = ScalarType(expected: expected, placeholder: widest.lowerBound, text: read)
        let minimum = fields.value("minimum", type, default: widest.lowerBound)
        let maximum = fields.value("maximum", type, default: widest.upperBound)
        guard minimum <= maximum else {
            fields.report("maximum is below minimum, expected \(minimum) or more", at: "maximum")
            return widest
        }
        return minimum...maximum
    }
}

private enum ParameterKind: String, CaseIterable {
    case text
    case integer
    case decimal
    case date
    case month
    case boolean
}

extension ScalarType where Value == String {
    /// A name that SQL takes without quotes.
    fileprivate static var columnName: Self {
        let expected = "a name of at most 63 lower-case letters, digits or '_', a letter first"
        return Self(expected: expected, placeholder: "") { (text: String) -> String? in
            let isName = text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                    UInt8(ascii: "_"):
                    true
                default:
                    false
                }
            }
            guard isName, text.utf8.count <= 63, let first = text.unicodeScalars.first,
                ("a"..."z").contains(first)
            else { return nil }
            return text
        }
    }
}

extension ScalarType where Value == ParameterValue {
    /// A value that a parameter of some type accepts.
    fileprivate static func parameter(_ type: ParameterType) -> Self {
        Self(expected: type.expectation, placeholder: .null) { (text: String) -> ParameterValue? in
            type.value(of: text)
        }
    }
}
