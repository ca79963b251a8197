import Foundation
import Glibc
import Synchronization

/// A program that a test has started, with what it prints in two files.
final class ChildProcess: Sendable {
    /// How a program ended.
    enum End: Hashable {
        case status(Int32)
        case signal(Int32)
    }

    struct NotStarted: Error, CustomStringConvertible {
        let description: String
    }

    let name: String
    let processID: pid_t
    private let outputPath: String
    private let errorPath: String
    // Once the program's end has been collected, its id may be another program's: no signal is
    // sent any more.
    private let end = Mutex<End?>(nil)

    /// Starts a program.
    ///
    /// It stays in the group of the tests' own process, so that Ctrl-C reaches both.
    ///
    /// - Parameter directory: where its two files go, `name.out` and `name.log`; those of an
    ///   earlier run are continued.
    init(_ name: String, _ path: String, _ arguments: [String], directory: String) throws {
        self.name = name
        outputPath = "\(directory)/\(name).out"
        errorPath = "\(directory)/\(name).log"
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        let flags = O_WRONLY | O_CREAT | O_APPEND
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, outputPath, flags, 0o600)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, errorPath, flags, 0o600)
        closeOtherFiles(&actions)
        // The thread that tests run on may have signals blocked, and a child would start with the same:
        // one that handles SIGTERM in the plain way would never see it.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var nothing = sigset_t()
        sigemptyset(&nothing)
        posix_spawnattr_setsigmask(&attributes, &nothing)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var processID: pid_t = 0
        let environment = ProcessInfo.processInfo.environment.map { "\($0.key)=\($0.value)" }
        let result = withCStrings([path] + arguments) { argv in
            withCStrings(environment) { envp in
                posix_spawn(&processID, path, &actions, &attributes, argv, envp)
            }
        }
        guard result == 0 else {
            throw NotStarted(description: "\(path): \(String(cString: strerror(result)))")
        }
        self.processID = processID
    }

    // MARK: - Its end

    /// Sends a signal, if the program has not ended.
    func send(signal: Int32) {
        end.withLock { end in
            collect(&end)
            if end == nil { Glibc.kill(processID, signal) }
        }
    }

    /// Ends the program the hard way, and returns when it is gone.
    func kill() {
        end.withLock { end in
            guard end == nil else { return }
            Glibc.kill(processID, SIGKILL)
            var status: Int32 = 0
            while waitpid(processID, &status, 0) == -1, errno == EINTR {}
            end = .init(waitStatus: status)
        }
    }

    /// How the program ended; nil while it runs.
    var currentEnd: End? {
        end.withLock { end in
            collect(&end)
            return end
        }
    }

    /// Waits for the program to end by itself.
    func waitForEnd(within limit: Duration = .seconds(20)) async throws -> End {
        try await waitFor("\(name) to end", within: limit) { self.currentEnd }
    }

    private func collect(_ end: inout End?) {
        guard end == nil else { return }
        var status: Int32 = 0
        if waitpid(processID, &status, WNOHANG) == processID { end = .init(waitStatus: status) }
    }

    // MARK: - What it prints

    var output: String { (try? String(contentsOfFile: outputPath, encoding: .utf8)) ?? "" }
    var errors: String { (try? String(contentsOfFile: errorPath, encoding: .utf8)) ?? "" }

    /// The rest of the last line of the output that begins so.
    ///
    /// Throws when the program ends without.
    ///
    /// - Parameter runs: how many such lines there must be, for a program that is started again.
    func waitForLine(beginning prefix: String, runs: Int = 1) async throws -> String {
        try await waitFor("\(name) to print “\(prefix)…”", within: .seconds(30)) {
            // Asked first: what it printed before it ended counts.
            let hasEnded = self.currentEnd != nil
            let lines = self.output.split(separator: "\n").filter { $0.hasPrefix(prefix) }
            if lines.count >= runs, let line = lines.last { return line.dropFirst(prefix.count) }
            guard !hasEnded else {
                throw NotStarted(description: "\(self.name) has ended: \(self.errors)")
            }
            return nil
        }
        .description
    }
}

extension ChildProcess.End {
    /// From what `waitpid` says (wait(2)).
    fileprivate init(waitStatus: Int32) {
        let signal = waitStatus & 0x7F
        self = signal == 0 ? .status((waitStatus >> 8) & 0xFF) : .signal(signal)
    }
}

/// Keeps the tests' own sockets from the program: one that inherited them would keep them open when
/// the tests close them.
///
/// glibc has had the function since 2.34, but Swift's module of it leaves it out.
private func closeOtherFiles(_ actions: inout posix_spawn_file_actions_t) {
    typealias CloseFrom =
        @convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, CInt) -> CInt
    guard let symbol = dlsym(nil, "posix_spawn_file_actions_addclosefrom_np") else { return }
    _ = unsafeBitCast(symbol, to: CloseFrom.self)(&actions, STDERR_FILENO + 1)
}

/// Lends a list of strings as C wants it, with a null pointer behind it.
private func withCStrings<Result>(
    _ strings: [String],
    _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
) -> Result {
    let pointers = strings.map { strdup($0) }
    defer { for pointer in pointers { free(pointer) } }
    return body(pointers + [nil])
}
