import SQLite
import Testing

struct DatabaseTests {
    private struct Refused: Error {}

    private func memory() throws -> Database {
        let database = try Database(path: ":memory:")
        try database.execute(
            "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT UNIQUE, x, data)"
        )
        return database
    }

    @Test func `values of every kind come back as they were bound`() throws {
        let database = try memory()
        let insert = try database.prepare("INSERT INTO item VALUES (:id, :name, :x, :data)")
        try insert.bind(Int64.min, to: ":id")
        try insert.bind("Zoë\0…", to: ":name")
        try insert.bind(0.25, to: ":x")
        try insert.bind([0, 255, 7], to: ":data")
        try insert.run()
        try insert.bind(2, at: 1)
        try insert.bind("", at: 2)
        try insert.bindNull(at: 3)
        try insert.bind([], at: 4)
        try insert.run()
        #expect(database.changedRows == 1)
        #expect(database.lastInsertedRowID == 2)

        let select = try database.prepare("SELECT id, name, x, data FROM item ORDER BY id")
        #expect((0..<4).map { select.columnName($0) } == ["id", "name", "x", "data"])
        #expect(try select.step())
        #expect(select.integer(0) == .min)
        #expect(select.text(1) == "Zoë\0…")
        #expect(select.withTextBytes(1) { $0.count } == 8)
        #expect(select.double(2) == 0.25)
        #expect(select.blob(3) == [0, 255, 7])
        #expect((0..<4).map { select.kind($0) } == [.integer, .text, .double, .blob])
        #expect(try select.step())
        #expect((0..<4).map { select.kind($0) } == [.integer, .text, .null, .blob])
        #expect(select.text(1) == "")
        #expect(select.isNull(2))
        #expect(try !select.step())
    }

    @Test func `a column that isn't there reads as null`() throws {
        let select = try memory().prepare("SELECT 1")
        #expect(try select.step())
        #expect(select.isNull(5))
        #expect(select.text(-1) == "")
    }

    @Test func `a violated constraint says so with its extended code`() throws {
        let database = try memory()
        try database.execute("INSERT INTO item (name) VALUES ('a')")
        let error = #expect(throws: SQLiteError.self) {
            try database.execute("INSERT INTO item (name) VALUES ('a')")
        }
        #expect(error?.code == .constraint)
        #expect(error?.extendedCode == 2067)
        #expect(error?.message == "UNIQUE constraint failed: item.name")
    }

    @Test(arguments: [
        ("SELECT y FROM item", "no such column: y"),
        ("SELECT 1; SELECT 2", "expected one SQL statement, got several"),
        ("-- nothing", "expected one SQL statement, got none"),
    ])
    func `a statement that can't be prepared is refused`(sql: String, message: String) throws {
        let database = try memory()
        let error = #expect(throws: SQLiteError.self) { try database.prepare(sql) }
        #expect(error?.message == message)
    }

    @Test func `a name that the statement lacks can't be bound`() throws {
        let statement = try memory().prepare("SELECT :a")
        let error = #expect(throws: SQLiteError.self) { try statement.bind(1, to: ":b") }
        #expect(error?.code == .range)
        #expect(statement.parameterCount == 1)
        #expect(statement.parameterName(1) == ":a")
        #expect(statement.isReadOnly)
    }

    @Test func `a transaction that throws leaves nothing behind`() throws {
        let database = try memory()
        #expect(throws: Refused.self) {
            try database.transaction {
                try database.execute("INSERT INTO item (name) VALUES ('a')")
                #expect(database.isInTransaction)
                throw Refused()
            }
        }
        #expect(!database.isInTransaction)
        #expect(try database.integer("SELECT count(*) FROM item") == 0)
        try database.transaction { try database.execute("INSERT INTO item (name) VALUES ('b')") }
        #expect(try database.text("SELECT name FROM item") == "b")
    }

    @Test func `a progress check stops a statement, and the connection goes on`() throws {
        let database = try memory()
        let endless = """
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n
            """
        var checks = 0
        let error = #expect(throws: SQLiteError.self) {
            try database.withProgressCheck(
                everyInstructions: 100,
                shouldStop: {
                    checks += 1
                    return checks == 3
                },
                { _ = try database.integer(endless) }
            )
        }
        #expect(error?.code == .interrupted)
        #expect(checks == 3)
        #expect(try database.integer("SELECT 7") == 7)
    }

    @Test func `an interrupt stops a statement, and is harmless after the close`() throws {
        let interrupter: Interrupter
        do {
            let database = try memory()
            interrupter = database.interrupter
            let endless = try database.prepare(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
            )
            #expect(try endless.step())
            interrupter.interrupt()
            let error = #expect(throws: SQLiteError.self) { try endless.step() }
            #expect(error?.code == .interrupted)
        }
        interrupter.interrupt()
    }

    @Test func `a file that doesn't exist is only created on request`() {
        let error = #expect(throws: SQLiteError.self) {
            try Database(path: "/nonexistent/x.sqlite", access: .readOnly)
        }
        #expect(error?.code == .cannotOpen)
        #expect(
            error?.message == "can't open /nonexistent/x.sqlite: unable to open database file"
        )
    }
}
