/// Texts by small numbers: the load meets the same few names and versions millions of times.
struct TextTable {
    private(set) var texts: [[UInt8]] = []
    private var slots = [Int32](repeating: -1, count: 4_096)

    func text(_ number: Int32) -> [UInt8] { texts[Int(number)] }

    /// The text's number; a new one when it has none.
    mutating func number(of bytes: UnsafeRawBufferPointer) -> Int32 {
        var slot = Int(truncatingIfNeeded: ContentHash.of(bytes)) & (slots.count - 1)
        while slots[slot] >= 0 {
            let known = slots[slot]
            if texts[Int(known)].elementsEqual(bytes) { return known }
            slot = (slot + 1) & (slots.count - 1)
        }
        let number = Int32(texts.count)
        texts.append(Array(bytes))
        slots[slot] = number
        if texts.count * 2 > slots.count { grow() }
        return number
    }

    mutating func number(of text: String) -> Int32 {
        Array(text.utf8).withUnsafeBytes { number(of: $0) }
    }

    private mutating func grow() {
        slots = [Int32](repeating: -1, count: slots.count * 2)
        for (number, text) in texts.enumerated() {
            let hash = text.withUnsafeBytes { ContentHash.of($0) }
            var slot = Int(truncatingIfNeeded: hash) & (slots.count - 1)
            while slots[slot] >= 0 { slot = (slot + 1) & (slots.count - 1) }
            slots[slot] = Int32(number)
        }
    }
}

/// A fast hash, eight bytes at a time; for tables, and to see whether content differs.
enum ContentHash {
    static func of(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        var hash = UInt64(bytes.count) &* 0x9e37_79b9_7f4a_7c15
        var offset = 0
        while offset + 8 <= bytes.count {
            mix(&hash, bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            offset += 8
        }
        var last: UInt64 = 0
        while offset < bytes.count {
            last = last << 8 | UInt64(bytes[offset])
            offset += 1
        }
        mix(&hash, last)
        return hash
    }

    private static func mix(_ hash: inout UInt64, _ word: UInt64) {
        let product = (hash ^ word).multipliedFullWidth(by: 0xd6e8_feb8_6659_fd93)
        hash = product.high ^ product.low ^ word &* 0xff51_afd7_ed55_8ccd
    }
}
