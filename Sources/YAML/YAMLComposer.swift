/// Builds the tree of one document from libyaml's events, within the limits.
struct YAMLComposer: ~Copyable {
    private var source: YAMLEventSource
    private let file: String
    private let limits: YAMLLimits
    private var nodes = 0

    init(_ text: String, file: String, limits: YAMLLimits) throws(Diagnostics) {
        guard text.utf8.count <= limits.maximumBytes else {
            let message =
                "the file has \(text.utf8.count) bytes, expected at most \(limits.maximumBytes)"
            throw Diagnostics([Diagnostic(file: file, line: 1, column: 1, message: message)])
        }
        self.source = try YAMLEventSource(text, file: file)
        self.file = file
        self.limits = limits
    }

    /// The only document of the stream.
    mutating func document() throws(Diagnostics) -> YAMLNode {
        _ = try source.next()
        let (start, startMark) = try source.next()
        guard case .documentStart = start else {
            throw failure("the file is empty, expected one YAML document", at: startMark)
        }
        let (first, mark) = try source.next()
        let root = try node(from: first, at: mark, depth: 1)
        _ = try source.next()
        let (end, endMark) = try source.next()
        guard case .streamEnd = end else {
            throw failure("a second document starts here, expected one in a file", at: endMark)
        }
        return root
    }

    // The depth limit bounds this recursion.
    private mutating func node(
        from event: YAMLEvent,
        at mark: YAMLMark,
        depth: Int
    ) throws(Diagnostics) -> YAMLNode {
        try count(at: mark)
        let content: YAMLNode.Content
        switch event {
        case .scalar(let text, let isPlain):
            content = .scalar(text, isPlain: isPlain)
        case .sequenceStart:
            try enter(depth, at: mark)
            content = .sequence(try sequence(depth: depth))
        case .mappingStart:
            try enter(depth, at: mark)
            content = .mapping(try mapping(depth: depth))
        case .alias(let name):
            let message =
                "alias \(quoted("*" + name)) is not supported, expected the value written out"
            throw failure(message, at: mark)
        case .sequenceEnd, .mappingEnd, .documentStart, .documentEnd, .streamStart, .streamEnd:
            throw failure("the document ends too early, expected a value", at: mark)
        }
        return YAMLNode(content: content, line: mark.line, column: mark.column, file: file)
    }

    private mutating func sequence(depth: Int) throws(Diagnostics) -> [YAMLNode] {
        var elements: [YAMLNode] = []
        while true {
            let (event, mark) = try source.next()
            if case .sequenceEnd = event { return elements }
            elements.append(try node(from: event, at: mark, depth: depth + 1))
        }
    }

    private mutating func mapping(depth: Int) throws(Diagnostics) -> [YAMLNode.Entry] {
        var entries: [YAMLNode.Entry] = []
        var lines: [String: Int] = [:]
        while true {
            let (event, mark) = try source.next()
            if case .mappingEnd = event { return entries }
            guard case .scalar(let key, _) = event else {
                throw failure("a key is not text, expected a field name", at: mark)
            }
            try count(at: mark)
            if let line = lines.updateValue(mark.line, forKey: key) {
                let message =
                    "duplicate field \(quoted(key)), expected it once; it is also at line \(line)"
                throw failure(message, at: mark)
            }
            let (first, valueMark) = try source.next()
            let value = try node(from: first, at: valueMark, depth: depth + 1)
            entries.append(
                YAMLNode.Entry(key: key, line: mark.line, column: mark.column, value: value)
            )
        }
    }

    private mutating func count(at mark: YAMLMark) throws(Diagnostics) {
        nodes += 1
        guard nodes <= limits.maximumNodes else {
            throw failure("too many values, expected at most \(limits.maximumNodes)", at: mark)
        }
    }

    private func enter(_ depth: Int, at mark: YAMLMark) throws(Diagnostics) {
        guard depth <= limits.maximumDepth else {
            let message = "nested too deeply, expected at most \(limits.maximumDepth) levels"
            throw failure(message, at: mark)
        }
    }

    private func failure(_ message: String, at mark: YAMLMark) -> Diagnostics {
        Diagnostics([Diagnostic(file: file, line: mark.line, column: mark.column, message: message)]
        )
    }
}
