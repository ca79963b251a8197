import Reports

/// Spreads orders over the days of 2023 to 2025: fewer at weekends, more before Christmas, more each year.
struct SampleCalendar: Sequence {
    /// A day, and the number of orders up to its end.
    struct Day {
        let date: CalendarDate
        let lastOrder: Int
    }

    private let days: [Day]

    init(orderCount: Int) {
        var weighted: [(date: CalendarDate, weight: Int)] = []
        // 1 January 2023 was a Sunday.
        var weekday = 0
        for year in 2023...2025 {
            for month in 1...12 {
                guard let month = CalendarMonth(year: year, month: month) else { continue }
                for day in 1...month.days {
                    guard let date = CalendarDate(month: month, day: day) else { continue }
                    weighted.append((date, Self.weight(of: month, weekday: weekday)))
                    weekday = (weekday + 1) % 7
                }
            }
        }
        let whole = weighted.reduce(0) { $0 + $1.weight }
        var sum = 0
        days = weighted.map { date, weight in
            sum += weight
            return Day(date: date, lastOrder: orderCount * sum / whole)
        }
    }

    func makeIterator() -> IndexingIterator<[Day]> {
        days.makeIterator()
    }

    private static func weight(of month: CalendarMonth, weekday: Int) -> Int {
        let season =
            switch month.month {
            case 2: 8
            case 11: 14
            case 12: 17
            default: 10
            }
        let week = weekday == 0 || weekday == 6 ? 6 : 10
        return season * week * (10 + month.year - 2023)
    }
}
