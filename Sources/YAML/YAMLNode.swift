/// A value of a YAML document, with the place where it was written.
package struct YAMLNode: Sendable {
    /// What the value is.
    package enum Content: Sendable {
        /// Text; plain is unquoted, so that `5` and `"5"` can be told apart.
        case scalar(String, isPlain: Bool)
        case sequence([YAMLNode])
        /// Fields in the order of the file; no key comes twice.
        case mapping([Entry])
    }

    /// One field of a mapping.
    package struct Entry: Sendable {
        package let key: String
        /// The line of the key, from 1.
        package let line: Int
        /// The column of the key, from 1.
        package let column: Int
        package let value: YAMLNode
    }

    package let content: Content
    /// The line, from 1.
    package let line: Int
    /// The column in characters, from 1.
    package let column: Int
    package let file: String

    package init(content: Content, line: Int, column: Int, file: String) {
        self.content = content
        self.line = line
        self.column = column
        self.file = file
    }

    /// Reads one document.
    ///
    /// Aliases, anchors and tags are refused: no configuration of ours needs them, and expanding aliases is
    /// how a small file becomes a large one.
    package static func parse(
        _ text: String,
        file: String,
        limits: YAMLLimits = YAMLLimits()
    ) throws(Diagnostics) -> YAMLNode {
        var composer = try YAMLComposer(text, file: file, limits: limits)
        return try composer.document()
    }

    /// A diagnostic at this value.
    package func diagnostic(_ message: String) -> Diagnostic {
        Diagnostic(file: file, line: line, column: column, message: message)
    }

    /// Whether nothing was written: `key:`, `key: null` or `key: ~`.
    package var isNull: Bool {
        guard case .scalar(let text, isPlain: true) = content else { return false }
        return text.isEmpty || text == "null" || text == "~"
    }

    /// The value as a message names it: a scalar's text, else what kind of value it is.
    package var summary: String {
        switch content {
        case .scalar where isNull: "nothing"
        case .scalar(let text, isPlain: true): quoted(text)
        case .scalar(let text, isPlain: false): "the text \(quoted(text))"
        case .sequence: "a sequence"
        case .mapping: "a mapping"
        }
    }
}

/// Text in quotes for a message, cut so that a message stays one readable line.
func quoted(_ text: String) -> String {
    let maximumCharacters = 60
    let line = text.split(separator: "\n", maxSplits: 1, omittingEmptySubsequences: false)[0]
    guard line.count > maximumCharacters || line.utf8.count < text.utf8.count else {
        return "\"\(line)\""
    }
    return "\"\(line.prefix(maximumCharacters))…\""
}
