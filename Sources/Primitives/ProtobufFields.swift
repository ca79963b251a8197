/// The fields of a serialized protobuf message, one after the other, without a look inside them.
///
/// For who needs little of a message that comes often or is large: nothing is copied or allocated.
package struct ProtobufFields {
    package struct Field {
        package let number: UInt64
        /// Where the content of a length-delimited field lies in the message; nil for a number, whose
        /// value is stepped over.
        package let content: Range<Int>?
    }

    /// The bytes are no protobuf message.
    package struct Malformed: Error {
        package init() {}
    }

    private let message: UnsafeRawBufferPointer
    private var position = 0

    /// - Parameter message: valid as long as this is used.
    package init(_ message: UnsafeRawBufferPointer) {
        self.message = message
    }

    /// The next field; nil at the message's end.
    package mutating func next() throws(Malformed) -> Field? {
        guard position < message.count else { return nil }
        let tag = try varint()
        guard tag >> 3 != 0 else { throw Malformed() }
        // The wire types of the protobuf encoding.
        switch tag & 7 {
        case 0: _ = try varint()
        case 1: _ = try skip(8)
        case 5: _ = try skip(4)
        case 2: return Field(number: tag >> 3, content: try skip(try varint()))
        default: throw Malformed()
        }
        return Field(number: tag >> 3, content: nil)
    }

    private mutating func skip(_ count: UInt64) throws(Malformed) -> Range<Int> {
        guard count <= UInt64(message.count - position) else { throw Malformed() }
        let start = position
        position += Int(count)
        return start..<position
    }

    private mutating func varint() throws(Malformed) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while position < message.count, shift < 64 {
            let byte = message[position]
            position += 1
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
        throw Malformed()
    }
}
