import Testing

@testable import GRPC

/// The examples and rules of https://www.w3.org/TR/trace-context/, and of its test suite.
struct TraceContextTests {
    private static let trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    private static let span = "00f067aa0ba902b7"

    private func parse(_ text: String) -> TraceContext? {
        Array(text.utf8).withUnsafeBytes { TraceContext(parent: $0) }
    }

    @Test(arguments: [
        ("00-\(trace)-\(span)-01", "00-\(trace)-\(span)-01"),
        ("00-\(trace)-\(span)-00", "00-\(trace)-\(span)-00"),
        // Unknown flags don't go on.
        ("00-\(trace)-\(span)-ff", "00-\(trace)-\(span)-01"),
        ("00-\(trace)-\(span)-fe", "00-\(trace)-\(span)-00"),
        // A later version is read like this one, and answered in this one.
        ("01-\(trace)-\(span)-01", "00-\(trace)-\(span)-01"),
        ("cc-\(trace)-\(span)-01", "00-\(trace)-\(span)-01"),
        ("cc-\(trace)-\(span)-01-what-the-future-will-be-like", "00-\(trace)-\(span)-01"),
        ("cc-\(trace)-\(span)-01-", "00-\(trace)-\(span)-01"),
        (
            "00-00000000000000000000000000000001-0000000000000001-01",
            "00-00000000000000000000000000000001-0000000000000001-01"
        ),
        (
            "00-10000000000000000000000000000000-8000000000000000-00",
            "00-10000000000000000000000000000000-8000000000000000-00"
        ),
    ])
    func `a valid traceparent is read and written again`(text: String, again: String) {
        let context = parse(text)
        #expect(context?.parent == again)
    }

    @Test(arguments: [
        "", "00", "00-", "00-\(trace)", "00-\(trace)-\(span)", "00-\(trace)-\(span)-",
        "00-\(trace)-\(span)-0", "00-\(trace)-\(span)-01-", "00-\(trace)-\(span)-01-x",
        "00-\(trace)-\(span)-011", "00-\(trace)-\(span)-01 ", " 00-\(trace)-\(span)-01",
        "ff-\(trace)-\(span)-01", "0-\(trace)-\(span)-01", "000-\(trace)-\(span)-01",
        ".0-\(trace)-\(span)-01", "0.-\(trace)-\(span)-01", "CC-\(trace)-\(span)-01",
        "cc-\(trace)-\(span)-01.what", "cc-\(trace)-\(span)-011",
        "00-00000000000000000000000000000000-\(span)-01", "00-\(trace)-0000000000000000-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-\(span)-01", "00-\(trace)-00F067AA0BA902B7-01",
        "00-\(trace)-\(span)-0A", "00-\(trace)-\(span)-.0", "00-\(trace)-\(span)-0.",
        "00-.bf92f3577b34da6a3ce929d0e0e4736-\(span)-01", "00-\(trace)-.0f067aa0ba902b7-01",
        "00-bf92f3577b34da6a3ce929d0e0e4736-\(span)-01", "00-\(trace)0-\(span)-01",
        "00-\(trace)-0\(span)-01", "00-\(trace)-0f067aa0ba902b7-01", "00_\(trace)_\(span)_01",
        "00--\(trace)-\(span)-01", "\(trace)-\(span)-01",
    ])
    func `a malformed traceparent is none`(text: String) {
        let context = parse(text)
        #expect(context == nil)
    }

    @Test func `whatever is cut off or changed is read without a trap`() {
        var random = SeededBytes(seed: 7)
        let valid = Array("00-\(Self.trace)-\(Self.span)-01".utf8)
        var accepted = 0
        for _ in 0..<20_000 {
            var bytes = valid
            bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(
                truncatingIfNeeded: random.next()
            )
            bytes.removeLast(Int(random.next() % 3) / 2)
            // What is accepted can be written and read again.
            if let context = TraceContext(parent: bytes) {
                accepted += 1
                #expect(TraceContext(parent: Array(context.parent.utf8)) == context)
            }
        }
        #expect(accepted > 100)
    }

    @Test func `another span of a trace keeps what the trace is`() throws {
        var context = try #require(parse("00-\(Self.trace)-\(Self.span)-01"))
        context.state = try #require(TraceState(joined: Array("a=b".utf8)))
        let other = context.with(spanID: try #require(TraceContext.SpanID(0xabc)))
        #expect(other.parent == "00-\(Self.trace)-0000000000000abc-01")
        #expect(other.state.text == "a=b")
    }

    @Test func `generated ids don't repeat and follow from the seed`() {
        let ids = TraceIDs(seed: 1)
        let spans = Set((0..<10_000).map { _ in ids.spanID() })
        let again = TraceIDs(seed: 1)
        #expect(spans.count == 10_000)
        #expect(spans.contains(again.spanID()))
        #expect(TraceIDs(seed: 2).traceID() != again.traceID())
    }
}

struct TraceStateTests {
    private func parse(_ text: String) -> String? { TraceState(joined: Array(text.utf8))?.text }

    @Test(arguments: [
        ("", ""), (",", ""), ("a=1", "a=1"), ("foo=1,bar=2", "foo=1,bar=2"),
        ("foo=1 \t , \t bar=2, \t baz=3", "foo=1,bar=2,baz=3"), ("foo=1,", "foo=1"),
        ("foo=1,,bar=2", "foo=1,bar=2"), ("a= b", "a= b"),
        ("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"),
        ("fw529a3039@dt=FfAq;~!", "fw529a3039@dt=FfAq;~!"), ("0t-_*/@dt=1", "0t-_*/@dt=1"),
        // What to do about a key that comes twice is left open; it is carried along.
        ("foo=1,foo=2", "foo=1,foo=2"),
        ("\(String(repeating: "z", count: 256))=1", "\(String(repeating: "z", count: 256))=1"),
        ("z=\(String(repeating: "v", count: 256))", "z=\(String(repeating: "v", count: 256))"),
        (
            "\(String(repeating: "t", count: 241))@\(String(repeating: "v", count: 14))=1",
            "\(String(repeating: "t", count: 241))@\(String(repeating: "v", count: 14))=1"
        ),
    ])
    func `a valid list is carried along`(text: String, carried: String) {
        let state = parse(text)
        #expect(state == carried)
    }

    @Test(arguments: [
        "foo", "foo=", "=1", "foo =1", "FOO=1", "foo.bar=1", "0foo=1", "foo@=1", "@foo=1",
        "foo@@bar=1", "foo@bar@baz=1", "foo@0bar=1", "foo=bar=baz", "foo=1;bar\u{7f}=2",
        "foo=\u{e9}", "foo=1,bar", "-a=1", "/a=1",
        "\(String(repeating: "z", count: 257))=1", "z=\(String(repeating: "v", count: 257))",
        "\(String(repeating: "t", count: 242))@v=1", "t@\(String(repeating: "v", count: 15))=1",
    ])
    func `a list with a malformed member is dropped`(text: String) {
        let state = parse(text)
        #expect(state == nil)
    }

    @Test func `thirty-two members are carried and one more drops the list`() {
        let list = (1...32).map { "bar\($0)=\($0)" }.joined(separator: ",")
        #expect(parse(list) == list)
        #expect(parse(list + ",one=more") == nil)
    }

    @Test func `a list over the limit loses its long members first and then its last ones`() {
        func member(_ key: String, _ bytes: Int) -> String {
            "\(key)=" + String(repeating: "x", count: bytes - key.utf8.count - 1)
        }
        let full = (1...4).map { member("k\($0)", $0 == 4 ? 128 : 127) }.joined(separator: ",")
        let long = member("long", 129)
        #expect(full.utf8.count == TraceState.maximumBytes)
        #expect(parse(full) == full)
        #expect(parse("\(long),\(full)") == full)
        #expect(parse("\(full),z=1") == full)
        #expect(
            parse("a=1,\(full)") == "a=1," + full.split(separator: ",")[..<3].joined(separator: ",")
        )
    }
}

/// A generator of its own, so that the tests need no other module.
struct SeededBytes {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state >> 33
    }
}
