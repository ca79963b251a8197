/// A value that a report is asked with.
package struct ReportParameter: Sendable, Hashable {
    /// The name in requests, and `:name` in the SQL.
    package let name: String
    package let type: ParameterType
    package let isRequired: Bool
    /// What an optional parameter is when it is left out; null without one.
    package let standard: ParameterValue

    package init(
        _ name: String,
        _ type: ParameterType,
        isRequired: Bool = false,
        standard: ParameterValue = .null
    ) {
        self.name = name
        self.type = type
        self.isRequired = isRequired
        self.standard = standard
    }
}

/// What a parameter accepts.
package enum ParameterType: Sendable, Hashable {
    /// Text that is not empty; one of `allowed` unless that is empty.
    case text(allowed: [String], maximumBytes: Int)
    case integer(ClosedRange<Int64>)
    case decimal(ClosedRange<Double>)
    case date(ClosedRange<CalendarDate>)
    case month(ClosedRange<CalendarMonth>)
    case boolean

    /// The word for it in definitions and descriptions.
    package var name: String {
        switch self {
        case .text: "text"
        case .integer: "integer"
        case .decimal: "decimal"
        case .date: "date"
        case .month: "month"
        case .boolean: "boolean"
        }
    }

    /// What a message says was expected.
    package var expectation: String {
        switch self {
        case .text(allowed: [], let maximumBytes):
            "text of 1 to \(maximumBytes) bytes"
        case .text(let allowed, _):
            "one of: \(allowed.joined(separator: ", "))"
        case .integer(let range):
            "an integer" + bounds(range, widest: .min ... .max)
        case .decimal(let range):
            "a number"
                + bounds(range, widest: -.greatestFiniteMagnitude ... .greatestFiniteMagnitude)
        case .date(let range):
            "a date such as 2024-02-29" + bounds(range, widest: CalendarDate.all)
        case .month(let range):
            "a month such as 2024-02" + bounds(range, widest: CalendarMonth.all)
        case .boolean:
            "true or false"
        }
    }

    private func bounds<Bound>(_ range: ClosedRange<Bound>, widest: ClosedRange<Bound>) -> String {
        let from = range.lowerBound == widest.lowerBound ? "" : " from \(range.lowerBound)"
        let to = range.upperBound == widest.upperBound ? "" : " to \(range.upperBound)"
        return from + to
    }

    /// The value that a text stands for; nil when it is none of this type or out of bounds.
    package func value(of text: String) -> ParameterValue? {
        switch self {
        case .text(let allowed, let maximumBytes):
            guard !text.isEmpty, text.utf8.count <= maximumBytes,
                allowed.isEmpty || allowed.contains(text)
            else { return nil }
            return .text(text)
        case .integer(let range):
            guard let value = Int64(text), range.contains(value) else { return nil }
            return .integer(value)
        case .decimal(let range):
            guard let value = finiteDecimal(text), range.contains(value) else { return nil }
            return .decimal(value)
        case .date(let range):
            guard let value = CalendarDate(text), range.contains(value) else { return nil }
            return .date(value)
        case .month(let range):
            guard let value = CalendarMonth(text), range.contains(value) else { return nil }
            return .month(value)
        case .boolean:
            switch text {
            case "true": return .boolean(true)
            case "false": return .boolean(false)
            default: return nil
            }
        }
    }
}

/// A parameter's value, checked.
package enum ParameterValue: Sendable, Hashable, CustomStringConvertible {
    case null
    case text(String)
    case integer(Int64)
    case decimal(Double)
    case date(CalendarDate)
    case month(CalendarMonth)
    case boolean(Bool)

    /// The text that a client would send for it; empty for null.
    package var description: String {
        switch self {
        case .null: ""
        case .text(let value): value
        case .integer(let value): "\(value)"
        case .decimal(let value): "\(value)"
        case .date(let value): "\(value)"
        case .month(let value): "\(value)"
        case .boolean(let value): "\(value)"
        }
    }
}

/// Reads digits with a sign, a point and an exponent; `Double` alone also takes hexadecimal, `inf` and `nan`.
func finiteDecimal(_ text: String) -> Double? {
    let isPlain = text.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"),
            UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"):
            true
        default:
            false
        }
    }
    guard isPlain, let value = Double(text), value.isFinite else { return nil }
    return value
}
