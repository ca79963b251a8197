import Foundation
import Synchronization

#if canImport(Glibc)
import Glibc
#endif

/// A program of somebody else's that takes part in a test.
final class PeerProgram: Sendable {
    struct Failed: Error, CustomStringConvertible {
        let description: String
    }

    private let process = Process()
    private let input = Pipe()
    private let text = Mutex(Data())

    /// Starts it; what it prints, on both streams, is kept.
    init(_ path: String, _ arguments: [String]) throws {
        let output = Pipe()
        process.executableURL = URL(filePath: path)
        process.arguments = arguments
        process.standardInput = input
        process.standardOutput = output
        process.standardError = output
        output.fileHandleForReading.readabilityHandler = { [weak self] handle in
            let data = handle.availableData
            if data.isEmpty { handle.readabilityHandler = nil }
            self?.text.withLock { $0.append(data) }
        }
        do {
            try process.run()
        } catch {
            throw Failed(description: "cannot start \(path): \(error)")
        }
    }

    var output: String { String(decoding: text.withLock { $0 }, as: UTF8.self) }

    func write(_ text: String) {
        try? input.fileHandleForWriting.write(contentsOf: Data(text.utf8))
    }

    func endInput() {
        try? input.fileHandleForWriting.close()
    }

    /// Kills it: a child that a task starts inherits the blocked SIGTERM of the task's thread.
    func stop() {
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    }

    /// Waits until it has printed `text`.
    func wait(for text: String) async throws {
        for _ in 0..<1500 {
            if output.contains(text) { return }
            guard process.isRunning || output.contains(text) else { break }
            try await Task.sleep(for: .milliseconds(20))
        }
        // What it printed last may come after its end.
        try await Task.sleep(for: .milliseconds(100))
        guard output.contains(text) else {
            throw Failed(description: "waited for “\(text)” in: \(output)")
        }
    }

    /// Waits for its end and returns all that it has printed.
    func run() async throws -> String {
        for _ in 0..<1500 {
            guard process.isRunning else {
                try await Task.sleep(for: .milliseconds(50))
                return output
            }
            try await Task.sleep(for: .milliseconds(20))
        }
        stop()
        throw Failed(description: "it does not end: \(output)")
    }

    var status: Int32 { process.terminationStatus }

    // MARK: - Where programs are

    static let root = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    static var python: String { environment("MERIDIAN_PYTHON") ?? venv("python") }
    static var envoy: String { environment("MERIDIAN_ENVOY") ?? venv("envoy") }

    static func fixture(_ name: String) -> String {
        root.appending(path: "Tests/TLSTests/Fixtures/\(name)").path
    }

    /// A program of the system; nil when it is not installed.
    static func installed(_ name: String) -> String? {
        ["/usr/bin", "/usr/local/bin"].map { "\($0)/\(name)" }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    private static func environment(_ name: String) -> String? {
        ProcessInfo.processInfo.environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }

    private static func venv(_ name: String) -> String {
        root.appending(path: ".venv/bin/\(name)").path
    }
}
