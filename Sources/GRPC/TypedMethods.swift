package import SwiftProtobuf

/// Methods by the types of their messages; each call decodes and encodes at this edge only.
extension MethodTable {
    /// One request, one response.
    package mutating func unary<Request: Message, Response: Message>(
        _ service: String,
        _ method: String,
        _ body: @escaping @Sendable (Request, ServerCall) async throws -> Response
    ) {
        add(
            service,
            method,
            .unary { bytes, call in
                try await GRPCFrame(body(Request(grpcMessage: bytes), call))
            }
        )
    }

    /// One request, one response, on the event loop without a task: `body` must not wait.
    package mutating func inlineUnary<Request: Message, Response: Message>(
        _ service: String,
        _ method: String,
        _ body: @escaping @Sendable (Request, ServerCall) throws -> Response
    ) {
        add(
            service,
            method,
            .inlineUnary { bytes, call in try GRPCFrame(body(Request(grpcMessage: bytes), call)) }
        )
    }

    /// One request, any number of responses.
    package mutating func serverStreaming<Request: Message, Response: Message>(
        _ service: String,
        _ method: String,
        _ body:
            @escaping @Sendable (Request, ResponseWriter<Response>, ServerCall) async throws -> Void
    ) {
        add(
            service,
            method,
            .streaming { call in
                guard let bytes = try await call.next() else {
                    throw GRPCError(.internal, "the call came without a message")
                }
                try await body(Request(grpcMessage: bytes), ResponseWriter(call: call), call)
            }
        )
    }

    /// Any number of requests, one response.
    package mutating func clientStreaming<Request: Message, Response: Message>(
        _ service: String,
        _ method: String,
        _ body: @escaping @Sendable (RequestStream<Request>, ServerCall) async throws -> Response
    ) {
        add(
            service,
            method,
            .streaming { call in
                try await call.write(GRPCFrame(body(RequestStream(call: call), call)))
            }
        )
    }

    /// Any number of messages both ways.
    package mutating func bidirectional<Request: Message, Response: Message>(
        _ service: String,
        _ method: String,
        _ body:
            @escaping @Sendable (RequestStream<Request>, ResponseWriter<Response>, ServerCall)
            async throws
            -> Void
    ) {
        add(
            service,
            method,
            .streaming { call in
                try await body(RequestStream(call: call), ResponseWriter(call: call), call)
            }
        )
    }
}

/// The client's messages, in order.
///
/// A reader that stops reading stops the client.
package struct RequestStream<Request: Message>: AsyncSequence, Sendable {
    fileprivate let call: ServerCall

    package struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let call: ServerCall

        package mutating func next() async throws -> Request? {
            try await call.next().map { try Request(grpcMessage: $0) }
        }
    }

    package func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(call: call)
    }
}

/// Where a handler writes its responses.
package struct ResponseWriter<Response: Message>: Sendable {
    fileprivate let call: ServerCall

    /// Sends one message, first waiting for room when the client reads slowly.
    ///
    /// On a call with `compression` a message may be left out of it.
    package func write(_ response: Response, compressed: Bool = true) async throws {
        try await call.write(GRPCFrame(response), compressed: compressed)
    }
}
