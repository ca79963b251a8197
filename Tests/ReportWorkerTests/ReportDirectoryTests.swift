import ReportWorker
import Testing
import YAML

struct ReportDirectoryTests {
    private let good = """
        name: one
        title: One
        sql: SELECT 1
        columns: [{name: x, type: integer}]
        """

    @Test func `the examples are valid`() throws {
        let reports = try exampleReports.definitions()
        #expect(
            reports.map(\.name) == [
                "customer-statement", "sales-by-region-and-month", "top-products",
            ]
        )
    }

    @Test func `mistakes in all files are told at once`() throws {
        let directory = try TemporaryDirectory()
        try directory.write(good, to: "a.yaml")
        try directory.write(good, to: "b.yaml")
        try directory.write("name: [", to: "c.yaml")
        try directory.write("not read", to: "notes.txt")
        let error = #expect(throws: Diagnostics.self) {
            try ReportDirectory(path: directory.path).definitions()
        }
        let duplicate =
            "\(directory.path)/b.yaml:1:1: report \"one\" is also in \(directory.path)/a.yaml, "
            + "expected one definition of it"
        #expect(error?.all.count == 2)
        #expect(error?.all.first?.description == duplicate)
        #expect(error?.all.last?.file == "\(directory.path)/c.yaml")
    }

    @Test func `a directory without reports is refused`() throws {
        let directory = try TemporaryDirectory()
        let empty = #expect(throws: Diagnostics.self) {
            try ReportDirectory(path: directory.path).definitions()
        }
        #expect(
            empty?.description
                == "\(directory.path):1:1: no *.yaml file, expected one report definition at least"
        )
        let missing = #expect(throws: Diagnostics.self) {
            try ReportDirectory(path: "/nonexistent").definitions()
        }
        let expected =
            "/nonexistent:1:1: can't be read: No such file or directory, expected a directory of reports"
        #expect(missing?.description == expected)
    }
}
