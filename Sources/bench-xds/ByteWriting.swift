/// Protobuf and HTTP/2, as far as the load needs to write them.
extension [UInt8] {
    mutating func appendVarint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(UInt8(rest))
    }

    mutating func appendField(_ number: UInt64, _ bytes: some Collection<UInt8>) {
        appendVarint(number << 3 | 2)
        appendVarint(UInt64(bytes.count))
        append(contentsOf: bytes)
    }

    mutating func appendField(_ number: UInt64, _ text: String) {
        appendField(number, text.utf8)
    }

    mutating func appendField(_ number: UInt64, _ value: UInt64) {
        appendVarint(number << 3)
        appendVarint(value)
    }

    mutating func appendBigEndian(_ value: UInt32) {
        for shift in [24, 16, 8, 0] as [UInt32] {
            append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }

    /// The header of an HTTP/2 frame (RFC 9113, section 4.1).
    mutating func appendFrame(_ type: FrameType, flags: UInt8 = 0, stream: UInt32, length: Int) {
        append(UInt8(truncatingIfNeeded: length >> 16))
        append(UInt8(truncatingIfNeeded: length >> 8))
        append(UInt8(truncatingIfNeeded: length))
        append(type.rawValue)
        append(flags)
        appendBigEndian(stream)
    }

    /// One header field, literal and without indexing, by a static name or a name of its own
    /// (RFC 7541, section 6.2.2).
    mutating func appendHeader(staticName index: UInt8, _ value: String) {
        if index < 15 {
            append(index)
        } else {
            append(15)
            append(index - 15)
        }
        appendHeaderText(value)
    }

    mutating func appendHeader(_ name: String, _ value: String) {
        append(0)
        appendHeaderText(name)
        appendHeaderText(value)
    }

    private mutating func appendHeaderText(_ text: String) {
        precondition(text.utf8.count < 127, "the load has short headers only")
        append(UInt8(text.utf8.count))
        append(contentsOf: text.utf8)
    }

    /// A gRPC message with its five bytes of prefix.
    mutating func appendMessage(_ message: [UInt8]) {
        append(0)
        appendBigEndian(UInt32(message.count))
        append(contentsOf: message)
    }
}

enum FrameType: UInt8 {
    case data = 0
    case headers = 1
    case priority = 2
    case reset = 3
    case settings = 4
    case pushPromise = 5
    case ping = 6
    case goAway = 7
    case windowUpdate = 8
    case continuation = 9
}
