package import Primitives

extension EndpointAddress {
    /// Whether the host is an IPv4 or IPv6 address in text form, the only thing that Envoy's EDS
    /// takes.
    ///
    /// Envoy rejects a host name in a CLA ("malformed IP address"), and with it the whole resource.
    package var hasLiteralHost: Bool {
        Self.isIPv4(host) || Self.isIPv6(host)
    }

    private static func isIPv4(_ text: some StringProtocol) -> Bool {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4
            && parts.allSatisfy { part in
                // No leading zero: some parsers read it as octal, so it names two different hosts.
                part.utf8.allSatisfy(isDigit) && UInt8(part) != nil
                    && (part.count == 1 || part.first != "0")
            }
    }

    private static func isIPv6(_ text: some StringProtocol) -> Bool {
        let halves = text.split(separator: "::", omittingEmptySubsequences: false)
        switch halves.count {
        case 1:
            return groups(halves[0], mayEndInIPv4: true) == 8
        case 2:
            // "::" stands for one group of zeros at least.
            guard let head = groups(halves[0], mayEndInIPv4: false),
                let tail = groups(halves[1], mayEndInIPv4: true)
            else { return false }
            return head + tail <= 7
        default:
            return false
        }
    }

    /// How many 16-bit groups `text` holds; nil if one of them is none.
    private static func groups(_ text: some StringProtocol, mayEndInIPv4: Bool) -> Int? {
        guard !text.isEmpty else { return 0 }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        var count = 0
        for (index, part) in parts.enumerated() {
            if mayEndInIPv4, index == parts.count - 1, isIPv4(part) {
                count += 2
            } else if (1...4).contains(part.utf8.count), part.utf8.allSatisfy(isHexadecimal) {
                count += 1
            } else {
                return nil
            }
        }
        return count
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        isDigit(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
            || (UInt8(ascii: "A")...UInt8(ascii: "F")).contains(byte)
    }
}
