import GRPCAPI

/// What a server tells its clients of its load, for their weights (ORCA).
///
/// Clients with weighted round robin want the requests a second and one of the utilizations.
package struct ServerLoad: Hashable, Sendable {
    package static let trailer = "endpoint-load-metrics-bin"

    /// 1 is all of the CPUs.
    package var cpuUtilization: Double = 0
    /// Goes before the CPU's when it is above 0.
    package var applicationUtilization: Double = 0
    package var requestsPerSecond: Double = 0
    package var errorsPerSecond: Double = 0

    package init() {}
}

extension ServerCall {
    /// Sends the load with the call's status.
    ///
    /// - Precondition: on the call's event loop, before the call ends, at most once.
    package func report(_ load: ServerLoad) throws {
        let report = Xds_Data_Orca_V3_OrcaLoadReport.with {
            $0.cpuUtilization = load.cpuUtilization
            $0.applicationUtilization = load.applicationUtilization
            $0.rpsFractional = load.requestsPerSecond
            $0.eps = load.errorsPerSecond
        }
        trailers.add(ServerLoad.trailer, try report.serializedBytes() as [UInt8])
    }
}

extension ServerLoad {
    /// Reads what came with a status; nil when there is no report or none that can be read.
    package init?(trailers: Metadata) {
        guard let bytes = trailers.binaries(Self.trailer).first,
            let report = try? Xds_Data_Orca_V3_OrcaLoadReport(serializedBytes: bytes)
        else { return nil }
        cpuUtilization = report.cpuUtilization
        applicationUtilization = report.applicationUtilization
        // Servers of before 2023 send whole requests only.
        requestsPerSecond =
            report.rpsFractional > 0 ? report.rpsFractional : Double(report.rps)
        errorsPerSecond = report.eps
    }
}
