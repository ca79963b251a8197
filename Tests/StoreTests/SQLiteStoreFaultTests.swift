import Foundation
import SQLite
import Testing

@testable import Store

@Suite struct SQLiteStoreFaultTests {
    private let directory: TemporaryDirectory
    private let configuration: SQLiteStore.Configuration

    init() throws {
        directory = try TemporaryDirectory()
        var configuration = SQLiteStore.Configuration(path: directory.path("store.db"))
        configuration.lockTimeout = .zero
        self.configuration = configuration
    }

    @Test
    func `a process killed in the middle of its writes loses nothing that it was told is written`()
        async throws
    {
        let path = configuration.path
        let journal = directory.path("acknowledged")
        await #expect(processExitsWith: .signal(SIGKILL)) {
            [path = path as String, journal = journal as String] in
            let store = try await SQLiteStore.open(SQLiteStore.Configuration(path: path))
            try await withThrowingTaskGroup(of: Void.self) { group in
                for writer in 0..<4 {
                    group.addTask { try await writeUntilKilled(store, writer, journal: journal) }
                }
                try await group.waitForAll()
            }
        }
        let acknowledged = try String(contentsOfFile: journal, encoding: .utf8).split(
            separator: "\n"
        )
        let store = try await SQLiteStore.open(configuration)
        let range = try await store.range(prefix: "")
        let kept = Set(range.entries.map(\.key.description))
        let lost = acknowledged.filter { !kept.contains(String($0)) }
        #expect(acknowledged.count >= 200)
        #expect(lost.isEmpty)
        // Each transaction writes one key, and none of them was half done.
        #expect(range.revision.rawValue == Int64(range.entries.count))
        await store.close()
    }

    @Test func `files copied in the middle of a transaction hold the last committed revision`()
        async throws
    {
        let store = try await SQLiteStore.open(configuration)
        for index in 0..<20 { try await store.put("k\(index)", "x") }
        await store.close()
        let copy = directory.path("copy.db")
        do {
            let database = try Database(path: configuration.path)
            // A cache of a few pages makes SQLite write pages of the open transaction to the log.
            try database.execute(
                "PRAGMA cache_size = 2; PRAGMA wal_autocheckpoint = 0; BEGIN IMMEDIATE"
            )
            for index in 100..<600 {
                try database.execute(
                    "INSERT INTO entry VALUES (CAST('k\(index)' AS BLOB), zeroblob(1000), 21, 21, 1, 0)"
                )
            }
            try database.execute("UPDATE state SET revision = 21")
            try FileManager.default.copyItem(atPath: configuration.path, toPath: copy)
            try FileManager.default.copyItem(
                atPath: configuration.path + "-wal",
                toPath: copy + "-wal"
            )
        }
        let log =
            try FileManager.default.attributesOfItem(atPath: copy + "-wal")[.size] as? Int ?? 0
        let reopened = try await SQLiteStore.open(SQLiteStore.Configuration(path: copy))
        let range = try await reopened.range(prefix: "")
        #expect(log > 100_000)
        #expect(range.revision == Revision(20))
        #expect(range.entries.count == 20)
        await reopened.close()
    }

    @Test func `a full disk refuses changes, keeps the old ones and goes on reading`() async throws
    {
        var configuration = configuration
        configuration.maximumFileBytes = 512 * 1_024
        let store = try await SQLiteStore.open(configuration)
        var written = 0
        var refusal: StoreError?
        while refusal == nil, written < 1_000 {
            do {
                try await store.put("k\(written)", String(repeating: "x", count: 10_000))
                written += 1
            } catch {
                refusal = error
            }
        }
        let range = try await store.range(prefix: "")
        #expect(refusal?.code == .diskFull)
        #expect(range.entries.count == written)
        #expect(range.revision == Revision(Int64(written)))
        try await store.compact(before: range.revision)
        let next = try await store.put("small", "x")
        #expect(next.revision == range.revision.next)
        await store.close()
    }

    /// As on a disk that fails, or a file system that has become read-only: the process may write no
    /// file past this size.
    @Test func `when the disk takes no more, changes are refused and reads go on`() async throws {
        let path = configuration.path
        await #expect(processExitsWith: .success) { [path = path as String] in
            let store = try await SQLiteStore.open(SQLiteStore.Configuration(path: path))
            let lease = try await store.grantLease(for: .seconds(1))
            _ = try await store.commit(Transaction(success: [.put("leased", [1], lease: lease.id)]))
            try await store.put("a", "1")
            let before = try await store.range(prefix: "")
            signal(SIGXFSZ, SIG_IGN)
            let usual = limitFileSize(1)
            var codes: [StoreError.Code] = []
            for index in 0..<3 {
                do throws(StoreError) {
                    try await store.put("k\(index)", "x")
                } catch {
                    codes.append(error.code)
                }
            }
            let during = try await store.range(prefix: "")
            _ = limitFileSize(usual)
            try await store.put("b", "1")
            // The lease has run out or will; its keys go as soon as the disk takes it.
            var watch = store.watch(prefix: "leased", from: before.revision.next)
                .makeAsyncIterator()
            let gone = try await watch.next(isolation: nil)?.changes.map(\.key)
            let after = try await store.range(prefix: "")
            guard codes == [.inputOutput, .inputOutput, .inputOutput], during == before,
                gone == ["leased"], after.entries.map(\.key) == ["a", "b"]
            else { exit(EXIT_FAILURE) }
        }
    }

    @Test func `one transaction that is too large for the disk does not fail its group`()
        async throws
    {
        var configuration = configuration
        configuration.maximumFileBytes = 512 * 1_024
        let store = try await SQLiteStore.open(configuration)
        let outcomes = await withTaskGroup(of: Bool.self) { group in
            for index in 0..<20 {
                let value = String(repeating: "x", count: index == 7 ? 600_000 : 10)
                group.addTask { (try? await store.put("k\(index)", value)) != nil }
            }
            return await group.reduce(into: [Bool]()) { $0.append($1) }
        }
        #expect(outcomes.count { !$0 } == 1)
        #expect(try await store.range(prefix: "").entries.count == 19)
        await store.close()
    }

    @Test func `a file that may not be written is told as read-only`() async throws {
        let store = try await SQLiteStore.open(configuration)
        try await store.put("a", "1")
        await store.close()
        let path = configuration.path
        chmod(path, 0o444)
        chmod(directory.url.path, 0o555)
        defer { chmod(directory.url.path, 0o755) }
        await #expect(processExitsWith: .success) { [path = path as String] in
            // Permissions don't bind root; 65534 is nobody.
            if geteuid() == 0 { _ = setuid(65_534) }
            let code = await codeOfOpening(path)
            exit(code == .readOnly ? EXIT_SUCCESS : EXIT_FAILURE)
        }
    }

    @Test func `a directory that does not exist is told with the path`() async throws {
        let path = directory.path("none/store.db")
        let error = await #expect(throws: StoreError.self) {
            try await SQLiteStore.open(SQLiteStore.Configuration(path: path))
        }
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains(path) == true)
    }

    @Test func `a file that is no database is refused`() async throws {
        try Data(repeating: 0x61, count: 8_192).write(to: URL(fileURLWithPath: configuration.path))
        let error = await #expect(throws: StoreError.self) {
            try await SQLiteStore.open(configuration)
        }
        #expect(error?.code == .notAStore)
    }

    @Test func `a damaged file is refused and not repaired by losing entries`() async throws {
        let store = try await SQLiteStore.open(configuration)
        for index in 0..<200 {
            try await store.put("k\(index)", String(repeating: "x", count: 500))
        }
        await store.close()
        let url = URL(fileURLWithPath: configuration.path)
        var bytes = try Data(contentsOf: url)
        let damaged = (bytes.count / 2)..<(bytes.count / 2 + 20_000)
        bytes.replaceSubrange(damaged, with: Data(repeating: 0xA5, count: damaged.count))
        try bytes.write(to: url)
        let error = await #expect(throws: StoreError.self) {
            try await SQLiteStore.open(configuration)
        }
        #expect(error?.code == .corrupt)
        #expect(try Data(contentsOf: url).count == bytes.count)
    }
}

/// Lets this process write no file past a size; the limit that there was.
private func limitFileSize(_ bytes: rlim_t) -> rlim_t {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0 else {
        exit(EXIT_FAILURE)
    }
    let usual = limit.rlim_cur
    limit.rlim_cur = bytes
    guard setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0 else {
        exit(EXIT_FAILURE)
    }
    return usual
}

/// The code that opening fails with; nil when it succeeds.
private func codeOfOpening(_ path: String) async -> StoreError.Code? {
    do {
        let store = try await SQLiteStore.open(SQLiteStore.Configuration(path: path))
        await store.close()
        return nil
    } catch {
        return error.code
    }
}

/// Notes every key once the store has acknowledged it; the process kills itself while others are being written.
private func writeUntilKilled(_ store: SQLiteStore, _ writer: Int, journal: String) async throws {
    let file = open(journal, O_WRONLY | O_CREAT | O_APPEND, 0o644)
    for index in 0... {
        let key = "w\(writer)-\(index)"
        try await store.put(StoreKey(key), "x")
        let line = Array("\(key)\n".utf8)
        guard write(file, line, line.count) == line.count else { exit(EXIT_FAILURE) }
        if writer == 0, index == 100 { kill(getpid(), SIGKILL) }
    }
}
