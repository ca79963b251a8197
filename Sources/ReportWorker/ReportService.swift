import Foundation
package import GRPC
package import MeridianAPI
import NIOCore
package import NIOPosix
import Reports
import Synchronization

/// `meridian.v1.ReportService` over a `ReportEngine`.
///
/// Parameters are checked on the event loop; the database works on a thread of the pool. The
/// reports that run and the ones that wait for a thread are bounded together: what comes on top is
/// refused at once, so that the client (or the sidecar, by a retry elsewhere) need not wait to
/// learn it.
package final class ReportService: Sendable {
    private static let name = "meridian.v1.ReportService"

    private let engine: ReportEngine
    private let threads: NIOThreadPool
    private let identity: Meridian_V1_ServedBy
    private let maximumReports: Int
    package let meter: LoadMeter

    /// - Parameter capacity: reports at once without queueing; as many again may wait.
    package init(
        engine: ReportEngine,
        threads: NIOThreadPool,
        identity: Meridian_V1_ServedBy,
        capacity: Int
    ) {
        self.engine = engine
        self.threads = threads
        self.identity = identity
        self.maximumReports = 2 * capacity
        self.meter = LoadMeter(capacity: capacity)
    }

    package func register(in methods: inout MethodTable) {
        methods.unary(Self.name, "GenerateReport") {
            (request: Meridian_V1_GenerateReportRequest, call) in
            try await self.generate(request, call)
        }
        methods.unary(Self.name, "ListReports") {
            (_: Meridian_V1_ListReportsRequest, _) in self.list()
        }
    }

    private func generate(
        _ wire: Meridian_V1_GenerateReportRequest,
        _ call: ServerCall
    ) async throws -> Meridian_V1_GenerateReportResponse {
        let format = try ReportFormat(wire.format)
        let request: ReportRequest
        do {
            request = try engine.request(wire.report, parameters: wire.parameters)
        } catch {
            throw error.status
        }
        guard meter.begin(limit: maximumReports) else {
            throw GRPCError(
                .resourceExhausted,
                "\(maximumReports) reports run or wait on this worker"
            )
        }
        var isWorkersFault = false
        defer { meter.end(isError: isWorkersFault) }
        do {
            let report = try await run(request, format: format, deadline: call.deadline)
            return .with {
                $0.content = Data(report.bytes)
                $0.contentType = format.contentType
                $0.rows = UInt64(report.rowCount)
                $0.servedBy = identity
            }
        } catch let error as ReportError {
            isWorkersFault = error.code == .database
            throw error.code == .database ? error : error.status
        }
    }

    private func run(
        _ request: ReportRequest,
        format: ReportFormat,
        deadline: NIODeadline?
    ) async throws -> RenderedReport {
        let isAbandoned = Abandonment()
        return try await withTaskCancellationHandler {
            try await threads.runIfActive {
                try self.engine.run(request, format: format) {
                    isAbandoned.value.load(ordering: .relaxed)
                        || deadline.map { NIODeadline.now() > $0 } ?? false
                }
            }
        } onCancel: {
            isAbandoned.value.store(true, ordering: .relaxed)
        }
    }

    private func list() -> Meridian_V1_ListReportsResponse {
        .with { response in
            response.reports = engine.reports.map { report in
                .with {
                    $0.name = report.name
                    $0.title = report.title
                    $0.parameters = report.parameters.map { parameter in
                        .with {
                            $0.name = parameter.name
                            $0.type = parameter.type.name
                            $0.required = parameter.isRequired
                            $0.defaultValue = parameter.standard.description
                        }
                    }
                    $0.columns = report.columns.map(\.name)
                }
            }
        }
    }
}

/// Set when nobody waits for the report any more.
private final class Abandonment: Sendable {
    let value = Atomic(false)
}

extension ReportFormat {
    fileprivate init(_ wire: Meridian_V1_Format) throws(GRPCError) {
        switch wire {
        case .unspecified, .csv: self = .csv
        case .json: self = .json
        case .UNRECOGNIZED(let number):
            throw GRPCError(
                .invalidArgument,
                "format: expected FORMAT_CSV or FORMAT_JSON, got \(number)"
            )
        }
    }
}

extension ReportError {
    /// What the client is told; `database` is not told, so its text stays inside.
    fileprivate var status: GRPCError {
        switch code {
        case .unknownReport: GRPCError(.notFound, message)
        case .invalidParameter: GRPCError(.invalidArgument, message)
        case .tooManyRows, .tooManyBytes, .busy: GRPCError(.resourceExhausted, message)
        case .stopped: GRPCError(.deadlineExceeded, message)
        default: GRPCError(.internal, "internal error")
        }
    }
}
