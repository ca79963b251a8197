import Primitives

/// Walks over the fields of a protobuf message without making anything of them.
///
/// It stops at bytes that are no protobuf.
struct FieldScanner: IteratorProtocol, Sequence {
    /// A field with its bytes; empty for numbers, whose value the load never needs.
    struct Field {
        let number: UInt64
        let bytes: UnsafeRawBufferPointer
    }

    private let message: UnsafeRawBufferPointer
    private var fields: ProtobufFields

    init(_ message: UnsafeRawBufferPointer) {
        self.message = message
        fields = ProtobufFields(message)
    }

    mutating func next() -> Field? {
        guard let field = try? fields.next() else { return nil }
        return Field(
            number: field.number,
            bytes: UnsafeRawBufferPointer(rebasing: message[field.content ?? 0..<0])
        )
    }
}
