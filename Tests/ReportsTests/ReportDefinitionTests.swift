import Reports
import Testing
import YAML

struct ReportDefinitionTests {
    @Test func `a definition with every kind of parameter and column is read`() throws {
        let report = try definition(everyKind)
        #expect(report.name == "every-kind")
        #expect(report.title == "Every kind of column")
        #expect(
            report.parameters.map(\.name) == [
                "year", "region", "note", "rate", "since", "until", "open",
            ]
        )
        #expect(
            report.parameters.map(\.type.name)
                == ["integer", "text", "text", "decimal", "date", "month", "boolean"]
        )
        #expect(report.parameters[0].type == .integer(2000...2100))
        #expect(report.parameters[0].isRequired)
        #expect(report.parameters[1].type == .text(allowed: ["eu", "us", "ap"], maximumBytes: 256))
        #expect(report.parameters[3].standard == .decimal(0.5))
        #expect(report.parameters[6].standard == .boolean(true))
        #expect(
            report.columns.map(\.format)
                == [.text, .date, .month, .integer, .decimal(digits: 3), .money]
        )
        #expect(report.totals == [nil, .count, nil, .sum, .sum, .sum])
        #expect(report.sqlLocation == SourceLocation(file: "report.yaml", line: 11, column: 6))
    }

    @Test func `every mistake in a definition is found with its place`() {
        let text = """
            name: bad report
            title: Bad
            parameters:
              - {name: year, type: integer, minimum: 9, maximum: 3}
              - {name: Month, type: month}
              - {name: size, type: integer, required: true, default: 4}
              - {name: level, type: integer, minimum: 5, default: 4}
              - {name: size, type: text}
            sql: SELECT :year, :region, ?1, @x, :size, :level
            columns:
              - {name: a, type: text, decimals: 2}
              - {name: b, type: text}
              - {name: b, type: money}
            totals: {a: count, b: sum, c: sum, d: average}
            """
        let error = #expect(throws: Diagnostics.self) { try definition(text) }
        let name = "a name of at most 63"
        #expect(
            error?.all.map(\.description) == [
                "report.yaml:1:7: field \"name\": expected \(name) letters, digits, '-', '_' or '.', "
                    + "got \"bad report\"",
                "report.yaml:4:3: parameter \"size\" is declared twice, expected it once",
                "report.yaml:4:54: maximum is below minimum, expected 9 or more",
                "report.yaml:5:12: field \"name\": expected \(name) lower-case letters, digits or '_', "
                    + "a letter first, got \"Month\"",
                "report.yaml:6:58: a required parameter has a default, expected one of \"required\" "
                    + "and \"default\"",
                "report.yaml:7:55: field \"default\": expected an integer from 5, got \"4\"",
                "report.yaml:9:6: the SQL has the parameter ?1, expected only parameters such as :name",
                "report.yaml:9:6: the SQL has the parameter @x, expected only parameters such as :name",
                "report.yaml:9:6: the SQL uses :region, expected it among the declared parameters: "
                    + "year, size, level, size",
                "report.yaml:11:3: column \"b\" is declared twice, expected it once",
                "report.yaml:11:27: unknown field \"decimals\", expected one of: name, type",
                "report.yaml:14:10: total of the first column, expected a later one: it holds the word total",
                "report.yaml:14:20: sum of a column of type text, expected integer, decimal or money",
                "report.yaml:14:28: total of the unknown column \"c\", expected one of: a, b, b",
                "report.yaml:14:36: total of the unknown column \"d\", expected one of: a, b, b",
                "report.yaml:14:39: field \"d\": expected one of: sum, count, got \"average\"",
            ]
        )
    }

    @Test func `valid parameters become typed values in the definition's order`() throws {
        let values = try definition(everyKind).values(for: [
            "open": "false", "until": "2024-12", "since": "2024-02-29", "rate": "1e-1",
            "note": "é…"
                .prefix(1).description, "region": "us", "year": "2024",
        ])
        let since = try #require(CalendarDate("2024-02-29"))
        let until = try #require(CalendarMonth("2024-12"))
        #expect(
            values == [
                .integer(2024), .text("us"), .text("é"), .decimal(0.1), .date(since), .month(until),
                .boolean(false),
            ]
        )
    }

    @Test func `what is left out is the default, or null`() throws {
        let values = try definition(everyKind).values(for: ["year": "2000"])
        #expect(
            values == [.integer(2000), .null, .null, .decimal(0.5), .null, .null, .boolean(true)]
        )
    }

    @Test(arguments: [
        ("year", nil, "missing, expected an integer from 2000 to 2100"),
        ("year", "20x4", "expected an integer from 2000 to 2100, got \"20x4\""),
        ("year", "1999", "expected an integer from 2000 to 2100, got \"1999\""),
        (
            "year", "99999999999999999999",
            "expected an integer from 2000 to 2100, got \"99999999999999999999\""
        ),
        ("region", "EU", "expected one of: eu, us, ap, got \"EU\""),
        ("note", "", "expected text of 1 to 4 bytes, got \"\""),
        ("note", "é…", "expected text of 1 to 4 bytes, got \"é…\""),
        ("rate", "0x1p-1", "expected a number from 0.0 to 1.0, got \"0x1p-1\""),
        ("rate", "nan", "expected a number from 0.0 to 1.0, got \"nan\""),
        (
            "since", "2023-02-29",
            "expected a date such as 2024-02-29 from 2020-01-01, got \"2023-02-29\""
        ),
        (
            "since", "2024-2-9",
            "expected a date such as 2024-02-29 from 2020-01-01, got \"2024-2-9\""
        ),
        ("until", "2024-13", "expected a month such as 2024-02 to 2030-12, got \"2024-13\""),
        ("open", "yes\n", "expected true or false, got \"yes\u{FFFD}\""),
        (
            "limit", "3",
            "report \"every-kind\" has none of this name, expected one of: "
                + "year, region, note, rate, since, until, open"
        ),
    ])
    func `a bad parameter is named with what was expected`(
        name: String,
        text: String?,
        message: String
    ) throws {
        let report = try definition(everyKind)
        var arguments = ["year": "2024"]
        arguments[name] = text
        let error = #expect(throws: ParameterError.self) { try report.values(for: arguments) }
        #expect(error?.parameter == name)
        #expect(error?.description == "parameter \"\(name)\": \(message)")
    }
}
