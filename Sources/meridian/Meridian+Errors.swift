import ArgumentParser
import CommandLine
import GRPC
import OperatorTools
import SidecarBootstrap
import YAML

extension Meridian {
    /// Says on standard error what went wrong, and returns what the program ends with.
    static func exitCode(reporting error: any Error) -> any Error {
        switch error {
        case let error as Diagnostics:
            return failure("\(error)")
        case let error as OperatorError:
            return failure(error.message)
        case let error as BootstrapError:
            return failure(Bootstrap.message(of: error))
        case let error as GRPCError where error.code == .invalidArgument:
            return failure(error.message)
        case let error as GRPCError:
            printError("\(error)")
            return ExitCode(1)
        default:
            // Help and version end with 0, and ArgumentParser prints them itself.
            guard exitCode(for: error) == .validationFailure else { return error }
            return failure(fullMessage(for: error))
        }
    }
}
