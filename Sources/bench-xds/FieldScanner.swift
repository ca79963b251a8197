/// Walks over the fields of a protobuf message without making anything of them.
///
/// It stops at bytes that are no protobuf.
struct FieldScanner: IteratorProtocol, Sequence {
    /// A field with its bytes; empty for numbers, whose value the load never needs.
    struct Field {
        let number: UInt64
        let bytes: UnsafeRawBufferPointer
    }

    private var rest: UnsafeRawBufferPointer

    init(_ bytes: UnsafeRawBufferPointer) {
        rest = bytes
    }

    mutating func next() -> Field? {
        guard let key = varint() else { return nil }
        let length: Int
        switch key & 7 {
        case 0:
            guard varint() != nil else { return nil }
            length = 0
        case 1: length = 8
        case 2:
            guard let count = varint(), count <= UInt64(rest.count) else { return nil }
            length = Int(count)
        case 5: length = 4
        default: return nil
        }
        guard length <= rest.count else { return nil }
        let bytes = UnsafeRawBufferPointer(rebasing: rest.prefix(length))
        rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(length))
        return Field(number: key >> 3, bytes: bytes)
    }

    private mutating func varint() -> UInt64? {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        for index in 0..<Swift.min(rest.count, 10) {
            let byte = rest[index]
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 {
                rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(index + 1))
                return value
            }
            shift += 7
        }
        return nil
    }
}
