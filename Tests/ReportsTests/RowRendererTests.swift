import Reports
import Testing

struct RowRendererTests {
    private let rows: [[Cell]] = [
        [
            .text("plain"), .text("2024-02-29"), .text("2024-02"), .integer(-7), .double(0.0005),
            .integer(123_456),
        ],
        [.text("a,b \"c\"\n\t\u{1}\\ü"), .null, .text(""), .integer(0), .integer(2), .integer(-5)],
        [.bytes([0x61, 0xFF]), .integer(12), .null, .null, .double(-0.0004), .double(99.5)],
    ]

    private func rendered(_ rows: [[Cell]], _ format: ReportFormat) throws -> String {
        let report = try definition(everyKind)
        let values = try report.values(for: [
            "year": "2024", "note": "\"é\"", "since": "2024-01-31",
        ])
        var renderer = RowRenderer(report, values: values, format: format)
        for row in rows { renderer.row(row) }
        #expect(renderer.rowCount == rows.count)
        return String(decoding: renderer.finish(), as: UTF8.self)
    }

    @Test func `csv has a header, quoted fields and a last row of totals`() throws {
        let text = try rendered(rows, .csv)
        let expected = [
            "name,day,month,count,share,amount",
            "plain,2024-02-29,2024-02,-7,0.001,1234.56",
            "\"a,b \"\"c\"\"\n\t\u{1}\\ü\",,\"\",0,2.000,-0.05",
            "a\u{FFFD},12,,,0.000,1.00",
            "total,2,,-7,2.000,1235.51",
            "",
        ]
        #expect(text == expected.joined(separator: "\r\n"))
    }

    @Test func `json has parameters, columns, rows and totals`() throws {
        let text = try rendered(rows, .json)
        let expected = [
            #"{"report":"every-kind","parameters":{"year":2024,"region":null,"note":"\"é\"","#,
            #""rate":0.5,"since":"2024-01-31","until":null,"open":true},"columns":["#,
            #"{"name":"name","type":"text"},{"name":"day","type":"date"},"#,
            #"{"name":"month","type":"month"},{"name":"count","type":"integer"},"#,
            #"{"name":"share","type":"decimal"},{"name":"amount","type":"money"}],"rows":["#,
            #"["plain","2024-02-29","2024-02",-7,0.001,1234.56],"#,
            #"["a,b \"c\"\n\t\u0001\\ü",null,"",0,2.000,-0.05],"#,
            "[\"a\u{FFFD}\",\"12\",null,null,0.000,1.00]",
            #"],"totals":{"day":2,"count":-7,"share":2.000,"amount":1235.51}}"#,
        ]
        #expect(text == expected.joined())
    }

    @Test func `a report without rows still has its frame`() throws {
        let csv = try rendered([], .csv)
        let json = try rendered([], .json)
        #expect(csv == "name,day,month,count,share,amount\r\ntotal,0,,0,0.000,0.00\r\n")
        #expect(
            json.hasSuffix(#""rows":[],"totals":{"day":0,"count":0,"share":0.000,"amount":0.00}}"#)
        )
    }

    @Test func `sums of money stay exact past 64 bits`() throws {
        let row: [Cell] = [.null, .null, .null, .integer(.min), .null, .integer(.max)]
        let text = try rendered([row, row], .csv)
        let expected = "total,0,,-18446744073709551616,0.000,184467440737095516.14\r\n"
        #expect(text.hasSuffix(expected))
        #expect(text.contains("92233720368547758.07"))
    }

    @Test func `a sum over something that is no number is not told`() throws {
        let row: [Cell] = [.null, .null, .null, .text("7"), .double(.infinity), .double(1e300)]
        let csv = try rendered([row], .csv)
        let json = try rendered([row], .json)
        #expect(csv.hasSuffix(",,,7,,\(1e300 / 100)\r\ntotal,0,,,0.000,\r\n"))
        #expect(json.contains("[null,null,null,\"7\",null,\(1e300 / 100)]"))
        #expect(json.contains(#""totals":{"day":0,"count":null,"share":0.000,"amount":null}"#))
    }

    @Test(arguments: [
        (0.125, "0.12"), (0.375, "0.38"), (1.005, "1.00"), (1.115, "1.11"), (0.285, "0.28"),
        (2.5, "2.50"), (-0.001, "0.00"), (-1.999, "-2.00"),
        (90_071_992_547_409.9, "90071992547409.91"),
        (1e300, "1e+300"),
    ])
    func `decimals are rounded by the exact value, as printf does`(
        value: Double,
        expected: String
    ) throws {
        let report = try definition(
            "{name: r, title: R, sql: SELECT 1, columns: [{name: x, type: decimal, decimals: 2}]}"
        )
        var renderer = RowRenderer(report, values: [], format: .csv)
        renderer.row([.double(value)])
        let text = String(decoding: renderer.finish(), as: UTF8.self)
        #expect(text == "x\r\n\(expected)\r\n")
    }
}
