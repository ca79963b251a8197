/// How old something is, in its two largest units: `41s`, `3m12s`, `2h5m`, `3d4h`.
package func ageText(milliseconds: UInt64) -> String {
    let seconds = milliseconds / 1_000
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400)
    if days > 0 { return "\(days)d\(hours % 24)h" }
    if hours > 0 { return "\(hours)h\(minutes % 60)m" }
    if minutes > 0 { return "\(minutes)m\(seconds % 60)s" }
    return "\(seconds)s"
}

/// Time that is left, in seconds with one decimal, cut and not rounded: `4.9s`.
package func remainingText(milliseconds: UInt64) -> String {
    "\(milliseconds / 1_000).\(milliseconds % 1_000 / 100)s"
}

/// A latency with as many decimals as make sense: `0.42 ms`, `12.3 ms`, `1234 ms`.
package func latencyText(milliseconds: Double) -> String {
    let digits = milliseconds < 10 ? 2 : milliseconds < 100 ? 1 : 0
    return "\(fixed(milliseconds, digits: digits)) ms"
}

/// A number that is not negative, with so many decimals.
func fixed(_ value: Double, digits: Int) -> String {
    let scale = (0..<digits).reduce(UInt64(1)) { scale, _ in scale * 10 }
    guard let scaled = UInt64(exactly: (value * Double(scale)).rounded()) else { return "\(value)" }
    guard digits > 0 else { return "\(scaled)" }
    let fraction = String(scaled % scale)
    return "\(scaled / scale)." + String(repeating: "0", count: digits - fraction.count) + fraction
}
