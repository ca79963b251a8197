import Testing
import YAML

struct YAMLNodeTests {
    @Test func `every value knows its line and column`() throws {
        let node = try YAMLNode.parse("name: eu\nzones:\n  - eu-a\n  - \"ü\"\n", file: "m.yaml")
        guard case .mapping(let fields) = node.content, fields.count == 2,
            case .sequence(let zones) = fields[1].value.content, zones.count == 2,
            case .scalar("eu", isPlain: true) = fields[0].value.content,
            case .scalar("ü", isPlain: false) = zones[1].content
        else {
            Issue.record("unexpected tree: \(node)")
            return
        }
        #expect((fields[0].line, fields[0].column) == (1, 1))
        #expect((fields[0].value.line, fields[0].value.column) == (1, 7))
        #expect((zones[1].line, zones[1].column) == (4, 5))
        #expect(zones[1].file == "m.yaml")
    }

    @Test(arguments: [
        ("", "f:1:1: the file is empty, expected one YAML document"),
        ("a: 1\n---\nb: 2\n", "f:2:1: a second document starts here, expected one in a file"),
        (
            "a: 1\nb: 2\na: 3\n",
            "f:3:1: duplicate field \"a\", expected it once; it is also at line 1"
        ),
        ("a: *x\n", "f:1:4: alias \"*x\" is not supported, expected the value written out"),
        ("a: &x 1\n", "f:1:4: anchor \"&x\" is not supported, expected a plain value"),
        (
            "a: !!int 1\n",
            "f:1:4: tag \"tag:yaml.org,2002:int\" is not supported, expected a value without a tag"
        ),
        ("? [a]\n: 1\n", "f:1:3: a key is not text, expected a field name"),
        (
            "a: [1, 2\nb: 3\n",
            "f:2:2: did not find expected ',' or ']', expected valid YAML "
                + "(while parsing a flow sequence that starts at line 1)"
        ),
        ("a: 1\nb: é\u{1}\n", "f:2:5: control characters are not allowed, expected valid YAML"),
    ])
    func `what can't be read is refused with its place`(text: String, expected: String) {
        let error = #expect(throws: Diagnostics.self) { try YAMLNode.parse(text, file: "f") }
        #expect(error?.description == expected)
    }

    @Test(arguments: [
        ("[[[1]]]", true), ("[[[[1]]]]", false), ("[1,2,3,4,5]", true), ("[1,2,3,4,5,6]", false),
        ("\"" + String(repeating: "x", count: 28) + "\"", true),
        ("\"" + String(repeating: "x", count: 29) + "\"", false),
    ])
    func `a document stays inside the limits`(text: String, isAccepted: Bool) {
        let limits = YAMLLimits(maximumBytes: 30, maximumDepth: 3, maximumNodes: 6)
        let node = try? YAMLNode.parse(text, file: "f", limits: limits)
        #expect((node != nil) == isAccepted)
    }

    @Test func `a hundred thousand open brackets are refused at the depth limit`() {
        let text = String(repeating: "[", count: 100_000)
        let error = #expect(throws: Diagnostics.self) { try YAMLNode.parse(text, file: "f") }
        #expect(error?.description == "f:1:33: nested too deeply, expected at most 32 levels")
    }
}
