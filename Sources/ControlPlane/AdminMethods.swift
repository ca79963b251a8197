import GRPC
import MeridianAPI
import ResourceJSON
import SwiftProtobuf

/// A call to the admin API, whichever way it came.
struct AdminCall: Sendable {}

/// The unary methods of the admin API, over gRPC and as JSON over HTTP.
struct AdminMethods: Sendable {
    typealias JSONMethod = @Sendable ([UInt8]) async throws -> String

    var grpc: MethodTable
    /// By the method's name, which is unique among the services.
    private(set) var json: [String: JSONMethod] = [:]

    init(grpc: MethodTable) {
        self.grpc = grpc
    }

    mutating func unary<Request: Message, Response: Message>(
        _ service: String,
        _ method: String,
        _ body: @escaping @Sendable (Request, AdminCall) async throws -> Response
    ) {
        grpc.unary(service, method) { (request: Request, _) in
            // A handler runs on its connection's event loop, and so would the actors that it calls. A
            // large snapshot must not hold up the proxies there.
            try await withTaskExecutorPreference(globalConcurrentExecutor) {
                try await body(request, AdminCall())
            }
        }
        json[method] = { bytes in
            let request: Request
            do {
                request = try ResourceJSON.decode(from: bytes)
            } catch {
                throw GRPCError(.invalidArgument, "\(error)")
            }
            let response = try await body(request, AdminCall())
            if let list = response as? Meridian_V1_ListRawResponse {
                return try ResourceJSON.encode(list.readyForJSON)
            }
            return try ResourceJSON.encode(response)
        }
    }
}
