import Foundation

/// The programs that the tests start.
enum Programs {
    /// A program that is not where it is looked for.
    struct Missing: Error, CustomStringConvertible {
        let description: String
    }

    /// The repository.
    static let root = directory(of: directory(of: directory(of: directory(of: #filePath))))

    /// One of ours, from `MERIDIAN_BIN` or from beside the tests.
    static func meridian(_ name: String) throws -> String {
        try path(
            environment("MERIDIAN_BIN").map { "\($0)/\(name)" } ?? "\(testDirectory)/\(name)",
            hint: "`scripts/test` builds it, and so does `swift build --build-tests`"
        )
    }

    /// Envoy, from `MERIDIAN_ENVOY` or from the repository's Python environment.
    static func envoy() throws -> String {
        try path(
            environment("MERIDIAN_ENVOY") ?? "\(root)/.venv/bin/envoy",
            hint: "`scripts/test` installs it, or set MERIDIAN_ENVOY"
        )
    }

    /// A Python with grpcio, from `MERIDIAN_PYTHON` or the repository's own.
    static func python() throws -> String {
        try path(
            environment("MERIDIAN_PYTHON") ?? "\(root)/.venv/bin/python",
            hint: "`scripts/test` installs it, or set MERIDIAN_PYTHON"
        )
    }

    /// Debian's etcd.
    static func etcd() throws -> String {
        try path("/usr/bin/etcd", hint: "`scripts/test` installs the package etcd-server")
    }

    private static func path(_ path: String, hint: String) throws -> String {
        guard FileManager.default.isExecutableFile(atPath: path) else {
            throw Missing(description: "there is no program at \(path): \(hint)")
        }
        return path
    }

    private static func environment(_ name: String) -> String? {
        ProcessInfo.processInfo.environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }

    /// Where SwiftPM has put the test bundle, and every program of the package with it.
    private static var testDirectory: String {
        let bundle = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        return directory(of: bundle ?? CommandLine.arguments[0])
    }

    private static func directory(of path: String) -> String {
        String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
    }
}
