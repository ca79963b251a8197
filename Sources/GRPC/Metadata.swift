import HTTP2

/// Custom metadata of a call: lower-case names, text values, or bytes under names that end in
/// `-bin`.
package struct Metadata: Hashable, Sendable {
    package enum Value: Hashable, Sendable {
        case text(String)
        case binary([UInt8])
    }

    package struct Entry: Hashable, Sendable {
        package let name: String
        package let value: Value
    }

    package private(set) var entries: [Entry] = []

    package init() {}

    package var isEmpty: Bool { entries.isEmpty }

    /// Adds a text value.
    ///
    /// - Precondition: the name is lower case, not reserved, and does not end in `-bin`.
    package mutating func add(_ name: String, _ value: String) {
        precondition(
            Self.isCustom(name) && !name.hasSuffix("-bin"),
            "\(name) is no name for text metadata"
        )
        entries.append(Entry(name: name, value: .text(value)))
    }

    /// Adds bytes.
    ///
    /// - Precondition: the name is lower case, not reserved, and ends in `-bin`.
    package mutating func add(_ name: String, _ value: [UInt8]) {
        precondition(
            Self.isCustom(name) && name.hasSuffix("-bin"),
            "\(name) is no name for binary metadata"
        )
        entries.append(Entry(name: name, value: .binary(value)))
    }

    /// The text values of that name, in order.
    package func texts(_ name: String) -> [String] {
        entries.compactMap { entry in
            guard entry.name == name, case .text(let text) = entry.value else { return nil }
            return text
        }
    }

    /// The binary values of that name, in order.
    package func binaries(_ name: String) -> [[UInt8]] {
        entries.compactMap { entry in
            guard entry.name == name, case .binary(let bytes) = entry.value else { return nil }
            return bytes
        }
    }

    /// Names beginning with `grpc-` or `:` and the transport's own are not the application's.
    static func isCustom(_ name: String) -> Bool {
        !name.isEmpty && !name.hasPrefix("grpc-") && !name.hasPrefix(":") && name != "te"
            && name != "content-type" && name != "user-agent"
            && name.utf8.allSatisfy { byte in
                (0x61...0x7a).contains(byte) || (0x30...0x39).contains(byte)
                    || byte == 0x2d || byte == 0x5f || byte == 0x2e
            }
    }
}

extension Metadata {
    /// The custom fields of a received header section; undecodable binary values are left out.
    init(_ headers: HeaderBlock) {
        headers.forEach { name, value in
            let name = String(decoding: name, as: UTF8.self)
            guard Self.isCustom(name) || name == "user-agent" else { return }
            guard name.hasSuffix("-bin") else {
                entries.append(
                    Entry(name: name, value: .text(String(decoding: value, as: UTF8.self)))
                )
                return
            }
            // Several values may have been joined with commas on the way.
            for part in value.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
            {
                if let bytes = Base64.decode(part.lazy.filter { $0 != 0x20 }) {
                    entries.append(Entry(name: name, value: .binary(bytes)))
                }
            }
        }
    }

    func append(to headers: inout HeaderBlock) {
        for entry in entries {
            switch entry.value {
            case .text(let text): headers.append(name: entry.name, value: text)
            case .binary(let bytes): headers.append(name: entry.name, value: Base64.encode(bytes))
            }
        }
    }
}
