import OperatorTools
import Testing

@Suite struct TextTableTests {
    @Test func `columns are as wide as their widest cell, and lines end with text`() {
        var table = TextTable([.text("NAME"), .number("SIZE"), .text("ZONE")])
        table.add(["alpha-long", "5", "eu-a"])
        table.add(["b", "12345", ""])
        #expect(
            table.description == """
                NAME          SIZE   ZONE
                alpha-long       5   eu-a
                b            12345   -
                """
        )
    }

    @Test func `notes stand below their row`() {
        var table = TextTable([.text("NODE")])
        table.add(["client-eu"], notes: ["CDS NACKED: no such cluster"])
        table.add(["client-us"])
        #expect(
            table.description == """
                NODE
                client-eu
                  CDS NACKED: no such cluster
                client-us
                """
        )
    }

    @Test func `a table without rows is its header`() {
        let table = TextTable([.text("NODE"), .text("REGION")])
        #expect(table.description == "NODE   REGION")
    }

    @Test func `text from elsewhere can't steer the terminal or break the line`() {
        var table = TextTable([.text("NODE")])
        table.add(["a\u{1B}[2Jb"], notes: ["first\nsecond\u{202E}"])
        #expect(table.description == "NODE\na\u{FFFD}[2Jb\n  first second\u{FFFD}")
    }
}

@Suite struct TimeTextTests {
    @Test(arguments: [
        (0, "0s"), (59_999, "59s"), (60_000, "1m0s"), (3_599_000, "59m59s"), (3_600_000, "1h0m"),
        (86_399_000, "23h59m"), (90_000_000, "1d1h"),
    ])
    func `an age has its two largest units`(_ milliseconds: UInt64, _ text: String) {
        #expect(ageText(milliseconds: milliseconds) == text)
    }

    @Test(arguments: [(0, "0.0s"), (4_999, "4.9s"), (60_000, "60.0s")])
    func `a lease is cut to tenths`(_ milliseconds: UInt64, _ text: String) {
        #expect(remainingText(milliseconds: milliseconds) == text)
    }

    @Test(arguments: [
        (0, "0.00 ms"), (0.042, "0.04 ms"), (9.994, "9.99 ms"), (12.34, "12.3 ms"),
        (99.96, "100.0 ms"), (1234.5, "1235 ms"),
    ])
    func `a latency has the decimals that make sense`(_ milliseconds: Double, _ text: String) {
        #expect(latencyText(milliseconds: milliseconds) == text)
    }
}
