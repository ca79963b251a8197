import YAML

extension MappingReader {
    /// Takes the fields that nobody asks for as known: a newer config works with an older client.
    func ignoreUnknownFields() {
        guard case .mapping(let entries) = node.content else { return }
        for entry in entries { _ = self.node(entry.key) }
    }

    /// Reports what another decoding found.
    func report(_ diagnostic: Diagnostic) {
        let place = YAMLNode(
            content: .mapping([]),
            line: diagnostic.line,
            column: diagnostic.column,
            file: diagnostic.file
        )
        report(diagnostic.message, at: place)
    }
}

extension ScalarType where Value == String {
    /// A JSON string, empty ones included; what is not in quotes is a number or a word of JSON.
    static var jsonText: Self {
        Self(expected: "a string", placeholder: "") { (node: YAMLNode) -> String? in
            guard case .scalar(let text, isPlain: false) = node.content else { return nil }
            return text
        }
    }
}

extension ScalarType where Value == Int {
    /// A JSON integer, which protobuf's JSON also reads from a string.
    static func jsonInteger(in range: ClosedRange<Int>) -> Self {
        let expected = ScalarType.integer(in: range).expected
        return Self(expected: expected, placeholder: range.lowerBound) { (text: String) -> Int? in
            // `Int` reads `+5` and `007` too, which JSON has not.
            guard let value = Int(text), "\(value)" == text, range.contains(value) else {
                return nil
            }
            return value
        }
    }

    /// The attempts of a policy with the first one; the caller caps them.
    static var attempts: Self { jsonInteger(in: 2...Int.max) }

    /// A `uint32` of the proto.
    static var byteCount: Self { jsonInteger(in: 0...Int(UInt32.max)) }

    /// A number above 0 in thousandths; further digits are cut (gRFC A6).
    static var thousandths: Self {
        Self(
            expected: "a number from 0.001 to 1000.0",
            placeholder: 1,
            isPlain: true
        ) { (text: String) -> Int? in
            guard let value = parseThousandths(text), (1...1_000_000).contains(value) else {
                return nil
            }
            return value
        }
    }
}

extension ScalarType where Value == Double {
    static var numberFromZero: Self { double(in: 0...Double(UInt32.max)) }

    /// A number above 0, far enough from it that its inverse is finite.
    static var positiveNumber: Self {
        let type = numberFromZero
        return Self(expected: "a number above 0", placeholder: 1) { (node: YAMLNode) -> Double? in
            guard let value = type.read(node), value >= 1e-9 else { return nil }
            return value
        }
    }
}

extension ScalarType where Value == Duration {
    /// protobuf's JSON of a `Duration`: seconds with up to 9 decimals and an `s`.
    static func jsonDuration(from least: Duration = .zero) -> Self {
        let bound = least > .zero ? "above 0s" : "from 0s"
        return Self(
            expected: "a duration \(bound) in quotes, such as \"1.5s\"",
            placeholder: .seconds(1)
        ) { (node: YAMLNode) -> Duration? in
            guard case .scalar(let text, isPlain: false) = node.content,
                let value = parseJSONDuration(text), value >= least
            else { return nil }
            return value
        }
    }

    static var positiveJSONDuration: Self { jsonDuration(from: .nanoseconds(1)) }
}

extension ScalarType where Value == StatusCode {
    /// A code by its name in any case, or by its number.
    static var statusCode: Self {
        Self(
            expected: "a status code such as \"UNAVAILABLE\" or 14",
            placeholder: .unavailable
        ) { (node: YAMLNode) -> StatusCode? in
            switch node.content {
            case .scalar(let text, isPlain: false): return StatusCode(name: text)
            case .scalar(let text, isPlain: true):
                guard let number = Int(text), StatusCode.known.contains(number) else { return nil }
                return StatusCode(rawValue: number)
            case .sequence, .mapping: return nil
            }
        }
    }
}

/// Reads `1.5s`; nil for a sign, more than 9 decimals, or past protobuf's 315,576,000,000 s.
func parseJSONDuration(_ text: String) -> Duration? {
    guard text.utf8.last == UInt8(ascii: "s") else { return nil }
    let parts = text.utf8.dropLast().split(
        separator: UInt8(ascii: "."),
        maxSplits: 1,
        omittingEmptySubsequences: false
    )
    guard let whole = parts.first, (1...12).contains(whole.count),
        let seconds = parseDigits(whole), seconds <= 315_576_000_000
    else { return nil }
    guard parts.count == 2 else { return .seconds(seconds) }
    guard (1...9).contains(parts[1].count), var nanoseconds = parseDigits(parts[1]) else {
        return nil
    }
    for _ in parts[1].count..<9 { nanoseconds *= 10 }
    return .seconds(seconds) + .nanoseconds(nanoseconds)
}

/// A JSON number in thousandths, cut and not rounded: a `Double` would make 0.57 into 569.
func parseThousandths(_ text: String) -> Int? {
    if text.utf8.contains(where: { $0 == UInt8(ascii: "e") || $0 == UInt8(ascii: "E") }) {
        // Nobody writes a ratio so; the nearest thousandth is near enough.
        guard let value = ScalarType<Double>.numberFromZero.read(plain(text)) else { return nil }
        return Int((value * 1_000).rounded())
    }
    let parts = text.utf8.split(
        separator: UInt8(ascii: "."),
        maxSplits: 1,
        omittingEmptySubsequences: false
    )
    guard let first = parts.first, (1...12).contains(first.count), let whole = parseDigits(first)
    else { return nil }
    guard parts.count == 2 else { return Int(whole) * 1_000 }
    guard !parts[1].isEmpty, parts[1].allSatisfy(isDigit),
        var fraction = parseDigits(parts[1].prefix(3))
    else { return nil }
    for _ in parts[1].prefix(3).count..<3 { fraction *= 10 }
    return Int(whole) * 1_000 + Int(fraction)
}

private func plain(_ text: String) -> YAMLNode {
    YAMLNode(content: .scalar(text, isPlain: true), line: 1, column: 1, file: "")
}

/// Digits only, few enough that no sum overflows.
private func parseDigits(_ digits: Substring.UTF8View) -> Int64? {
    guard digits.count <= 12, digits.allSatisfy(isDigit) else { return nil }
    return Int64(Substring(digits))
}

private func isDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
}
