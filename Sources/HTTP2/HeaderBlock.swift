#if canImport(Glibc)
import Glibc
#endif

/// An ordered list of header fields in one block of bytes.
///
/// One allocation holds a whole request's headers; names and values become `String`s only for
/// whoever asks. Names are lower case (RFC 9113, section 8.2).
// SAFETY (@unchecked Sendable): the storage is shared by copies of the value and changed only when
// `isKnownUniquelyReferenced` has said that there are none.
package struct HeaderBlock: @unchecked Sendable {
    /// What stands in front of each field's name and value.
    private struct Lengths {
        var name: Int32
        var value: Int32

        static let bytes = MemoryLayout<Lengths>.size

        var field: Int { Int(name) + Int(value) }
    }

    /// The capacity in bytes; behind it the fields: lengths, name, value.
    private final class Storage: ManagedBuffer<Int, UInt8> {
        static func make(capacity: Int) -> Storage {
            unsafeDowncast(create(minimumCapacity: capacity) { _ in capacity }, to: Storage.self)
        }
    }

    private var storage: Storage?
    /// Bytes in use.
    private var end = 0
    package private(set) var count = 0

    /// Room that a block has from its first field on: a gRPC request without metadata fits.
    private static let firstCapacity = 256

    package init() {}

    package init(_ fields: [(name: String, value: String)]) {
        for field in fields {
            append(name: field.name, value: field.value)
        }
    }

    /// The size that counts against SETTINGS_MAX_HEADER_LIST_SIZE: 32 bytes more for each field
    /// (RFC 9113, section 6.5.2).
    package var listSize: Int { end + (32 - Lengths.bytes) * count }

    package mutating func append(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
        let lengths = Lengths(name: Int32(name.count), value: Int32(value.count))
        let start = end
        end += Lengths.bytes + lengths.field
        count += 1
        uniqueStorage(holding: start).withUnsafeMutablePointerToElements { elements in
            let field = UnsafeMutableRawPointer(elements + start)
            field.storeBytes(of: lengths, as: Lengths.self)
            if let bytes = name.baseAddress {
                (field + Lengths.bytes).copyMemory(from: bytes, byteCount: name.count)
            }
            if let bytes = value.baseAddress {
                (field + Lengths.bytes + name.count)
                    .copyMemory(from: bytes, byteCount: value.count)
            }
        }
    }

    package mutating func append(name: String, value: String) {
        var value = value
        value.withUTF8 { append(name: name, value: UnsafeRawBufferPointer($0)) }
    }

    package mutating func append(name: String, value: [UInt8]) {
        value.withUnsafeBytes { append(name: name, value: $0) }
    }

    private mutating func append(name: String, value: UnsafeRawBufferPointer) {
        var name = name
        name.withUTF8 { append(name: UnsafeRawBufferPointer($0), value: value) }
    }

    /// Storage of our own with room up to `end`, holding the first `used` bytes of the old one.
    private mutating func uniqueStorage(holding used: Int) -> Storage {
        let capacity = storage?.header ?? 0
        if capacity >= end, isKnownUniquelyReferenced(&storage), let storage { return storage }
        return replaceStorage(
            capacity: max(Self.firstCapacity, end > capacity ? end * 2 : end),
            holding: used
        )
    }

    @discardableResult
    private mutating func replaceStorage(capacity: Int, holding used: Int) -> Storage {
        let larger = Storage.make(capacity: capacity)
        storage?.withUnsafeMutablePointerToElements { old in
            larger.withUnsafeMutablePointerToElements { $0.update(from: old, count: used) }
        }
        storage = larger
        return larger
    }

    /// The same fields in storage that is no larger than they are.
    func compacted() -> HeaderBlock {
        var copy = self
        if end > 0 { copy.replaceStorage(capacity: end, holding: end) }
        return copy
    }

    package mutating func removeAll() {
        end = 0
        count = 0
    }

    /// Calls `body` with the bytes of each field, in order; they are valid only during the call.
    @inline(__always)
    package func forEach(
        _ body: (_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Void
    ) {
        storage?.withUnsafeMutablePointerToElements { elements in
            let bytes = UnsafeRawPointer(elements)
            var position = 0
            while position < end {
                let lengths = bytes.loadUnaligned(fromByteOffset: position, as: Lengths.self)
                let name = bytes + position + Lengths.bytes
                let value = name + Int(lengths.name)
                body(
                    UnsafeRawBufferPointer(start: name, count: Int(lengths.name)),
                    UnsafeRawBufferPointer(start: value, count: Int(lengths.value))
                )
                position += Lengths.bytes + lengths.field
            }
        }
    }

    /// The value of the first field of that name.
    package func first(_ name: StaticString) -> String? {
        var found: String?
        let wanted = UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
        forEach { fieldName, value in
            if found == nil, fieldName.equals(wanted) {
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
        equals(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// True when both have the same bytes.
    @inline(__always)
    package func equals(_ other: UnsafeRawBufferPointer) -> Bool {
        guard count == other.count else { return false }
        guard let left = baseAddress, let right = other.baseAddress else { return true }
        return memcmp(left, right, count) == 0
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
