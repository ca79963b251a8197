import ArgumentParser
import CommandLine
import GRPC
import Glibc
import MeridianAPI
import NIOPosix
import OperatorTools
import Primitives
import SwiftProtobuf

/// How the control plane is reached.
struct ControlOptions: ParsableArguments {
    private static let variable = "MERIDIAN_CONTROL"
    private static let timeout = Duration.seconds(10)

    @Option(help: "A control plane's address, HOST:PORT; several are tried in order.")
    var control: [EndpointAddress] = []

    /// From the command line, else from the environment, else the address that `meridian-control`
    /// has when it is given none.
    func addresses() throws -> [EndpointAddress] {
        guard control.isEmpty else { return control }
        guard let value = getenv(Self.variable), value.pointee != 0 else {
            return [EndpointAddress(host: "127.0.0.1", port: 18_000)]
        }
        return try String(cString: value).split(separator: ",").map { part in
            guard let address = EndpointAddress(String(part)) else {
                throw OperatorError(
                    .invalidArgument,
                    "\(Self.variable): expected HOST:PORT, got \"\(part)\""
                )
            }
            return address
        }
    }

    /// One call to the admin API.
    func call<Request: Message, Response: Message>(
        _ method: String,
        of service: String = "Admin",
        _ request: Request
    ) async throws -> Response {
        // The process ends after the answer, and its connection with it.
        try await GRPCClient(addresses: addresses())
            .unary("/meridian.v1.\(service)/\(method)", request, timeout: Self.timeout)
    }
}

extension GRPCClient {
    /// A client for the few calls of one command.
    convenience init(addresses: [EndpointAddress]) {
        self.init(
            addresses: addresses,
            eventLoop: MultiThreadedEventLoopGroup.singleton.any()
        )
    }
}
