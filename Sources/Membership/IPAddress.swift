/// An IPv4 or IPv6 address, read from text and written back in its canonical form.
///
/// The canonical form (RFC 5952) matters: `::1` and `0:0:0:0:0:0:0:1` are one address, and two workers there are two
/// claims to one endpoint.
struct IPAddress: Hashable, Sendable, CustomStringConvertible {
    /// 4 bytes for IPv4, 16 for IPv6.
    let bytes: [UInt8]

    /// Nil for anything that is not an address: a host name, a zone suffix, a leading zero in an IPv4 part, blanks.
    init?(_ text: String) {
        // 45 characters is the longest form, an IPv6 address that ends in a dotted IPv4 one.
        guard (1...45).contains(text.utf8.count) else { return nil }
        let parsed =
            text.utf8.contains(UInt8(ascii: ":")) ? Self.ipv6(text[...]) : Self.ipv4(text[...])
        guard let parsed else { return nil }
        self.bytes = parsed
    }

    /// `0.0.0.0` or `::`, also as IPv4 inside IPv6.
    var isUnspecified: Bool { essential.allSatisfy { $0 == 0 } }

    /// An address of many receivers, which no TCP connection can reach.
    var isMulticastOrBroadcast: Bool {
        if essential.count == 16 { return essential.first == 0xFF }
        return (essential.first ?? 0) & 0xF0 == 0xE0 || essential.allSatisfy { $0 == 255 }
    }

    var description: String {
        bytes.count == 4 ? bytes.map { String($0) }.joined(separator: ".") : canonicalIPv6
    }

    /// The IPv4 address inside `::ffff:a.b.c.d`, else all bytes.
    private var essential: ArraySlice<UInt8> {
        let mapped = [UInt8](repeating: 0, count: 10) + [0xFF, 0xFF]
        return bytes.starts(with: mapped) ? bytes.dropFirst(12) : bytes[...]
    }

    // MARK: Reading

    private static func ipv4(_ text: Substring) -> [UInt8]? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var bytes = [UInt8]()
        for part in parts {
            // `010` is 8 to some parsers and 10 to others, so it is neither here. `UInt8` alone would take `+1`.
            guard (1...3).contains(part.utf8.count), part.utf8.allSatisfy(isDigit),
                part.utf8.count == 1 || part.utf8.first != UInt8(ascii: "0"), let byte = UInt8(part)
            else { return nil }
            bytes.append(byte)
        }
        return bytes
    }

    private static func ipv6(_ text: Substring) -> [UInt8]? {
        guard let gap = firstGap(in: text) else {
            let bytes = groups(text)
            return bytes?.count == 16 ? bytes : nil
        }
        let after = text[gap.upperBound...]
        // A second `::` leaves an empty group in `after`, which `groups` refuses.
        guard let head = groups(text[..<gap.lowerBound]), let tail = groups(after) else {
            return nil
        }
        // `::` stands for at least one group of zeros.
        guard head.count + tail.count <= 14, head.count.isMultiple(of: 2),
            !endsInIPv4(text[..<gap.lowerBound])
        else { return nil }
        return head + [UInt8](repeating: 0, count: 16 - head.count - tail.count) + tail
    }

    private static func firstGap(in text: Substring) -> Range<Substring.Index>? {
        var previous: Substring.Index?
        for index in text.indices {
            if text[index] == ":", let previous, text[previous] == ":" {
                return previous..<text.index(after: index)
            }
            previous = index
        }
        return nil
    }

    private static func endsInIPv4(_ text: Substring) -> Bool {
        text.utf8.contains(UInt8(ascii: "."))
    }

    /// The bytes of groups that are separated by single colons; none for an empty text.
    private static func groups(_ text: Substring) -> [UInt8]? {
        guard !text.isEmpty else { return [] }
        var bytes = [UInt8]()
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() {
            if index == parts.count - 1, endsInIPv4(part) {
                guard let last = ipv4(part) else { return nil }
                return bytes + last
            }
            guard (1...4).contains(part.utf8.count), part.utf8.allSatisfy(isHexadecimal),
                let group = UInt16(part, radix: 16)
            else { return nil }
            bytes += [UInt8(group >> 8), UInt8(group & 0xFF)]
        }
        return bytes
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        isDigit(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte | 0x20)
    }

    // MARK: Writing

    private var canonicalIPv6: String {
        let groups = stride(from: 0, to: bytes.count, by: 2).map { at in
            UInt16(bytes[at]) << 8 | UInt16(bytes[at + 1])
        }
        guard let gap = Self.longestZeros(groups) else { return Self.joined(groups[...]) }
        return Self.joined(groups[..<gap.lowerBound]) + "::"
            + Self.joined(groups[gap.upperBound...])
    }

    /// The first longest run of two or more zero groups (RFC 5952, section 4.2).
    private static func longestZeros(_ groups: [UInt16]) -> Range<Int>? {
        var best: Range<Int>?
        var start: Int?
        for index in 0...groups.count {
            if index < groups.count, groups[index] == 0 {
                start = start ?? index
            } else if let run = start {
                if index - run >= 2, index - run > (best?.count ?? 0) { best = run..<index }
                start = nil
            }
        }
        return best
    }

    private static func joined(_ groups: ArraySlice<UInt16>) -> String {
        groups.map { String($0, radix: 16) }.joined(separator: ":")
    }
}
