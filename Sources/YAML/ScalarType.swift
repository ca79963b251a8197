package import Primitives

/// A kind of value that one scalar can hold: what it is called in messages and how it is read.
///
/// Other targets add their own kinds in an extension: `extension ScalarType where Value == Locality`.
package struct ScalarType<Value> {
    /// What a message says was expected, such as `an integer from 1 to 100`.
    package let expected: String
    /// Stands in for a value that is missing or wrong, so that reading can go on and find more mistakes.
    ///
    /// What is built from it is thrown away: the decoding ends in `Diagnostics`.
    package let placeholder: Value
    /// The value, or nil when the node does not hold one.
    package let read: (YAMLNode) -> Value?

    package init(
        expected: String,
        placeholder: Value,
        read: @escaping (YAMLNode) -> Value?
    ) {
        self.expected = expected
        self.placeholder = placeholder
        self.read = read
    }

    /// A kind that is read from a scalar's text.
    ///
    /// - Parameter isPlain: the scalar must not be quoted, as `"5"` is text and no number.
    package init(
        expected: String,
        placeholder: Value,
        isPlain: Bool = false,
        text: @escaping (String) -> Value?
    ) {
        self.init(expected: expected, placeholder: placeholder) { (node: YAMLNode) -> Value? in
            guard case .scalar(let scalar, let isUnquoted) = node.content, !node.isNull,
                isUnquoted || !isPlain
            else { return nil }
            return text(scalar)
        }
    }
}

extension ScalarType {
    /// Another kind, with the place of the value kept for checks that come later.
    package static func located<Inner>(_ type: ScalarType<Inner>) -> Self
    where Value == Located<Inner> {
        let nowhere = YAMLNode(content: .scalar("", isPlain: true), line: 1, column: 1, file: "")
        let placeholder = Located(value: type.placeholder, node: nowhere)
        return Self(expected: type.expected, placeholder: placeholder) {
            (node: YAMLNode) -> Value? in
            type.read(node).map { Located(value: $0, node: node) }
        }
    }
}

/// A value with the node that it was read from.
package struct Located<Value> {
    package let value: Value
    package let node: YAMLNode
}

extension Located: Sendable where Value: Sendable {}

extension ScalarType where Value == String {
    /// Any text that is not empty.
    package static var text: Self {
        Self(expected: "text", placeholder: "") { (text: String) -> String? in
            text.isEmpty ? nil : text
        }
    }

    /// A name as `isName` defines it, untyped.
    package static var name: Self {
        Self(expected: nameExpectation, placeholder: "") { (text: String) -> String? in
            isName(text) ? text : nil
        }
    }
}

extension ScalarType {
    /// A name as `isName` defines it, as an identifier of its own type.
    package static func identifier<Tag>() -> Self where Value == Identifier<Tag> {
        Self(expected: nameExpectation, placeholder: "") { (text: String) -> Value? in
            isName(text) ? Identifier(text) : nil
        }
    }

    /// One of the values of an enum, by its raw value.
    package static func choice() -> Self
    where Value: CaseIterable & RawRepresentable, Value.RawValue == String {
        choice(of: Array(Value.allCases))
    }

    /// One of some values of an enum, by its raw value; there must be one at least.
    package static func choice(of values: [Value]) -> Self
    where Value: RawRepresentable, Value.RawValue == String {
        guard let first = values.first else { preconditionFailure("a choice needs a value") }
        let expected = "one of: " + values.map(\.rawValue).joined(separator: ", ")
        return Self(expected: expected, placeholder: first) { (text: String) -> Value? in
            values.first { $0.rawValue == text }
        }
    }
}

extension ScalarType where Value == Int {
    /// A whole number in a range.
    package static func integer(in range: ClosedRange<Int>) -> Self {
        let isOpen = range.upperBound == .max
        let expected =
            isOpen
            ? "an integer from \(range.lowerBound)"
            : "an integer from \(range.lowerBound) to \(range.upperBound)"
        return Self(expected: expected, placeholder: range.lowerBound, isPlain: true) { text in
            guard let value = Int(text), range.contains(value) else { return nil }
            return value
        }
    }
}

extension ScalarType where Value == Double {
    /// A finite decimal number in a range.
    package static func double(in range: ClosedRange<Double>) -> Self {
        let expected = "a number from \(range.lowerBound) to \(range.upperBound)"
        return Self(expected: expected, placeholder: range.lowerBound, isPlain: true) { text in
            // `Double` also reads hexadecimal, `inf` and `nan`, which nobody means here.
            guard text.utf8.allSatisfy(isDecimalCharacter), let value = Double(text),
                value.isFinite, range.contains(value)
            else { return nil }
            return value
        }
    }
}

extension ScalarType where Value == Bool {
    /// `true` or `false`; never `yes` or `on`.
    package static var boolean: Self {
        Self(expected: "true or false", placeholder: false, isPlain: true) { text in
            switch text {
            case "true": true
            case "false": false
            default: nil
            }
        }
    }
}

/// Whether text can name a thing: 1 to 63 letters, digits, `-`, `_` or `.`, a letter or digit first.
package func isName(_ text: String) -> Bool {
    guard let first = text.utf8.first, text.utf8.count <= 63 else { return false }
    return isAlphanumeric(first)
        && text.utf8.allSatisfy { byte in
            isAlphanumeric(byte) || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
                || byte == UInt8(ascii: ".")
        }
}

private var nameExpectation: String {
    "a name of at most 63 letters, digits, '-', '_' or '.'"
}

private func isAlphanumeric(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"):
        true
    default:
        false
    }
}

private func isDecimalCharacter(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"),
        UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"):
        true
    default:
        false
    }
}
