import Foundation
import GRPCAPI

/// Server reflection, `grpc.reflection.v1` and its older name `v1alpha`, whose messages are the
/// same.
package struct ReflectionService: Sendable {
    /// One file: its name, what it imports, the full names that it declares and its
    /// FileDescriptorProto.
    package typealias File = (
        name: String, dependencies: [String], symbols: [String], base64: String
    )

    private let files: [String: File]
    private let fileOfSymbol: [String: String]

    /// Files that come several times count once.
    package init(files: [File]) {
        self.files = Dictionary(files.map { ($0.name, $0) }) { first, _ in first }
        self.fileOfSymbol = Dictionary(
            files.flatMap { file in file.symbols.map { ($0, file.name) } }
        ) { first, _ in first }
    }

    /// Adds the service; the services that it lists are those of `methods` at this moment and
    /// itself.
    package func register(in methods: inout MethodTable) {
        let names = [
            "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection",
        ]
        let services = (methods.serviceNames + names).sorted()
        for name in names {
            methods.bidirectional(name, "ServerReflectionInfo") {
                (
                    requests: RequestStream<Grpc_Reflection_V1_ServerReflectionRequest>,
                    responses: ResponseWriter<Grpc_Reflection_V1_ServerReflectionResponse>,
                    _
                ) in
                // A client keeps the files that it got, so none is sent twice on one stream.
                var sent: Set<String> = []
                for try await request in requests {
                    var response = Grpc_Reflection_V1_ServerReflectionResponse()
                    response.validHost = request.host
                    response.originalRequest = request
                    response.messageResponse = answer(request, services: services, sent: &sent)
                    try await responses.write(response)
                }
            }
        }
    }

    private func answer(
        _ request: Grpc_Reflection_V1_ServerReflectionRequest,
        services: [String],
        sent: inout Set<String>
    ) -> Grpc_Reflection_V1_ServerReflectionResponse.OneOf_MessageResponse {
        switch request.messageRequest {
        case .listServices:
            return .listServicesResponse(
                .with { $0.service = services.map { name in .with { $0.name = name } } }
            )
        case .fileByFilename(let name):
            return fileAnswer(files[name], missing: "file \(name)", sent: &sent)
        case .fileContainingSymbol(let symbol):
            let file = fileOfSymbol[symbol].flatMap { files[$0] }
            return fileAnswer(file, missing: "symbol \(symbol)", sent: &sent)
        case .fileContainingExtension(let request):
            // proto3 has no extensions but custom options, of which our files have none.
            return error(
                .notFound,
                "extension \(request.extensionNumber) of \(request.containingType)"
            )
        case .allExtensionNumbersOfType(let type):
            guard fileOfSymbol[type] != nil else { return error(.notFound, "type \(type)") }
            return .allExtensionNumbersResponse(.with { $0.baseTypeName = type })
        case nil:
            return error(.invalidArgument, "a reflection request without a question")
        }
    }

    /// The file and everything that it imports, each once.
    private func fileAnswer(
        _ file: File?,
        missing: String,
        sent: inout Set<String>
    ) -> Grpc_Reflection_V1_ServerReflectionResponse.OneOf_MessageResponse {
        guard let file else { return error(.notFound, missing) }
        var descriptors: [Data] = []
        var open = [file]
        // What was asked for is always sent; only imports are left out when they were sent before.
        sent.remove(file.name)
        while let next = open.popLast() {
            guard sent.insert(next.name).inserted else { continue }
            if let data = Data(base64Encoded: next.base64) { descriptors.append(data) }
            open += next.dependencies.compactMap { files[$0] }
        }
        return .fileDescriptorResponse(.with { $0.fileDescriptorProto = descriptors })
    }

    private func error(
        _ code: GRPCStatusCode,
        _ what: String
    ) -> Grpc_Reflection_V1_ServerReflectionResponse.OneOf_MessageResponse {
        .errorResponse(
            .with {
                $0.errorCode = Int32(code.rawValue)
                $0.errorMessage = code == .notFound ? "\(what) is not known" : what
            }
        )
    }
}
