/// An ordered list of header fields in one block of bytes.
///
/// Two allocations hold a whole request's headers; names and values become `String`s only for
/// whoever asks. Names are lower case (RFC 9113, section 8.2).
package struct HeaderBlock: Sendable {
    private struct Field {
        var start: Int32
        var nameLength: Int32
        var valueLength: Int32
    }

    private var storage: [UInt8] = []
    private var fields: [Field] = []

    package init() {}

    package init(_ fields: [(name: String, value: String)]) {
        for field in fields {
            append(name: field.name, value: field.value)
        }
    }

    package var count: Int { fields.count }

    /// The size that counts against SETTINGS_MAX_HEADER_LIST_SIZE: 32 bytes more for each field
    /// (RFC 9113, section 6.5.2).
    package var listSize: Int { storage.count + 32 * fields.count }

    package mutating func append(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
        fields.append(
            Field(
                start: Int32(storage.count),
                nameLength: Int32(name.count),
                valueLength: Int32(value.count)
            )
        )
        storage.append(contentsOf: name)
        storage.append(contentsOf: value)
    }

    package mutating func append(name: String, value: String) {
        let start = storage.count
        storage.append(contentsOf: name.utf8)
        let nameLength = storage.count - start
        storage.append(contentsOf: value.utf8)
        fields.append(
            Field(
                start: Int32(start),
                nameLength: Int32(nameLength),
                valueLength: Int32(storage.count - start - nameLength)
            )
        )
    }

    package mutating func append(name: String, value: [UInt8]) {
        append(name: name, value: "")
        storage.append(contentsOf: value)
        fields[fields.count - 1].valueLength = Int32(value.count)
    }

    /// The same fields in storage that is no larger than they are.
    func compacted() -> HeaderBlock {
        var copy = HeaderBlock()
        copy.storage = storage.withUnsafeBufferPointer { Array($0) }
        copy.fields = fields.withUnsafeBufferPointer { Array($0) }
        return copy
    }

    package mutating func removeAll() {
        storage.removeAll(keepingCapacity: true)
        fields.removeAll(keepingCapacity: true)
    }

    /// Calls `body` with the bytes of each field, in order; they are valid only during the call.
    @inline(__always)
    package func forEach(
        _ body: (_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Void
    ) {
        storage.withUnsafeBytes { bytes in
            for field in fields {
                let start = Int(field.start)
                let middle = start + Int(field.nameLength)
                body(
                    UnsafeRawBufferPointer(rebasing: bytes[start..<middle]),
                    UnsafeRawBufferPointer(
                        rebasing: bytes[middle..<middle + Int(field.valueLength)]
                    )
                )
            }
        }
    }

    /// The value of the first field of that name.
    package func first(_ name: StaticString) -> String? {
        var found: String?
        let wanted = UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
        forEach { fieldName, value in
            if found == nil, fieldName.elementsEqual(wanted) {
                found = String(decoding: value, as: UTF8.self)
            }
        }
        return found
    }
}

extension HeaderBlock: CustomStringConvertible {
    package var description: String {
        var lines: [String] = []
        forEach { name, value in
            lines.append(
                "\(String(decoding: name, as: UTF8.self)): \(String(decoding: value, as: UTF8.self))"
            )
        }
        return lines.joined(separator: "\n")
    }
}

extension UnsafeRawBufferPointer {
    /// True when the bytes are exactly those of `text`.
    @inline(__always)
    package func equals(_ text: StaticString) -> Bool {
        count == text.utf8CodeUnitCount
            && elementsEqual(
                UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
            )
    }

    /// True when the bytes begin with those of `text`.
    package func hasPrefix(_ text: StaticString) -> Bool {
        count >= text.utf8CodeUnitCount
            && self.prefix(text.utf8CodeUnitCount)
                .elementsEqual(
                    UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
                )
    }
}
