/// Why there is no report.
package struct ReportError: Error, Sendable, CustomStringConvertible {
    /// What kind of failure it is; the server's status code follows from it.
    package struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Kind: Hashable {
            case unknownReport
            case invalidParameter
            case tooManyRows
            case tooManyBytes
            case stopped
            case busy
            case database
        }

        private let kind: Kind

        /// No report has this name.
        package static let unknownReport = Code(kind: .unknownReport)
        /// A parameter is missing, unknown or not of its type; `parameter` names it.
        package static let invalidParameter = Code(kind: .invalidParameter)
        package static let tooManyRows = Code(kind: .tooManyRows)
        package static let tooManyBytes = Code(kind: .tooManyBytes)
        /// The caller's check asked to stop: a deadline passed or the client is gone.
        package static let stopped = Code(kind: .stopped)
        /// More reports run at once than there are connections.
        package static let busy = Code(kind: .busy)
        /// The database or its file failed.
        package static let database = Code(kind: .database)

        package var description: String { "\(kind)" }
    }

    package let code: Code
    package let message: String
    /// The parameter that is at fault, if one is.
    package let parameter: String?
    package let cause: (any Error)?

    init(_ code: Code, _ message: String, parameter: String? = nil, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.parameter = parameter
        self.cause = cause
    }

    package var description: String {
        cause.map { "\(code): \(message) (\($0))" } ?? "\(code): \(message)"
    }
}
