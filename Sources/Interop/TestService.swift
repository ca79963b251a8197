import FoundationEssentials
package import GRPC
import InteropAPI
import SwiftProtobuf

/// The server's side of the gRPC interoperability tests, `grpc.testing.TestService`.
///
/// It has the features of the gRPC project's interop-test-descriptions.md that the cases of
/// `InteropCase` ask for, and no state.
package struct TestService: Sendable {
    static let name = "grpc.testing.TestService"

    /// Bytes of one response's payload that a client may ask for.
    static let maximumPayloadBytes = 64 * 1024 * 1024
    /// Requests that HalfDuplexCall keeps until the client has half-closed.
    static let maximumKeptRequests = 1000

    package init() {}

    package func register(in methods: inout MethodTable) {
        methods.unary(Self.name, "EmptyCall") {
            (_: Grpc_Testing_Empty, _) -> Grpc_Testing_Empty in Grpc_Testing_Empty()
        }
        methods.unary(Self.name, "UnaryCall", Self.unaryCall)
        methods.clientStreaming(Self.name, "StreamingInputCall", Self.streamingInputCall)
        methods.serverStreaming(Self.name, "StreamingOutputCall", Self.streamingOutputCall)
        methods.bidirectional(Self.name, "FullDuplexCall", Self.fullDuplexCall)
        methods.bidirectional(Self.name, "HalfDuplexCall", Self.halfDuplexCall)
    }

    private typealias Responses = ResponseWriter<Grpc_Testing_StreamingOutputCallResponse>
    private typealias Requests = RequestStream<Grpc_Testing_StreamingOutputCallRequest>

    // MARK: - The methods

    @Sendable
    private static func unaryCall(
        _ request: Grpc_Testing_SimpleRequest,
        _ call: ServerCall
    ) async throws -> Grpc_Testing_SimpleResponse {
        if request.responseCompressed.value { call.compression = .gzip }
        echoMetadata(of: call)
        if request.hasExpectCompressed {
            try check(call, isCompressed: request.expectCompressed.value)
        }
        if request.hasResponseStatus { try end(with: request.responseStatus) }
        return try .with {
            $0.payload = try payload(request.responseType, bytes: request.responseSize)
        }
    }

    @Sendable
    private static func streamingInputCall(
        _ requests: RequestStream<Grpc_Testing_StreamingInputCallRequest>,
        _ call: ServerCall
    ) async throws -> Grpc_Testing_StreamingInputCallResponse {
        echoMetadata(of: call)
        var bytes = 0
        for try await request in requests {
            if request.hasExpectCompressed {
                try check(call, isCompressed: request.expectCompressed.value)
            }
            bytes += request.payload.body.count
        }
        return .with { $0.aggregatedPayloadSize = Int32(clamping: bytes) }
    }

    @Sendable
    private static func streamingOutputCall(
        _ request: Grpc_Testing_StreamingOutputCallRequest,
        _ responses: Responses,
        _ call: ServerCall
    ) async throws {
        // The headers go out before it is known what is to be compressed; a message is only when
        // its parameters say so.
        call.compression = .gzip
        echoMetadata(of: call)
        try await answer(request, responses)
    }

    @Sendable
    private static func fullDuplexCall(
        _ requests: Requests,
        _ responses: Responses,
        _ call: ServerCall
    ) async throws {
        call.compression = .gzip
        echoMetadata(of: call)
        for try await request in requests { try await answer(request, responses) }
    }

    @Sendable
    private static func halfDuplexCall(
        _ requests: Requests,
        _ responses: Responses,
        _ call: ServerCall
    ) async throws {
        call.compression = .gzip
        echoMetadata(of: call)
        var kept: [Grpc_Testing_StreamingOutputCallRequest] = []
        for try await request in requests {
            guard kept.count < maximumKeptRequests else {
                throw GRPCError(
                    .resourceExhausted,
                    "HalfDuplexCall keeps up to \(maximumKeptRequests) requests"
                )
            }
            kept.append(request)
        }
        for request in kept { try await answer(request, responses) }
    }

    // MARK: - The features

    /// One response for each of the request's parameters, after their pauses.
    private static func answer(
        _ request: Grpc_Testing_StreamingOutputCallRequest,
        _ responses: Responses
    ) async throws {
        if request.hasResponseStatus { try end(with: request.responseStatus) }
        for parameters in request.responseParameters {
            if parameters.intervalUs > 0 {
                try await Task.sleep(for: .microseconds(parameters.intervalUs))
            }
            let response = try Grpc_Testing_StreamingOutputCallResponse.with {
                $0.payload = try payload(request.responseType, bytes: parameters.size)
            }
            try await responses.write(response, compressed: parameters.compressed.value)
        }
    }

    /// Sends back what the client asks for in these two fields.
    private static func echoMetadata(of call: ServerCall) {
        let received = call.metadata
        for value in received.binaries(EchoedMetadata.trailing) {
            call.trailers.add(EchoedMetadata.trailing, value)
        }
        var initial = Metadata()
        for value in received.texts(EchoedMetadata.initial) {
            initial.add(EchoedMetadata.initial, value)
        }
        if !initial.isEmpty { call.sendInitialMetadata(initial) }
    }

    private static func check(_ call: ServerCall, isCompressed expected: Bool) throws {
        guard call.wasLastMessageCompressed == expected else {
            throw GRPCError(
                .invalidArgument,
                expected
                    ? "expected a compressed request, got an uncompressed one"
                    : "expected an uncompressed request, got a compressed one"
            )
        }
    }

    private static func end(with status: Grpc_Testing_EchoStatus) throws {
        switch status.code {
        case 0: break
        case 1...16:
            throw GRPCError(GRPCStatusCode(rawValue: Int(status.code)), status.message)
        default:
            throw GRPCError(
                .invalidArgument,
                "expected a status code of 0 to 16, got \(status.code)"
            )
        }
    }

    private static func payload(
        _ type: Grpc_Testing_PayloadType,
        bytes: Int32
    ) throws -> Grpc_Testing_Payload {
        guard type == .compressable else {
            throw GRPCError(.invalidArgument, "payload type \(type.rawValue) is not supported")
        }
        guard (0...maximumPayloadBytes).contains(Int(bytes)) else {
            throw GRPCError(
                .invalidArgument,
                "expected a response size of 0 to \(maximumPayloadBytes), got \(bytes)"
            )
        }
        return .with {
            $0.type = type
            $0.body = Data(count: Int(bytes))
        }
    }
}

/// The fields that the test service sends back.
enum EchoedMetadata {
    static let initial = "x-grpc-test-echo-initial"
    static let trailing = "x-grpc-test-echo-trailing-bin"
}
