import ReportWorker
import SQLite
import Testing

struct SampleDatabaseTests {
    @Test func `the same seed and count give the same bytes, others do not`() throws {
        let directory = try TemporaryDirectory()
        for (name, seed) in [("a", 1), ("b", 1), ("c", 2)] {
            let sample = SampleDatabase(seed: UInt64(seed), orderCount: 2_000)
            let outcome = try sample.prepare(at: "\(directory.path)/\(name)")
            #expect(outcome == .generated)
        }
        #expect(try directory.bytes(of: "a") == directory.bytes(of: "b"))
        #expect(try directory.bytes(of: "a") != directory.bytes(of: "c"))
        #expect(try directory.fileNames == ["a", "a.lock", "b", "b.lock", "c", "c.lock"])
    }

    @Test func `a file made from the same numbers is used again, another is replaced`() throws {
        let directory = try TemporaryDirectory()
        let path = "\(directory.path)/shop.sqlite"
        let outcomes = try [(1, 50), (1, 50), (2, 50), (2, 51), (2, 51)].map { seed, count in
            try SampleDatabase(seed: seed, orderCount: count).prepare(at: path)
        }
        #expect(outcomes == [.generated, .reused, .generated, .generated, .reused])
        let database = try Database(path: path, access: .readOnly)
        #expect(try database.integer("SELECT count(*) FROM customer_order") == 51)
    }

    @Test func `what a killed generation left is no obstacle`() throws {
        let directory = try TemporaryDirectory()
        try directory.write("half a database", to: "shop.partial")
        let outcome = try SampleDatabase(orderCount: 50).prepare(at: "\(directory.path)/shop")
        #expect(outcome == .generated)
        #expect(try directory.fileNames == ["shop", "shop.lock"])
    }

    @Test func `a file that is no sample database is left alone`() throws {
        let directory = try TemporaryDirectory()
        let path = "\(directory.path)/mine"
        do { try Database(path: path).execute("CREATE TABLE precious (x)") }
        try directory.write("no database at all, but long enough to be looked at", to: "text")
        for name in ["mine", "text"] {
            let before = try directory.bytes(of: name)
            let error = #expect(throws: ReportError.self) {
                try SampleDatabase(orderCount: 50).prepare(at: "\(directory.path)/\(name)")
            }
            #expect(error?.code == .database)
            #expect(try directory.bytes(of: name) == before)
        }
    }

    @Test func `the data is whole and covers three years`() throws {
        let shop = try Shop()
        let database = try shop.database()
        #expect(try database.text("PRAGMA integrity_check") == "ok")
        #expect(try database.text("PRAGMA journal_mode") == "delete")
        #expect(try database.integer("SELECT count(*) FROM pragma_foreign_key_check") == 0)
        #expect(try database.integer("SELECT count(*) FROM customer_order") == 300)
        let years = "SELECT count(DISTINCT substr(ordered_on, 1, 4)) FROM customer_order"
        #expect(try database.integer(years) == 3)
        let unequal = """
            SELECT count(*) FROM customer_order AS o WHERE total_cents IS NOT
              (SELECT sum(quantity * price_cents) FROM order_line WHERE order_id = o.id)
            """
        #expect(try database.integer(unequal) == 0)
        #expect(try database.integer("SELECT count(DISTINCT region_id) FROM customer_order") == 3)
    }
}
