/// The `tracestate` of a trace: members of other tracing systems, carried along unread
/// (https://www.w3.org/TR/trace-context/#tracestate-header).
package struct TraceState: Hashable, Sendable {
    /// More members than that make the list invalid (section 3.3.1.1).
    package static let maximumMembers = 32
    /// Of a longer list, members go until it fits (section 3.3.1.5 asks for at least 512).
    package static let maximumBytes = 512
    /// Members longer than that go first.
    static let maximumBytesOfLongMember = 128

    /// `key=value,key=value`, without blanks and empty members.
    package let text: String

    package init() {
        self.text = ""
    }

    package var isEmpty: Bool { text.isEmpty }

    /// Reads the values of all `tracestate` fields, joined with commas.
    ///
    /// Nil when a member is malformed or there are too many: the list is dropped as a whole, since
    /// nobody can tell what of it is meant.
    package init?(joined bytes: some Collection<UInt8>) {
        var members: [Bytes] = []
        var total = 0
        for part in bytes.split(separator: UInt8(ascii: ",")) {
            let member = Self.trimmed(Array(part))
            if member.isEmpty { continue }
            guard Self.isMember(member), members.count < Self.maximumMembers else { return nil }
            members.append(Array(member))
            total += member.count + 1
        }
        if total > Self.maximumBytes + 1 {
            members.removeAll { member in
                guard total > Self.maximumBytes + 1,
                    member.count > Self.maximumBytesOfLongMember
                else { return false }
                total -= member.count + 1
                return true
            }
        }
        while total > Self.maximumBytes + 1, let last = members.popLast() {
            total -= last.count + 1
        }
        self.text = String(decoding: Array(members.joined(separator: ",".utf8)), as: UTF8.self)
    }

    private typealias Bytes = [UInt8]

    private static func trimmed(_ bytes: Bytes) -> ArraySlice<UInt8> {
        func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
        var rest = bytes.drop(while: isBlank)
        while let last = rest.last, isBlank(last) { rest.removeLast() }
        return rest
    }

    private static func isMember(_ member: ArraySlice<UInt8>) -> Bool {
        guard let equals = member.firstIndex(of: UInt8(ascii: "=")) else { return false }
        return isKey(member[..<equals]) && isValue(member[member.index(after: equals)...])
    }

    /// A name of up to 256 characters, or `tenant@system` with up to 241 and 14.
    private static func isKey(_ key: ArraySlice<UInt8>) -> Bool {
        let parts = key.split(separator: UInt8(ascii: "@"), omittingEmptySubsequences: false)
        switch parts.count {
        case 1:
            return isName(parts[0], maximumBytes: 256, mayBeginWithDigit: false)
        case 2:
            return isName(parts[0], maximumBytes: 241, mayBeginWithDigit: true)
                && isName(parts[1], maximumBytes: 14, mayBeginWithDigit: false)
        default:
            return false
        }
    }

    private static func isName(
        _ name: ArraySlice<UInt8>,
        maximumBytes: Int,
        mayBeginWithDigit: Bool
    ) -> Bool {
        func isLetter(_ byte: UInt8) -> Bool { (0x61...0x7a).contains(byte) }
        func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
        guard let first = name.first, name.count <= maximumBytes,
            isLetter(first) || (mayBeginWithDigit && isDigit(first))
        else { return false }
        return name.allSatisfy { isLetter($0) || isDigit($0) || "_-*/".utf8.contains($0) }
    }

    /// Up to 256 printable characters but comma and equals sign, the last of them no blank.
    private static func isValue(_ value: ArraySlice<UInt8>) -> Bool {
        guard (1...256).contains(value.count), value.last != 0x20 else { return false }
        return value.allSatisfy { byte in
            (0x20...0x7e).contains(byte) && byte != UInt8(ascii: "=") && byte != UInt8(ascii: ",")
        }
    }
}
