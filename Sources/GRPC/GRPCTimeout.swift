/// The `grpc-timeout` header: up to eight digits and a unit (gRPC over HTTP/2, "Requests").
enum GRPCTimeout {
    /// Nil when the value is malformed.
    static func parse(_ bytes: UnsafeRawBufferPointer) -> Duration? {
        guard let unit = bytes.last, (2...9).contains(bytes.count) else { return nil }
        var amount: Int64 = 0
        for digit in bytes.dropLast() {
            guard (0x30...0x39).contains(digit) else { return nil }
            amount = amount * 10 + Int64(digit - 0x30)
        }
        switch unit {
        case UInt8(ascii: "H"): return .seconds(amount * 3600)
        case UInt8(ascii: "M"): return .seconds(amount * 60)
        case UInt8(ascii: "S"): return .seconds(amount)
        case UInt8(ascii: "m"): return .milliseconds(amount)
        case UInt8(ascii: "u"): return .microseconds(amount)
        case UInt8(ascii: "n"): return .nanoseconds(amount)
        default: return nil
        }
    }

    /// The finest unit that eight digits can hold, rounded up so that a deadline never comes early.
    static func format(_ timeout: Duration) -> String {
        let (seconds, attoseconds) = timeout.components
        guard seconds >= 0, attoseconds >= 0 else { return "0n" }
        let limit: Int64 = 99_999_999
        let nanoseconds = roundedUp(attoseconds, 1_000_000_000)
        if seconds == 0, nanoseconds <= limit { return "\(nanoseconds)n" }
        if seconds < 99 {
            return "\(seconds * 1_000_000 + roundedUp(attoseconds, 1_000_000_000_000))u"
        }
        if seconds < limit / 1000 {
            return "\(seconds * 1000 + roundedUp(attoseconds, 1_000_000_000_000_000))m"
        }
        if seconds < limit { return "\(seconds + (attoseconds > 0 ? 1 : 0))S" }
        return "\(min(seconds / 3600 + 1, limit))H"
    }

    private static func roundedUp(_ value: Int64, _ unit: Int64) -> Int64 {
        (value + unit - 1) / unit
    }
}
