import Foundation

/// A Python program of Tests/Fixtures, run with the Python of the repository's `.venv` or of MERIDIAN_PYTHON.
final class PythonProcess: Sendable {
    /// What it prints, line by line, until it ends.
    let lines = Mailbox<String>()
    private let process = Process()
    private let input = Pipe()

    init(_ fixture: String, _ arguments: [String] = []) throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let environment = ProcessInfo.processInfo.environment
        let python = environment["MERIDIAN_PYTHON"] ?? root.appending(path: ".venv/bin/python").path
        let output = Pipe()
        process.executableURL = URL(filePath: python)
        process.arguments = [root.appending(path: "Tests/Fixtures/\(fixture)").path] + arguments
        process.standardInput = input
        process.standardOutput = output
        let splitter = LineSplitter(lines)
        output.fileHandleForReading.readabilityHandler = { handle in
            let data = handle.availableData
            if data.isEmpty { handle.readabilityHandler = nil }
            splitter.received(data)
        }
        do {
            try process.run()
        } catch {
            throw NoPython(path: python)
        }
    }

    /// Ends its standard input, which is how a server is told to stop.
    func endInput() {
        try? input.fileHandleForWriting.close()
    }

    struct NoPython: Error, CustomStringConvertible {
        let path: String
        var description: String {
            "\(path) is not there: run scripts/test once, or set MERIDIAN_PYTHON"
        }
    }
}

/// Cuts a program's output into lines.
///
// SAFETY (@unchecked Sendable): a readability handler is never called by two threads at once.
private final class LineSplitter: @unchecked Sendable {
    private let lines: Mailbox<String>
    private var rest = Data()

    init(_ lines: Mailbox<String>) {
        self.lines = lines
    }

    /// Takes what was printed; no bytes mean that the program has ended.
    func received(_ data: Data) {
        guard !data.isEmpty else { return lines.finish() }
        rest += data
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            lines.send(String(decoding: rest[..<end], as: UTF8.self))
            rest = Data(rest[rest.index(after: end)...])
        }
    }
}
