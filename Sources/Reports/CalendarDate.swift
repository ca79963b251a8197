/// A day of the Gregorian calendar, written `2024-02-29`.
package struct CalendarDate: Hashable, Sendable, Comparable, CustomStringConvertible {
    package let month: CalendarMonth
    package let day: Int

    /// Reads exactly `YYYY-MM-DD`; nil for anything else and for days that don't exist.
    package init?(_ text: String) {
        guard let numbers = numbers(in: text, lengths: [4, 2, 2]),
            let month = CalendarMonth(year: numbers[0], month: numbers[1])
        else { return nil }
        self.init(month: month, day: numbers[2])
    }

    /// Every day that can be written.
    package static var all: ClosedRange<CalendarDate> {
        let months = CalendarMonth.all
        return CalendarDate(
            checked: months.lowerBound,
            day: 1
        )...CalendarDate(checked: months.upperBound, day: 31)
    }

    private init(checked month: CalendarMonth, day: Int) {
        self.month = month
        self.day = day
    }

    /// Nil when the month has no such day.
    package init?(month: CalendarMonth, day: Int) {
        guard day >= 1, day <= month.days else { return nil }
        self.month = month
        self.day = day
    }

    package var description: String {
        "\(month)-\(padded(day, to: 2))"
    }

    package static func < (lhs: Self, rhs: Self) -> Bool {
        (lhs.month, lhs.day) < (rhs.month, rhs.day)
    }
}

/// A month of the Gregorian calendar, written `2024-02`.
package struct CalendarMonth: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// From 1 to 9999.
    package let year: Int
    /// From 1 to 12.
    package let month: Int

    /// Reads exactly `YYYY-MM`; nil for anything else.
    package init?(_ text: String) {
        guard let numbers = numbers(in: text, lengths: [4, 2]) else { return nil }
        self.init(year: numbers[0], month: numbers[1])
    }

    /// Every month that can be written.
    package static var all: ClosedRange<CalendarMonth> {
        CalendarMonth(checkedYear: 1, month: 1)...CalendarMonth(checkedYear: 9_999, month: 12)
    }

    private init(checkedYear year: Int, month: Int) {
        self.year = year
        self.month = month
    }

    /// Nil outside of the years 1 to 9999 and the months 1 to 12.
    package init?(year: Int, month: Int) {
        guard (1...9_999).contains(year), (1...12).contains(month) else { return nil }
        self.year = year
        self.month = month
    }

    /// How many days the month has.
    package var days: Int {
        switch month {
        case 4, 6, 9, 11: 30
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        default: 31
        }
    }

    package var description: String {
        "\(padded(year, to: 4))-\(padded(month, to: 2))"
    }

    package static func < (lhs: Self, rhs: Self) -> Bool {
        (lhs.year, lhs.month) < (rhs.year, rhs.month)
    }
}

/// The numbers of a text such as `2024-02-29`, each of exactly so many digits; as many numbers as lengths.
private func numbers(in text: String, lengths: [Int]) -> [Int]? {
    let parts = text.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
    guard parts.count == lengths.count else { return nil }
    var numbers: [Int] = []
    for (part, length) in zip(parts, lengths) {
        guard part.count == length else { return nil }
        var number = 0
        for byte in part {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            number = number * 10 + Int(byte - UInt8(ascii: "0"))
        }
        numbers.append(number)
    }
    return numbers
}

private func padded(_ number: Int, to digits: Int) -> String {
    let text = String(number)
    return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
}
