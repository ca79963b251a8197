/// Reads the fields of one mapping by name and collects what is wrong.
///
/// Decoding code is a list of fields:
///
///     let region = try node.decode { fields in
///         Region(
///             name: fields.required("name", .identifier()),
///             weight: fields.value("weight", .integer(in: 1...100), default: 1),
///             zones: fields.mappings("zones", count: 1...16) { Zone(name: $0.required("name", .name)) })
///     }
///
/// A field that is missing or wrong yields a placeholder and a diagnostic, so one run finds every mistake; what
/// was built is thrown away then. Fields that nothing asked for are reported as unknown, with the names that
/// were asked for as the expectation. A class, as nested readers write to one list.
package final class MappingReader {
    /// The mapping itself, for its position.
    package let node: YAMLNode
    private let collector: DiagnosticCollector
    private let entries: [String: YAMLNode.Entry]
    private let unread: [YAMLNode.Entry]
    private var asked: [String] = []

    fileprivate init(_ node: YAMLNode, entries: [YAMLNode.Entry], collector: DiagnosticCollector) {
        self.node = node
        self.collector = collector
        self.unread = entries
        self.entries = Dictionary(
            entries.map { ($0.key, $0) },
            uniquingKeysWith: { first, _ in first }
        )
    }

    // MARK: Scalars

    /// A field that must be there.
    package func required<Value>(_ name: String, _ type: ScalarType<Value>) -> Value {
        guard let node = self[name] else {
            missing(name, expected: type.expected)
            return type.placeholder
        }
        return scalar(node, of: type, name: name)
    }

    /// A field that may be left out; nil too when it is wrong, which is reported.
    package func optional<Value>(_ name: String, _ type: ScalarType<Value>) -> Value? {
        guard let node = self[name] else { return nil }
        if let value = type.read(node) { return value }
        wrong(name, expected: type.expected, at: node)
        return nil
    }

    /// A field with a default.
    package func value<Value>(
        _ name: String,
        _ type: ScalarType<Value>,
        default standard: Value
    ) -> Value {
        optional(name, type) ?? standard
    }

    /// A sequence of scalars; it must be there when `count` starts above 0.
    package func list<Value>(
        _ name: String,
        _ type: ScalarType<Value>,
        count: ClosedRange<Int> = 0...1_000
    ) -> [Value] {
        elements(of: name, count: count).map { scalar($0, of: type, name: name) }
    }

    /// A mapping from names of the writer's choice to scalars, in the order of the file.
    package func entries<Value>(
        _ name: String,
        _ type: ScalarType<Value>,
        count: ClosedRange<Int> = 0...1_000
    ) -> [(key: Located<String>, value: Value)] {
        pairs(of: name, count: count).map { entry in
            (located(entry), scalar(entry.value, of: type, name: entry.key))
        }
    }

    // MARK: Nested mappings

    /// A mapping that must be there.
    package func mapping<Value>(_ name: String, _ body: (MappingReader) -> Value) -> Value {
        guard let node = self[name] else {
            missing(name, expected: "a mapping")
            return collector.placeholder(at: self.node, body)
        }
        return collector.decode(node, name: name, body)
    }

    /// A mapping that may be left out.
    package func optionalMapping<Value>(
        _ name: String,
        _ body: (MappingReader) -> Value
    ) -> Value? {
        self[name].map { collector.decode($0, name: name, body) }
    }

    /// A mapping whose fields all have defaults: left out, it reads like an empty one.
    package func mappingOrDefaults<Value>(
        _ name: String,
        _ body: (MappingReader) -> Value
    ) -> Value {
        let empty = YAMLNode(
            content: .mapping([]),
            line: node.line,
            column: node.column,
            file: node.file
        )
        return collector.decode(self[name] ?? empty, name: name, body)
    }

    /// A sequence of mappings; it must be there when `count` starts above 0.
    package func mappings<Value>(
        _ name: String,
        count: ClosedRange<Int> = 0...1_000,
        _ body: (MappingReader) -> Value
    ) -> [Value] {
        elements(of: name, count: count).map { collector.decode($0, name: name, body) }
    }

    /// A sequence whose elements are scalars in short, or mappings where there is more to say.
    package func scalarsOrMappings<Scalar, Value>(
        _ name: String,
        _ type: ScalarType<Scalar>,
        count: ClosedRange<Int> = 0...1_000,
        scalar: (Scalar) -> Value,
        mapping: (MappingReader) -> Value
    ) -> [Located<Value>] {
        elements(of: name, count: count).map { node in
            let value =
                if case .mapping = node.content {
                    collector.decode(node, name: name, mapping)
                } else {
                    scalar(self.scalar(node, of: type, name: name))
                }
            return Located(value: value, node: node)
        }
    }

    /// A mapping from names of the writer's choice to mappings, in the order of the file.
    package func namedMappings<Value>(
        _ name: String,
        count: ClosedRange<Int> = 0...1_000,
        _ body: (Located<String>, MappingReader) -> Value
    ) -> [Value] {
        pairs(of: name, count: count).map { entry in
            collector.decode(entry.value, name: entry.key) { body(located(entry), $0) }
        }
    }

    // MARK: Anything else

    /// The value as it was written, nil when the field is left out; the caller reads and reports.
    package func node(_ name: String) -> YAMLNode? {
        self[name]
    }

    /// Reports what only the caller can see, such as a reference to nothing, at a field or at the mapping.
    ///
    /// The message says what is wrong and what was expected.
    package func report(_ message: String, at field: String? = nil) {
        let place = field.flatMap { entries[$0]?.value } ?? node
        collector.add(place.diagnostic(message))
    }

    /// Reports what only the caller can see, at a value.
    package func report(_ message: String, at place: YAMLNode) {
        collector.add(place.diagnostic(message))
    }

    // MARK: -

    private subscript(name: String) -> YAMLNode? {
        if !asked.contains(name) { asked.append(name) }
        guard let value = entries[name]?.value, !value.isNull else { return nil }
        return value
    }

    private func scalar<Value>(
        _ node: YAMLNode,
        of type: ScalarType<Value>,
        name: String
    ) -> Value {
        if let value = type.read(node) { return value }
        wrong(name, expected: type.expected, at: node)
        return type.placeholder
    }

    private func elements(of name: String, count: ClosedRange<Int>) -> [YAMLNode] {
        let expected = "a sequence of \(count.lowerBound) to \(count.upperBound) elements"
        guard let node = self[name] else {
            if count.lowerBound > 0 { missing(name, expected: expected) }
            return []
        }
        guard case .sequence(let elements) = node.content else {
            wrong(name, expected: expected, at: node)
            return []
        }
        guard count.contains(elements.count) else {
            report(
                "field \(quoted(name)): \(elements.count) elements, expected \(expected)",
                at: node
            )
            return []
        }
        return elements
    }

    private func pairs(of name: String, count: ClosedRange<Int>) -> [YAMLNode.Entry] {
        let expected = "a mapping of \(count.lowerBound) to \(count.upperBound) fields"
        guard let node = self[name] else {
            if count.lowerBound > 0 { missing(name, expected: expected) }
            return []
        }
        guard case .mapping(let pairs) = node.content else {
            wrong(name, expected: expected, at: node)
            return []
        }
        guard count.contains(pairs.count) else {
            report("field \(quoted(name)): \(pairs.count) fields, expected \(expected)", at: node)
            return []
        }
        return pairs
    }

    private func located(_ entry: YAMLNode.Entry) -> Located<String> {
        let key = YAMLNode(
            content: .scalar(entry.key, isPlain: true),
            line: entry.line,
            column: entry.column,
            file: node.file
        )
        return Located(value: entry.key, node: key)
    }

    private func missing(_ name: String, expected: String) {
        report("missing field \(quoted(name)), expected \(expected)", at: node)
    }

    private func wrong(_ name: String, expected: String, at node: YAMLNode) {
        report("field \(quoted(name)): expected \(expected), got \(node.summary)", at: node)
    }

    fileprivate func reportUnknownFields() {
        for entry in unread where !asked.contains(entry.key) {
            var message = "unknown field \(quoted(entry.key))"
            if asked.isEmpty {
                message += ", expected no fields"
            } else {
                message += ", expected one of: \(asked.joined(separator: ", "))"
            }
            if let near = suggestion(for: entry.key, among: asked) {
                message += " (did you mean \(quoted(near))?)"
            }
            collector.add(
                Diagnostic(
                    file: node.file,
                    line: entry.line,
                    column: entry.column,
                    message: message
                )
            )
        }
    }
}

extension YAMLNode {
    /// Decodes a mapping; throws everything that is wrong in it, in the order of the file.
    package func decode<Value>(_ body: (MappingReader) -> Value) throws(Diagnostics) -> Value {
        let collector = DiagnosticCollector()
        let value = collector.decode(self, name: nil, body)
        if let diagnostics = collector.result { throw diagnostics }
        return value
    }
}

/// The list that all readers of one decoding write to.
private final class DiagnosticCollector {
    /// A file with more mistakes than this is another kind of file; the rest would only be noise.
    private static let maximumDiagnostics = 100

    private var found: [Diagnostic] = []
    /// Above 0 while a placeholder is built: its missing fields are no mistakes of the writer.
    private var mutes = 0

    var result: Diagnostics? {
        guard !found.isEmpty else { return nil }
        return Diagnostics(found.sorted { ($0.line, $0.column) < ($1.line, $1.column) })
    }

    func add(_ diagnostic: Diagnostic) {
        guard mutes == 0, found.count < Self.maximumDiagnostics else { return }
        found.append(diagnostic)
    }

    func decode<Value>(
        _ node: YAMLNode,
        name: String?,
        _ body: (MappingReader) -> Value
    ) -> Value {
        guard case .mapping(let entries) = node.content else {
            let subject = name.map { "field \(quoted($0)): " } ?? ""
            add(node.diagnostic("\(subject)expected a mapping, got \(node.summary)"))
            return placeholder(at: node, body)
        }
        let reader = MappingReader(node, entries: entries, collector: self)
        let value = body(reader)
        reader.reportUnknownFields()
        return value
    }

    func placeholder<Value>(at node: YAMLNode, _ body: (MappingReader) -> Value) -> Value {
        mutes += 1
        defer { mutes -= 1 }
        return body(MappingReader(node, entries: [], collector: self))
    }
}
