package import Reports
import SQLite
import Synchronization
import YAML

/// Runs reports against the order database.
///
/// Every method may be called from any thread. `run` blocks while SQLite works, so it belongs on a thread pool that
/// has at most `maximumConnections` threads; with more, the surplus is refused as `.busy` instead of waiting.
package final class ReportEngine: Sendable {
    /// The reports, sorted by name.
    package let reports: [ReportDefinition]
    private let databasePath: String
    private let limits: ReportLimits
    private let indexes: [String: Int]
    private let pool: Mutex<Pool>

    private struct Pool {
        var idle: [Handover] = []
        /// Idle and lent connections together.
        var open = 0
    }

    /// A connection on its way from one thread to the next.
    ///
    /// Unchecked: the pool's mutex gives it to one borrower, who gives it back when no statement runs and keeps no
    /// reference, so that two threads never use it at once; SQLite's multi-thread mode asks for no more.
    private struct Handover: @unchecked Sendable {
        let connection: ReportConnection
    }

    /// Opens the database and prepares every report once.
    ///
    /// Throws `Diagnostics` when a definition doesn't fit the database, `ReportError` when that can't be opened.
    package init(
        reports: [ReportDefinition],
        databasePath: String,
        limits: ReportLimits = ReportLimits()
    ) throws {
        self.reports = reports.sorted { $0.name < $1.name }
        self.databasePath = databasePath
        self.limits = limits
        indexes = Dictionary(
            self.reports.enumerated().map { ($1.name, $0) },
            uniquingKeysWith: { first, _ in first }
        )
        let connection: ReportConnection
        do throws(SQLiteError) {
            connection = try ReportConnection(
                path: databasePath,
                reports: self.reports,
                busyTimeout: limits.busyTimeout
            )
        } catch {
            throw ReportError(.database, "can't open the report database", cause: error)
        }
        let problems = connection.check()
        guard problems.isEmpty else { throw Diagnostics(problems) }
        pool = Mutex(Pool(idle: [Handover(connection: connection)], open: 1))
    }

    /// Checks a request without touching the database; cheap enough for an event loop.
    package func request(
        _ name: String,
        parameters: [String: String]
    ) throws(ReportError) -> ReportRequest {
        guard let index = indexes[name] else {
            let known = reports.map(\.name).joined(separator: ", ")
            throw ReportError(
                .unknownReport,
                "no report \"\(name.prefix(64))\", expected one of: \(known)"
            )
        }
        do throws(ParameterError) {
            return ReportRequest(index: index, values: try reports[index].values(for: parameters))
        } catch {
            throw ReportError(.invalidParameter, error.description, parameter: error.parameter)
        }
    }

    /// Runs a report to its end on the calling thread.
    ///
    /// - Parameter shouldStop: asked every millisecond or so while the database works; says whether nobody waits for
    ///   the answer any more.
    package func run(
        _ request: ReportRequest,
        format: ReportFormat,
        shouldStop: () -> Bool
    ) throws(ReportError) -> RenderedReport {
        let connection = try borrow()
        var isSound = true
        defer { giveBack(connection, isSound: isSound) }
        do {
            return try connection.run(
                request,
                format: format,
                limits: limits,
                shouldStop: shouldStop
            )
        } catch let error as ReportError {
            throw error
        } catch let error as SQLiteError where error.code == .interrupted {
            throw ReportError(.stopped, "stopped before the report was done", cause: error)
        } catch {
            // Whatever broke, a fresh connection doesn't have it.
            isSound = false
            throw ReportError(.database, "the report database failed", cause: error)
        }
    }

    // MARK: -

    private func borrow() throws(ReportError) -> ReportConnection {
        let maximum = limits.maximumConnections
        let (handover, isAllowed) = pool.withLock { pool -> (Handover?, Bool) in
            // The last one back is the one with the warmest cache.
            if let handover = pool.idle.popLast() { return (handover, true) }
            guard pool.open < maximum else { return (nil, false) }
            pool.open += 1
            return (nil, true)
        }
        if let handover { return handover.connection }
        guard isAllowed else {
            throw ReportError(.busy, "all \(maximum) connections to the report database are in use")
        }
        do throws(SQLiteError) {
            return try ReportConnection(
                path: databasePath,
                reports: reports,
                busyTimeout: limits.busyTimeout
            )
        } catch {
            pool.withLock { $0.open -= 1 }
            throw ReportError(.database, "can't open the report database", cause: error)
        }
    }

    private func giveBack(_ connection: ReportConnection, isSound: Bool) {
        let handover = Handover(connection: connection)
        pool.withLock { pool in
            if isSound {
                pool.idle.append(handover)
            } else {
                pool.open -= 1
            }
        }
    }
}

/// What reports may cost.
package struct ReportLimits: Sendable, Hashable {
    /// Reports that run at once.
    package var maximumConnections: Int
    package var maximumRows: Int
    /// The size of a rendered report; one row and the totals may come on top.
    package var maximumBytes: Int
    /// How long a report waits for a writer's lock on the database.
    package var busyTimeout: Duration

    package init(
        maximumConnections: Int = 8,
        maximumRows: Int = 50_000,
        maximumBytes: Int = 3 * 1024 * 1024,
        busyTimeout: Duration = .seconds(1)
    ) {
        precondition(
            maximumConnections > 0 && maximumRows > 0 && maximumBytes > 0,
            "limits are positive"
        )
        self.maximumConnections = maximumConnections
        self.maximumRows = maximumRows
        self.maximumBytes = maximumBytes
        self.busyTimeout = busyTimeout
    }
}

/// A report and its parameters, checked and ready to run on the engine that made it.
package struct ReportRequest: Sendable, Hashable {
    let index: Int
    let values: [ParameterValue]
}

/// A finished report.
package struct RenderedReport: Sendable, Hashable {
    package let bytes: [UInt8]
    /// Rows without the header and the totals.
    package let rowCount: Int
    package let format: ReportFormat
}
