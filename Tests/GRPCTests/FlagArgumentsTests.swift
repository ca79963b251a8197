import Interop
import Testing

struct FlagArgumentsTests {
    private func withValues(_ line: String) -> String {
        FlagArguments.withValues(
            line.split(separator: " ").map(String.init),
            booleans: ["use_tls", "use_test_ca"]
        ).joined(separator: " ")
    }

    @Test func `a Boolean flag that stands alone is true`() {
        #expect(withValues("--use_tls") == "--use_tls=true")
        #expect(withValues("--use_tls --port 1") == "--use_tls=true --port 1")
        #expect(withValues("--port 1 --use_test_ca") == "--port 1 --use_test_ca=true")
    }

    @Test(arguments: [
        "--use_tls=false", "--use_tls=true", "--use_tls false --port 1", "--port 1 --use_tls true",
        "", "--", "--port=1 use_tls",
    ])
    func `everything else stays as it is`(line: String) {
        #expect(withValues(line) == line)
    }

    @Test func `cases are named one by one, several at once, or all`() throws {
        let one = try InteropCase.named("ping_pong")
        let two = try InteropCase.named("empty_unary,large_unary")
        let all = try InteropCase.named("all")
        let error = #expect(throws: UnknownInteropCase.self) { try InteropCase.named("ping_pong,") }
        #expect(one == [.pingPong])
        #expect(two == [.emptyUnary, .largeUnary])
        #expect(all.count == 18)
        #expect(
            "\(try #require(error))".hasPrefix("unknown test case \"\": expected all or some of")
        )
    }
}
