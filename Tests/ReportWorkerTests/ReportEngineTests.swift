import ReportWorker
import Reports
import SQLite
import Testing
import YAML

struct ReportEngineTests {
    private let endless = ReportDefinition(
        name: "endless",
        title: "Never done",
        parameters: [],
        sql: """
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
            SELECT max(i) FROM n
            """,
        columns: [ReportColumn("n", .integer)],
        totals: [:]
    )
    private let numbers = ReportDefinition(
        name: "numbers",
        title: "The numbers up to n",
        parameters: [ReportParameter("n", .integer(1...1_000_000), isRequired: true)],
        sql: """
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :n)
            SELECT i FROM n
            """,
        columns: [ReportColumn("i", .integer)],
        totals: [:]
    )

    private func lines(_ csv: String) -> [String] {
        csv.split(separator: "\r\n").map(String.init)
    }

    @Test func `a customer's statement lists the orders and adds them up`() throws {
        let shop = try Shop()
        let database = try shop.database()
        let whole = lines(try shop.run("customer-statement", ["customer": "3"]))
        let orders = try database.integer(
            "SELECT count(*) FROM customer_order WHERE customer_id = 3"
        )
        let cents = try database.integer(
            "SELECT sum(total_cents) FROM customer_order WHERE customer_id = 3"
        )
        let sum = try #require(cents)
        #expect(whole.first == "order,date,region,articles,amount")
        #expect(whole.count == Int(orders ?? 0) + 2)
        #expect(whole.last?.hasPrefix("total,,,") == true)
        #expect(
            whole.last?.hasSuffix(",\(sum / 100).\(sum % 100 < 10 ? "0" : "")\(sum % 100)") == true
        )

        let part = lines(
            try shop.run(
                "customer-statement",
                ["customer": "3", "from": "2024-01", "to": "2024-12"]
            )
        )
        #expect(part.count < whole.count)
        #expect(part.dropFirst().dropLast().allSatisfy { $0.contains(",2024-") })
        let none = lines(try shop.run("customer-statement", ["customer": "99999999"]))
        #expect(none == ["order,date,region,articles,amount", "total,,,0,0.00"])
    }

    @Test func `sales by region and month cover the year, and can be cut to a region`() throws {
        let shop = try Shop()
        let whole = lines(try shop.run("sales-by-region-and-month", ["year": "2025"]))
        let eu = lines(try shop.run("sales-by-region-and-month", ["year": "2025", "region": "eu"]))
        let orders = try shop.database().integer(
            "SELECT count(*) FROM customer_order WHERE ordered_on LIKE '2025-%'"
        )
        #expect(whole.first == "region,month,orders,revenue,average_order")
        #expect(whole.last?.hasPrefix("total,,\(orders ?? 0),") == true)
        #expect(eu.dropFirst().dropLast().allSatisfy { $0.hasPrefix("eu,2025-") })
        #expect(eu.dropFirst().dropLast().elementsEqual(whole.filter { $0.hasPrefix("eu,") }))
        let nowhere = lines(
            try shop.run("sales-by-region-and-month", ["year": "2025", "region": "xx"])
        )
        #expect(nowhere.count == 2)
    }

    @Test func `top products are sorted by revenue, within a month if asked`() throws {
        let shop = try Shop()
        let year = lines(try shop.run("top-products", ["year": "2024", "limit": "5"]))
        let month = lines(try shop.run("top-products", ["year": "2024", "month": "12"]))
        let json = try shop.run("top-products", ["year": "2024", "limit": "2"], .json)
        let best = try shop.database().integer(
            """
            SELECT max(revenue) FROM (SELECT sum(quantity * price_cents) AS revenue
              FROM order_line WHERE month LIKE '2024-%' GROUP BY product_id)
            """
        )
        let cents = try #require(best)
        #expect(year.count == 7)
        #expect(year[1].hasSuffix(",\(cents / 100).\(cents % 100 < 10 ? "0" : "")\(cents % 100)"))
        #expect(month.count == 12)
        let parameters =
            #"{"report":"top-products","parameters":{"year":2024,"month":null,"limit":2}"#
        #expect(json.hasPrefix(parameters))
    }

    @Test func `the same request gives the same bytes again`() throws {
        let shop = try Shop()
        let first = try shop.run("top-products", ["year": "2024"], .json)
        let second = try shop.run("top-products", ["year": "2024"], .json)
        #expect(first == second)
    }

    @Test func `reports that run side by side give the same bytes as one alone`() async throws {
        let shop = try Shop()
        let alone = try shop.run("customer-statement", ["customer": "3"], .json)
        let request = try shop.engine.request("customer-statement", parameters: ["customer": "3"])
        let engine = shop.engine
        let reports = try await withThrowingTaskGroup(of: [RenderedReport].self) { group in
            for _ in 0..<8 {
                group.addTask {
                    try (0..<25).map { _ in
                        try engine.run(request, format: .json, shouldStop: { false })
                    }
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(reports.count == 200)
        #expect(reports.allSatisfy { $0.bytes == Array(alone.utf8) })
    }

    @Test func `unknown reports and bad parameters are refused before anything runs`() throws {
        let engine = try Shop().engine
        let unknown = #expect(throws: ReportError.self) {
            try engine.request("nope", parameters: [:])
        }
        #expect(unknown?.code == .unknownReport)
        let names = "customer-statement, sales-by-region-and-month, top-products"
        #expect(unknown?.message == "no report \"nope\", expected one of: \(names)")
        let bad = #expect(throws: ReportError.self) {
            try engine.request("top-products", parameters: ["year": "20x4"])
        }
        #expect(bad?.code == .invalidParameter)
        #expect(bad?.parameter == "year")
        #expect(
            bad?.message
                == "parameter \"year\": expected an integer from 2000 to 2100, got \"20x4\""
        )
    }

    @Test func `a report may have as many rows as the limit, and no more`() throws {
        let shop = try Shop(reports: [numbers], limits: ReportLimits(maximumRows: 10))
        let full = try shop.run("numbers", ["n": "10"])
        #expect(lines(full).count == 11)
        let error = #expect(throws: ReportError.self) { try shop.run("numbers", ["n": "11"]) }
        #expect(error?.code == .tooManyRows)
        #expect(error?.message == "the report has more than 10 rows")
        let again = try shop.run("numbers", ["n": "10"])
        #expect(again == full)
    }

    @Test func `a report over the byte limit is refused`() throws {
        let shop = try Shop(reports: [numbers], limits: ReportLimits(maximumBytes: 100))
        let error = #expect(throws: ReportError.self) { try shop.run("numbers", ["n": "1000"]) }
        #expect(error?.code == .tooManyBytes)
    }

    @Test func `a check that says stop ends a running report, and the connection lives on`() throws
    {
        let shop = try Shop(
            reports: [endless, numbers],
            limits: ReportLimits(maximumConnections: 1)
        )
        let request = try shop.engine.request("endless", parameters: [:])
        var checks = 0
        let error = #expect(throws: ReportError.self) {
            try shop.engine.run(request, format: .csv) {
                checks += 1
                return checks == 5
            }
        }
        #expect(error?.code == .stopped)
        let next = try shop.run("numbers", ["n": "2"])
        #expect(next == "i\r\n1\r\n2\r\n")
    }

    @Test func `more reports at once than connections are refused as busy`() throws {
        let shop = try Shop(
            reports: [endless, numbers],
            limits: ReportLimits(maximumConnections: 2)
        )
        let request = try shop.engine.request("endless", parameters: [:])
        var codes: [ReportError.Code] = []
        func run(nested: () -> Void) {
            do throws(ReportError) {
                _ = try shop.engine.run(request, format: .csv) {
                    nested()
                    return true
                }
            } catch {
                codes.append(error.code)
            }
        }
        // The check runs while its report holds a connection, so nesting holds several without a thread.
        run { run { run {} } }
        #expect(codes == [.busy, .stopped, .stopped])
    }

    @Test func `definitions that don't fit the database are refused with their place`() throws {
        let place = SourceLocation(file: "r.yaml", line: 3, column: 6)
        func report(_ name: String, _ sql: String) -> ReportDefinition {
            ReportDefinition(
                name: name,
                title: name,
                parameters: [],
                sql: sql,
                columns: [ReportColumn("x", .integer)],
                totals: [:],
                sqlLocation: place
            )
        }
        let error = #expect(throws: Diagnostics.self) {
            try Shop(reports: [
                report("a", "SELECT nope FROM customer"), report("b", "SELECT 1, 2"),
                report("c", "DELETE FROM customer"), report("d", "SELECT 1"),
            ])
        }
        #expect(
            error?.all.map(\.description) == [
                "r.yaml:3:6: report \"a\": no such column: nope, expected SQL that fits the report "
                    + "database",
                "r.yaml:3:6: report \"b\": the SQL returns 2 columns, expected the 1 declared",
                "r.yaml:3:6: report \"c\": the SQL writes, expected a SELECT",
            ]
        )
    }

    @Test func `a database that isn't there is an error`() {
        let error = #expect(throws: ReportError.self) {
            try ReportEngine(reports: [], databasePath: "/nonexistent/shop.sqlite")
        }
        #expect(error?.code == .database)
    }
}
