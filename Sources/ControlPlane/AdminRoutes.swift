import AdminHTTP
import GRPC
import Logging
import MeridianAPI
import ResourceJSON
import SwiftProtobuf

/// The admin API as JSON over HTTP.
///
///     POST   /v1/METHOD          any method of Admin and RawResources, with its request as the body
///     GET    /v1/raw             ListRaw; what it asks for in the query: ?node_id=…&type_url=…
///     PUT    /v1/raw             PutRaw; the nodes in the body or in the query
///     DELETE /v1/raw             RemoveRaw of ?type_url=…&name=… for the nodes of the query
///     PUT    /v1/raw/snapshot    SetRawSnapshot
struct AdminRoutes: Sendable {
    let methods: [String: AdminMethods.JSONMethod]
    let logger: Logger

    func answer(_ request: AdminHTTPRequest) async -> AdminHTTPResponse {
        do {
            return AdminHTTPResponse(status: 200, body: try await body(for: request))
        } catch let error as GRPCError {
            return Self.response(error)
        } catch {
            logger.error("a request can't be answered", metadata: ["error": "\(error)"])
            return Self.response(GRPCError(.internal, "internal error"))
        }
    }

    private func body(for request: AdminHTTPRequest) async throws -> String {
        switch (request.method, request.path) {
        case ("GET", "/v1/raw"):
            return try await call(
                "ListRaw",
                Meridian_V1_ListRawRequest.with {
                    if let nodes = Self.nodes(request.query) { $0.nodes = nodes }
                    $0.typeURL = request.query["type_url"] ?? ""
                    $0.name = request.query["name"] ?? ""
                    $0.excludeContent = request.query["exclude_content"] == "true"
                }
            )
        case ("PUT", "/v1/raw"):
            var message: Meridian_V1_PutRawRequest = try Self.decode(request.body)
            if let nodes = Self.nodes(request.query) { message.nodes = nodes }
            return try await call("PutRaw", message)
        case ("PUT", "/v1/raw/snapshot"):
            var message: Meridian_V1_SetRawSnapshotRequest = try Self.decode(request.body)
            if let nodes = Self.nodes(request.query) { message.nodes = nodes }
            return try await call("SetRawSnapshot", message)
        case ("DELETE", "/v1/raw"):
            return try await call(
                "RemoveRaw",
                Meridian_V1_RemoveRawRequest.with {
                    $0.nodes = Self.nodes(request.query) ?? .init()
                    $0.resources = [
                        .with {
                            $0.typeURL = request.query["type_url"] ?? ""
                            $0.name = request.query["name"] ?? ""
                        }
                    ]
                }
            )
        case ("POST", let path):
            guard path.hasPrefix("/v1/"), let method = methods[String(path.dropFirst(4))] else {
                throw Self.unknown(request)
            }
            return try await method(request.body)
        default: throw Self.unknown(request)
        }
    }

    /// Through the method's own JSON, so that there is one way in.
    private func call(_ name: String, _ message: some Message) async throws -> String {
        guard let method = methods[name] else {
            throw GRPCError(.unimplemented, "there is no method \(name)")
        }
        return try await method(message.jsonUTF8Bytes())
    }

    private static func decode<Decoded: Message>(_ body: [UInt8]) throws -> Decoded {
        do {
            return try ResourceJSON.decode(from: body)
        } catch {
            throw GRPCError(.invalidArgument, "\(error)")
        }
    }

    /// The nodes that a query selects; nil when it selects none.
    private static func nodes(_ query: [String: String]) -> Meridian_V1_NodeSelector? {
        let nodes = Meridian_V1_NodeSelector.with {
            $0.nodeID = query["node_id"] ?? ""
            $0.cluster = query["cluster"] ?? ""
            $0.region = query["region"] ?? ""
            $0.zone = query["zone"] ?? ""
            $0.role = query["role"] ?? ""
            $0.allNodes = query["all_nodes"] == "true"
        }
        return nodes == Meridian_V1_NodeSelector() ? nil : nodes
    }

    private static func unknown(_ request: AdminHTTPRequest) -> GRPCError {
        GRPCError(
            .unimplemented,
            "there is no \(request.method) \(request.path.prefix(100)); the paths are in docs/RAW.md"
        )
    }

    // MARK: - Errors

    /// As `google.rpc.Code` names them, with the status that Google's own APIs give.
    private static func response(_ error: GRPCError) -> AdminHTTPResponse {
        let message = Google_Protobuf_Struct(fields: [
            "code": .init(stringValue: "\(error.code)"),
            "message": .init(stringValue: error.message),
        ])
        let status =
            switch error.code {
            case .invalidArgument, .failedPrecondition, .outOfRange: 400
            case .unauthenticated: 401
            case .permissionDenied: 403
            case .notFound, .unimplemented: 404
            case .alreadyExists, .aborted: 409
            case .resourceExhausted: 429
            case .cancelled: 499
            case .unavailable: 503
            case .deadlineExceeded: 504
            default: 500
            }
        // A struct of texts always has a JSON.
        return AdminHTTPResponse(status: status, body: (try? ResourceJSON.encode(message)) ?? "{}")
    }
}
