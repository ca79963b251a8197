import Glibc
import SQLite

/// The order database of a shop that doesn't exist, for demos, tests and benchmarks.
///
/// The same seed and order count give the same bytes on every machine (with the same SQLite release).
package struct SampleDatabase: Sendable, Hashable {
    /// Raised whenever the schema, the words or the order of the random draws change.
    package static let schemaVersion = 1

    package let seed: UInt64
    /// From 1 to 10 million.
    package let orderCount: Int

    package init(seed: UInt64 = 1, orderCount: Int = 100_000) {
        precondition((1...10_000_000).contains(orderCount), "1 to 10,000,000 orders")
        self.seed = seed
        self.orderCount = orderCount
    }

    package enum Outcome: Sendable, Hashable {
        case generated
        /// The file was there already, made from the same numbers.
        case reused
    }

    /// Makes sure that the file holds this database.
    ///
    /// The file appears whole or not at all: it is written under another name and renamed. Processes that want the
    /// same file at once wait for the first, by a lock that the kernel drops with its owner. Blocks for as long as
    /// the generation takes. A file that is no sample database is never overwritten.
    package func prepare(at path: String) throws -> Outcome {
        let lock = try FileLock(path: path + ".lock")
        defer { withExtendedLifetime(lock) {} }
        switch try state(of: path) {
        case .current: return .reused
        case .missing, .outdated: break
        }
        let partial = path + ".partial"
        // Left behind by a generation that was killed; nobody else is at it, as we hold the lock.
        unlink(partial)
        do {
            try SampleGenerator(self).write(to: partial)
            try synchronize(partial)
            guard rename(partial, path) == 0 else { throw fileError("rename", partial) }
        } catch {
            unlink(partial)
            throw error
        }
        return .generated
    }

    private enum FileState {
        case missing
        case current
        /// A sample database made from other numbers.
        case outdated
    }

    private func state(of path: String) throws -> FileState {
        guard access(path, F_OK) == 0 else { return .missing }
        do {
            let database = try Database(path: path, access: .readOnly)
            guard try database.integer("PRAGMA application_id") == SampleGenerator.applicationID
            else {
                throw ReportError(
                    .database,
                    "\(path) is no sample database, expected one or no file of that name"
                )
            }
            let found = try database.text("SELECT value FROM meta WHERE key = 'made_from'")
            return found == description ? .current : .outdated
        } catch let error as SQLiteError {
            throw ReportError(
                .database,
                "\(path) can't be read, expected a sample database or no file",
                cause: error
            )
        }
    }

    private func synchronize(_ path: String) throws {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw fileError("open", path) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw fileError("fsync", path) }
    }
}

extension SampleDatabase: CustomStringConvertible {
    /// The numbers that the bytes follow from.
    package var description: String {
        "seed \(seed), \(orderCount) orders, schema \(Self.schemaVersion)"
    }
}

/// An exclusive lock on a file, held as long as the object lives and never longer than the process.
private final class FileLock {
    private let descriptor: Int32

    init(path: String) throws {
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw fileError("open", path) }
        while flock(descriptor, LOCK_EX) != 0 {
            guard errno == EINTR else {
                let error = fileError("lock", path)
                close(descriptor)
                throw error
            }
        }
    }

    deinit {
        close(descriptor)
    }
}

/// What a system call on a file refused, in the system's words.
func fileError(_ action: String, _ path: String) -> ReportError {
    ReportError(.database, "can't \(action) \(path): \(systemMessage(errno))")
}

/// The system's words for an error number.
func systemMessage(_ number: Int32) -> String {
    String(cString: strerror(number))
}
