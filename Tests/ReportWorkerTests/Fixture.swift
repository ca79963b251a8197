import Foundation
import Reports
import SQLite
import Testing

@testable import ReportWorker

/// A new directory, removed with its content when the object goes.
final class TemporaryDirectory {
    let path: String

    init() throws {
        let url = FileManager.default.temporaryDirectory.appending(path: "meridian-\(UUID())")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = url.path()
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    func write(_ text: String, to name: String) throws {
        try text.write(toFile: "\(path)/\(name)", atomically: false, encoding: .utf8)
    }

    func bytes(of name: String) throws -> Data {
        try Data(contentsOf: URL(filePath: "\(path)/\(name)"))
    }

    var fileNames: [String] {
        get throws { try FileManager.default.contentsOfDirectory(atPath: path).sorted() }
    }
}

/// The definitions that ship with the repository.
let exampleReports = ReportDirectory(
    path: URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "xds/examples/reports").path()
)

/// A sample database with the engine over it.
struct Shop {
    let directory: TemporaryDirectory
    let engine: ReportEngine

    init(
        reports: [ReportDefinition]? = nil,
        limits: ReportLimits = ReportLimits()
    ) throws {
        directory = try TemporaryDirectory()
        let path = "\(directory.path)/shop.sqlite"
        _ = try SampleDatabase(seed: 7, orderCount: 300).prepare(at: path)
        engine = try ReportEngine(
            reports: try reports ?? exampleReports.definitions(),
            databasePath: path,
            limits: limits
        )
    }

    func database() throws -> Database {
        try Database(path: "\(directory.path)/shop.sqlite", access: .readOnly)
    }

    /// A rendered report as text.
    func run(
        _ name: String,
        _ parameters: [String: String],
        _ format: ReportFormat = .csv
    ) throws -> String {
        let request = try engine.request(name, parameters: parameters)
        let report = try engine.run(request, format: format, shouldStop: { false })
        return String(decoding: report.bytes, as: UTF8.self)
    }
}
