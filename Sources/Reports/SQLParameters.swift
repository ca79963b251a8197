/// The parameters that a statement names, found without a database.
struct SQLParameters {
    /// Names without the colon, in the order of their first use.
    private(set) var names: [String] = []
    /// Parameters of another style, such as `?` or `@x`, as they were written.
    private(set) var others: [String] = []

    /// Reads SQL as SQLite's tokenizer does, as far as it matters here: strings, quoted names and comments hide
    /// what is inside them.
    init(_ sql: String) {
        let bytes = Array(sql.utf8)
        var index = 0
        while let byte = bytes[at: index] {
            switch byte {
            case UInt8(ascii: "'"), UInt8(ascii: "\""), UInt8(ascii: "`"):
                index = Self.end(after: index + 1, of: [byte], in: bytes)
            case UInt8(ascii: "["):
                index = Self.end(after: index + 1, of: [UInt8(ascii: "]")], in: bytes)
            case UInt8(ascii: "-") where bytes[at: index + 1] == byte:
                index = Self.end(after: index + 2, of: [UInt8(ascii: "\n")], in: bytes)
            case UInt8(ascii: "/") where bytes[at: index + 1] == UInt8(ascii: "*"):
                index = Self.end(after: index + 2, of: Array("*/".utf8), in: bytes)
            case UInt8(ascii: ":"), UInt8(ascii: "?"), UInt8(ascii: "@"), UInt8(ascii: "$"):
                let rest = bytes[(index + 1)...].prefix(while: Self.isNameByte)
                add(prefix: byte, name: String(decoding: rest, as: UTF8.self))
                index = rest.endIndex
            case _ where Self.isNameByte(byte):
                index = bytes[index...].prefix(while: Self.isNameByte).endIndex
            default:
                index += 1
            }
        }
    }

    private mutating func add(prefix: UInt8, name: String) {
        guard prefix == UInt8(ascii: ":"), !name.isEmpty else {
            others.append(String(decoding: [prefix], as: UTF8.self) + name)
            return
        }
        if !names.contains(name) { names.append(name) }
    }

    /// The index behind the next place where `mark` stands.
    ///
    /// A doubled quote inside a string ends it and starts the next, which hides as much.
    private static func end(after start: Int, of mark: [UInt8], in bytes: [UInt8]) -> Int {
        var index = start
        while index < bytes.count {
            if bytes[index...].starts(with: mark) { return index + mark.count }
            index += 1
        }
        return bytes.count
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), 0x80...:
            true
        default:
            false
        }
    }
}

extension [UInt8] {
    fileprivate subscript(at index: Int) -> UInt8? {
        index < count ? self[index] : nil
    }
}
