extension [UInt8] {
    /// Appends text that needs no quoting.
    mutating func append(ascii text: StaticString) {
        append(
            contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
        )
    }

    /// Appends a number of units of which 10^digits make one: 1234 with two digits is `12.34`.
    mutating func appendDecimal(_ units: Int64, digits: Int) {
        // A sign, 19 digits, a point and the zeros that a small number needs before it.
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 32) { buffer in
            var index = buffer.count
            var rest = units.magnitude
            var written = 0
            repeat {
                if written == digits, digits > 0 {
                    index -= 1
                    buffer[index] = UInt8(ascii: ".")
                }
                let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
                index -= 1
                buffer[index] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: digit)
                rest = quotient
                written += 1
            } while rest > 0 || written <= digits
            if units < 0 {
                index -= 1
                buffer[index] = UInt8(ascii: "-")
            }
            append(contentsOf: UnsafeBufferPointer(rebasing: buffer[index...]))
        }
    }

    /// Appends a sum that may be past 64 bits.
    mutating func appendDecimal(wide units: Int128, digits: Int) {
        if let narrow = Int64(exactly: units) {
            appendDecimal(narrow, digits: digits)
            return
        }
        // Once in a report at most, so a string does no harm. There are 19 digits at least.
        let text = Array(units.description.utf8)
        append(contentsOf: text.dropLast(digits))
        if digits > 0 {
            append(UInt8(ascii: "."))
            append(contentsOf: text.suffix(digits))
        }
    }

    /// Appends a CSV field, quoted where RFC 4180 asks for it.
    ///
    /// Empty text is quoted, so that it differs from null.
    mutating func appendCSV(_ text: UnsafeBufferPointer<UInt8>) {
        let needsQuotes =
            text.isEmpty
            || text.contains { byte in
                switch byte {
                case UInt8(ascii: "\""), UInt8(ascii: ","), UInt8(ascii: "\r"), UInt8(ascii: "\n"):
                    true
                default:
                    false
                }
            }
        guard needsQuotes else {
            append(contentsOf: text)
            return
        }
        append(UInt8(ascii: "\""))
        for byte in text {
            if byte == UInt8(ascii: "\"") { append(byte) }
            append(byte)
        }
        append(UInt8(ascii: "\""))
    }

    /// Appends a JSON string.
    mutating func appendJSON(_ text: UnsafeBufferPointer<UInt8>) {
        append(UInt8(ascii: "\""))
        var start = 0
        for (index, byte) in text.enumerated() {
            guard byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") else {
                continue
            }
            append(contentsOf: UnsafeBufferPointer(rebasing: text[start..<index]))
            appendEscaped(byte)
            start = index + 1
        }
        append(contentsOf: UnsafeBufferPointer(rebasing: text[start...]))
        append(UInt8(ascii: "\""))
    }

    private mutating func appendEscaped(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\n"): append(ascii: "\\n")
        case UInt8(ascii: "\r"): append(ascii: "\\r")
        case UInt8(ascii: "\t"): append(ascii: "\\t")
        case UInt8(ascii: "\""): append(ascii: "\\\"")
        case UInt8(ascii: "\\"): append(ascii: "\\\\")
        default:
            // A control character is below 0x20, so its first hexadecimal digit is 0 or 1.
            let low = byte & 0xF
            append(ascii: "\\u00")
            append(UInt8(ascii: "0") + byte >> 4)
            append(low < 10 ? UInt8(ascii: "0") + low : UInt8(ascii: "a") + low - 10)
        }
    }
}

/// The number of units of which 10^digits make one, rounded as `printf` rounds: by the exact value, halves to even.
///
/// Nil beyond 2^53 units, where a double has no more such digits.
func fixedPointUnits(_ value: Double, digits: Int) -> Int64? {
    var scale = 1.0
    for _ in 0..<digits { scale *= 10 }
    let product = value * scale
    guard product.magnitude < 9_007_199_254_740_992 else { return nil }
    // The product is rounded already. What it lost decides when it seems to lie right between two units.
    let lost = (-product).addingProduct(value, scale)
    var units = product.rounded(.toNearestOrEven)
    let distance = product - units
    if distance == 0.5, lost > 0 {
        units += 1
    } else if distance == -0.5, lost < 0 {
        units -= 1
    }
    return Int64(units)
}
