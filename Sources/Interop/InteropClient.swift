import FoundationEssentials
package import GRPC
import InteropAPI
import SwiftProtobuf

/// The client's side of the gRPC interoperability tests.
///
/// Each case does what the gRPC project's interop-test-descriptions.md says, and throws
/// `InteropFailure` when the server does not.
package struct InteropClient: Sendable {
    /// How long a call may take, so that a server that hangs fails the case.
    private static let callTimeout: Duration = .seconds(30)

    private let client: GRPCClient

    package init(client: GRPCClient) {
        self.client = client
    }

    package func run(_ testCase: InteropCase) async throws {
        switch testCase {
        case .emptyUnary: try await emptyUnary()
        case .largeUnary: try await largeUnary()
        case .clientStreaming: try await clientStreaming()
        case .serverStreaming: try await serverStreaming()
        case .pingPong: try await pingPong()
        case .emptyStream: try await emptyStream()
        case .customMetadata: try await customMetadata()
        case .statusCodeAndMessage: try await statusCodeAndMessage()
        case .specialStatusMessage: try await specialStatusMessage()
        case .unimplementedMethod: try await unimplemented("grpc.testing.TestService")
        case .unimplementedService: try await unimplemented("grpc.testing.UnimplementedService")
        case .cancelAfterBegin: try await cancelAfterBegin()
        case .cancelAfterFirstResponse: try await cancelAfterFirstResponse()
        case .timeoutOnSleepingServer: try await timeoutOnSleepingServer()
        case .clientCompressedUnary: try await clientCompressedUnary()
        case .serverCompressedUnary: try await serverCompressedUnary()
        case .clientCompressedStreaming: try await clientCompressedStreaming()
        case .serverCompressedStreaming: try await serverCompressedStreaming()
        }
    }

    // MARK: - Calls

    func open(
        _ method: String,
        service: String = TestService.name,
        metadata: Metadata = Metadata(),
        timeout: Duration = callTimeout,
        compression: MessageEncoding? = nil
    ) async throws -> ClientCall {
        try await client.open(
            "/\(service)/\(method)",
            metadata: metadata,
            timeout: timeout,
            compression: compression
        )
    }

    /// What a call with one response has brought.
    struct Answer<Response: Message> {
        let response: Response
        let wasCompressed: Bool
        let initial: Metadata
        let trailing: Metadata
    }

    /// Half-closes and reads the only response, and the end behind it.
    func onlyAnswer<Response: Message>(
        of call: ClientCall,
        as type: Response.Type = Response.self
    ) async throws -> Answer<Response> {
        await call.finishWriting()
        guard let bytes = try await call.next() else {
            throw InteropFailure(description: "expected a response, got OK without one")
        }
        let wasCompressed = await call.wasLastMessageCompressed
        let response = try Response(grpcMessage: bytes)
        guard try await call.next() == nil else {
            throw InteropFailure(description: "expected one response, got more")
        }
        let (initial, trailing) = await call.metadata
        return Answer(
            response: response,
            wasCompressed: wasCompressed,
            initial: initial,
            trailing: trailing
        )
    }

    func emptyCall(_ method: String = "EmptyCall", service: String = TestService.name) async throws
    {
        let call = try await open(method, service: service)
        try await call.write(GRPCFrame(Grpc_Testing_Empty()))
        let answer = try await onlyAnswer(of: call, as: Grpc_Testing_Empty.self)
        try expect("the response", Grpc_Testing_Empty(), got: answer.response)
    }

    func unaryCall(
        _ request: Grpc_Testing_SimpleRequest,
        metadata: Metadata = Metadata(),
        compression: MessageEncoding? = nil
    ) async throws -> Answer<Grpc_Testing_SimpleResponse> {
        let call = try await open("UnaryCall", metadata: metadata, compression: compression)
        try await call.write(GRPCFrame(request))
        return try await onlyAnswer(of: call)
    }

    /// The next response of a streaming call, and whether it came compressed.
    func next(
        of call: ClientCall
    ) async throws -> (response: Grpc_Testing_StreamingOutputCallResponse, wasCompressed: Bool)? {
        guard let bytes = try await call.next() else { return nil }
        return (
            try Grpc_Testing_StreamingOutputCallResponse(grpcMessage: bytes),
            await call.wasLastMessageCompressed
        )
    }

    // MARK: - Messages

    /// The request of 271,828 bytes that asks for as many as π has digits here.
    func largeRequest() -> Grpc_Testing_SimpleRequest {
        .with {
            $0.responseSize = Int32(Self.largeResponseBytes)
            $0.payload = Self.zeros(271_828)
        }
    }

    static let largeResponseBytes = 314_159

    static func zeros(_ count: Int) -> Grpc_Testing_Payload {
        .with { $0.body = Data(count: count) }
    }

    /// Throws unless the payload is as many zeros.
    func check(_ payload: Grpc_Testing_Payload, bytes: Int) throws {
        try expect("the bytes of the response's payload", bytes, got: payload.body.count)
        guard payload.body.allSatisfy({ $0 == 0 }) else {
            throw InteropFailure(description: "the response's payload: expected zeros, got others")
        }
    }
}
