import CYAML

/// What the parser of libyaml says next, copied out of its memory.
enum YAMLEvent {
    case scalar(String, isPlain: Bool)
    case sequenceStart
    case sequenceEnd
    case mappingStart
    case mappingEnd
    case documentStart
    case documentEnd
    case streamStart
    case streamEnd
    case alias(String)
}

/// A position as libyaml counts it, turned into lines and columns from 1.
struct YAMLMark {
    let line: Int
    let column: Int

    init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }

    init(_ mark: yaml_mark_t) {
        self.init(line: Int(clamping: mark.line) + 1, column: Int(clamping: mark.column) + 1)
    }
}

/// Owns a libyaml parser and its input.
struct YAMLEventSource: ~Copyable {
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let input: UnsafeMutableBufferPointer<UInt8>
    private let file: String

    init(_ text: String, file: String) throws(Diagnostics) {
        self.file = file
        parser = .allocate(capacity: 1)
        // libyaml keeps a pointer to its input, so the bytes need an address that stays.
        input = .allocate(capacity: max(text.utf8.count, 1))
        _ = input.initialize(from: text.utf8)
        guard yaml_parser_initialize(parser) != 0 else {
            parser.deallocate()
            input.deallocate()
            let message = "out of memory, expected room for a YAML parser"
            throw Diagnostics([Diagnostic(file: file, line: 1, column: 1, message: message)])
        }
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        yaml_parser_set_input_string(parser, input.baseAddress, text.utf8.count)
    }

    deinit {
        yaml_parser_delete(parser)
        parser.deallocate()
        input.deallocate()
    }

    /// The next event and where it starts.
    mutating func next() throws(Diagnostics) -> (YAMLEvent, YAMLMark) {
        var event = yaml_event_t()
        guard yaml_parser_parse(parser, &event) != 0 else { throw Diagnostics([syntaxError()]) }
        defer { yaml_event_delete(&event) }
        let mark = YAMLMark(event.start_mark)
        switch event.type {
        case YAML_STREAM_START_EVENT:
            return (.streamStart, mark)
        case YAML_DOCUMENT_START_EVENT:
            return (.documentStart, mark)
        case YAML_DOCUMENT_END_EVENT:
            return (.documentEnd, mark)
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            try refuse(anchor: scalar.anchor, tag: scalar.tag, at: mark)
            let bytes = UnsafeBufferPointer(
                start: scalar.value,
                count: Int(clamping: scalar.length)
            )
            let isPlain = scalar.style == YAML_PLAIN_SCALAR_STYLE
            return (.scalar(String(decoding: bytes, as: UTF8.self), isPlain: isPlain), mark)
        case YAML_SEQUENCE_START_EVENT:
            let start = event.data.sequence_start
            try refuse(anchor: start.anchor, tag: start.tag, at: mark)
            return (.sequenceStart, mark)
        case YAML_SEQUENCE_END_EVENT:
            return (.sequenceEnd, mark)
        case YAML_MAPPING_START_EVENT:
            let start = event.data.mapping_start
            try refuse(anchor: start.anchor, tag: start.tag, at: mark)
            return (.mappingStart, mark)
        case YAML_MAPPING_END_EVENT:
            return (.mappingEnd, mark)
        case YAML_ALIAS_EVENT:
            return (.alias(Self.text(event.data.alias.anchor)), mark)
        default:
            // YAML_STREAM_END_EVENT, or YAML_NO_EVENT when the parser is asked again after it.
            return (.streamEnd, mark)
        }
    }

    private func refuse(
        anchor: UnsafeMutablePointer<yaml_char_t>?,
        tag: UnsafeMutablePointer<yaml_char_t>?,
        at mark: YAMLMark
    ) throws(Diagnostics) {
        let message: String
        if anchor != nil {
            message =
                "anchor \(quoted("&" + Self.text(anchor))) is not supported, expected a plain value"
        } else if tag != nil {
            message =
                "tag \(quoted(Self.text(tag))) is not supported, expected a value without a tag"
        } else {
            return
        }
        throw Diagnostics([
            Diagnostic(file: file, line: mark.line, column: mark.column, message: message)
        ])
    }

    private func syntaxError() -> Diagnostic {
        let problem = parser.pointee.problem.map { String(cString: $0) } ?? "unreadable text"
        // The reader (bad encoding, control characters) knows a byte offset and no line.
        var mark = YAMLMark(parser.pointee.problem_mark)
        if parser.pointee.error == YAML_READER_ERROR {
            mark = position(ofByte: Int(clamping: parser.pointee.problem_offset))
        }
        var message = "\(problem), expected valid YAML"
        if let context = parser.pointee.context {
            message += " (\(String(cString: context))"
            message += " that starts at line \(YAMLMark(parser.pointee.context_mark).line))"
        }
        return Diagnostic(file: file, line: mark.line, column: mark.column, message: message)
    }

    private func position(ofByte offset: Int) -> YAMLMark {
        var line = 1
        var column = 1
        for byte in input.prefix(offset) {
            if byte == UInt8(ascii: "\n") {
                line += 1
                column = 1
            } else if byte & 0xC0 != 0x80 {
                column += 1
            }
        }
        return YAMLMark(line: line, column: column)
    }

    private static func text(_ bytes: UnsafeMutablePointer<yaml_char_t>?) -> String {
        bytes.map { String(cString: $0) } ?? ""
    }
}
