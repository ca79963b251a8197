extension ScalarType where Value == Duration {
    /// A time span such as `250ms`, `5s`, `2m` or `1h`, in a range.
    package static func duration(
        in range: ClosedRange<Duration> = .zero ... .seconds(86_400)
    ) -> Self {
        let bounds = "from \(durationText(range.lowerBound)) to \(durationText(range.upperBound))"
        return Self(
            expected: "a duration \(bounds), such as 250ms, 5s or 2m",
            placeholder: range.lowerBound
        ) { (text: String) -> Duration? in
            guard let value = parseDuration(text), range.contains(value) else { return nil }
            return value
        }
    }
}

/// Reads a whole number and a unit (`us`, `ms`, `s`, `m`, `h`); nil for anything else.
package func parseDuration(_ text: String) -> Duration? {
    // 12 digits are more than 30,000 years of seconds and keep the products far from overflow.
    let digits = text.prefix { ("0"..."9").contains($0) }
    guard digits.utf8.count <= 12, let number = Int64(digits) else { return nil }
    return switch text[digits.endIndex...] {
    case "us": .microseconds(number)
    case "ms": .milliseconds(number)
    case "s": .seconds(number)
    case "m": .seconds(number * 60)
    case "h": .seconds(number * 3_600)
    default: nil
    }
}

/// A duration as `parseDuration` reads it, in the largest unit that fits; finer than 1 us is cut.
package func durationText(_ duration: Duration) -> String {
    let (seconds, attoseconds) = duration.components
    let microseconds = attoseconds / 1_000_000_000_000
    if microseconds != 0 {
        let total = seconds * 1_000_000 + microseconds
        return total % 1_000 == 0 ? "\(total / 1_000)ms" : "\(total)us"
    }
    if seconds != 0, seconds % 3_600 == 0 { return "\(seconds / 3_600)h" }
    if seconds != 0, seconds % 60 == 0 { return "\(seconds / 60)m" }
    return "\(seconds)s"
}
