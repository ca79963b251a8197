import GRPC
import InteropAPI

/// The cases of compressed messages.
extension InteropClient {
    func clientCompressedUnary() async throws {
        // A server that does not look at the compression would accept everything that follows.
        try await expectStatus("the uncompressed probe of UnaryCall", .invalidArgument) {
            _ = try await unaryCall(compressionRequest(isCompressed: true))
        }
        for isCompressed in [true, false] {
            let answer = try await unaryCall(
                compressionRequest(isCompressed: isCompressed),
                compression: isCompressed ? .gzip : nil
            )
            try check(answer.response.payload, bytes: Self.largeResponseBytes)
        }
    }

    private func compressionRequest(isCompressed: Bool) -> Grpc_Testing_SimpleRequest {
        var request = largeRequest()
        request.expectCompressed = .with { $0.value = isCompressed }
        return request
    }

    func serverCompressedUnary() async throws {
        for isCompressed in [true, false] {
            var request = largeRequest()
            request.responseCompressed = .with { $0.value = isCompressed }
            let answer = try await unaryCall(request)
            try expect(
                "the compressed flag where response_compressed is \(isCompressed)",
                isCompressed,
                got: answer.wasCompressed
            )
            try check(answer.response.payload, bytes: Self.largeResponseBytes)
        }
    }

    func clientCompressedStreaming() async throws {
        func request(_ bytes: Int, isCompressed: Bool) throws -> GRPCFrame {
            try GRPCFrame(
                Grpc_Testing_StreamingInputCallRequest.with {
                    $0.expectCompressed = .with { $0.value = isCompressed }
                    $0.payload = Self.zeros(bytes)
                }
            )
        }
        try await expectStatus("the uncompressed probe of StreamingInputCall", .invalidArgument) {
            let probe = try await open("StreamingInputCall", compression: .gzip)
            try await probe.write(request(27_182, isCompressed: true), compressed: false)
            _ = try await onlyAnswer(of: probe, as: Grpc_Testing_StreamingInputCallResponse.self)
        }
        let call = try await open("StreamingInputCall", compression: .gzip)
        try await call.write(request(27_182, isCompressed: true))
        try await call.write(request(45_904, isCompressed: false), compressed: false)
        let answer = try await onlyAnswer(
            of: call,
            as: Grpc_Testing_StreamingInputCallResponse.self
        )
        try expect("aggregated_payload_size", 73_086, got: answer.response.aggregatedPayloadSize)
    }

    func serverCompressedStreaming() async throws {
        let expected = [(isCompressed: true, bytes: 31_415), (isCompressed: false, bytes: 92_653)]
        let request = Grpc_Testing_StreamingOutputCallRequest.with { request in
            request.responseParameters = expected.map { isCompressed, bytes in
                .with {
                    $0.compressed = .with { $0.value = isCompressed }
                    $0.size = Int32(bytes)
                }
            }
        }
        let call = try await open("StreamingOutputCall")
        try await call.write(GRPCFrame(request))
        await call.finishWriting()
        for (isCompressed, bytes) in expected {
            guard let (response, wasCompressed) = try await next(of: call) else {
                throw InteropFailure(description: "expected 2 responses, got fewer")
            }
            try expect(
                "the compressed flag of the response with \(bytes) bytes",
                isCompressed,
                got: wasCompressed
            )
            try check(response.payload, bytes: bytes)
        }
        guard try await call.next() == nil else {
            throw InteropFailure(description: "expected 2 responses, got more")
        }
    }
}
