/// The percent-encoding of `grpc-message` (gRPC over HTTP/2, "Responses").
enum PercentEncoding {
    /// Printable ASCII but `%` stays as it is; every other byte of the UTF-8 becomes `%XX`.
    ///
    /// A text that needs more than `maximumBytes` is cut off at the last character that fits.
    static func encode(_ text: String, maximumBytes: Int = .max) -> [UInt8] {
        let digits = Array("0123456789ABCDEF".utf8)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(min(text.utf8.count, maximumBytes))
        var lastCharacter = 0
        for byte in text.utf8 {
            let continuesCharacter = byte & 0xC0 == 0x80
            if !continuesCharacter { lastCharacter = bytes.count }
            if byte >= 0x20, byte <= 0x7e, byte != UInt8(ascii: "%") {
                bytes.append(byte)
            } else {
                bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 0xF)]]
            }
            if bytes.count > maximumBytes {
                bytes.removeLast(bytes.count - lastCharacter)
                break
            }
        }
        return bytes
    }

    /// Sequences that are no valid encoding are kept as they came: a bad message must not hide the
    /// status.
    static func decode(_ bytes: UnsafeRawBufferPointer) -> String {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(bytes.count)
        var rest = bytes[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2,
                let high = hexadecimalValue(rest[rest.startIndex]),
                let low = hexadecimalValue(rest[rest.startIndex + 1])
            {
                decoded.append(high << 4 | low)
                rest = rest.dropFirst(2)
            } else {
                decoded.append(byte)
            }
        }
        return String(decoding: decoded, as: UTF8.self)
    }

    private static func hexadecimalValue(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        default: nil
        }
    }
}
