import FoundationEssentials
import GRPC
import InteropAPI

/// The cases of unary and streaming calls that go well.
extension InteropClient {
    func emptyUnary() async throws {
        try await emptyCall()
    }

    func largeUnary() async throws {
        let answer = try await unaryCall(largeRequest())
        try check(answer.response.payload, bytes: Self.largeResponseBytes)
    }

    func clientStreaming() async throws {
        let call = try await open("StreamingInputCall")
        for bytes in Self.requestBytes {
            let request = Grpc_Testing_StreamingInputCallRequest.with {
                $0.payload = Self.zeros(bytes)
            }
            try await call.write(GRPCFrame(request))
        }
        let answer = try await onlyAnswer(
            of: call,
            as: Grpc_Testing_StreamingInputCallResponse.self
        )
        try expect("aggregated_payload_size", 74_922, got: answer.response.aggregatedPayloadSize)
    }

    func serverStreaming() async throws {
        let request = Grpc_Testing_StreamingOutputCallRequest.with { request in
            request.responseParameters = Self.responseBytes.map { bytes in
                .with { $0.size = Int32(bytes) }
            }
        }
        let call = try await open("StreamingOutputCall")
        try await call.write(GRPCFrame(request))
        await call.finishWriting()
        var received = 0
        while let (response, _) = try await next(of: call) {
            guard received < Self.responseBytes.count else {
                throw InteropFailure(description: "expected 4 responses, got more")
            }
            try check(response.payload, bytes: Self.responseBytes[received])
            received += 1
        }
        try expect("the number of responses", Self.responseBytes.count, got: received)
    }

    func pingPong() async throws {
        let call = try await open("FullDuplexCall")
        for (requestBytes, responseBytes) in zip(Self.requestBytes, Self.responseBytes) {
            let request = Grpc_Testing_StreamingOutputCallRequest.with {
                $0.responseParameters = [.with { $0.size = Int32(responseBytes) }]
                $0.payload = Self.zeros(requestBytes)
            }
            try await call.write(GRPCFrame(request))
            guard let (response, _) = try await next(of: call) else {
                throw InteropFailure(description: "expected a response to each request, got OK")
            }
            try check(response.payload, bytes: responseBytes)
        }
        await call.finishWriting()
        guard try await call.next() == nil else {
            throw InteropFailure(description: "expected 4 responses, got more")
        }
    }

    func emptyStream() async throws {
        let call = try await open("FullDuplexCall")
        await call.finishWriting()
        guard try await call.next() == nil else {
            throw InteropFailure(description: "expected no response, got one")
        }
    }

    func customMetadata() async throws {
        let text = "test_initial_metadata_value"
        let bytes: [UInt8] = [0xab, 0xab, 0xab]
        var metadata = Metadata()
        metadata.add(EchoedMetadata.initial, text)
        metadata.add(EchoedMetadata.trailing, bytes)
        let unary = try await unaryCall(largeRequest(), metadata: metadata)
        let call = try await open("FullDuplexCall", metadata: metadata)
        let request = Grpc_Testing_StreamingOutputCallRequest.with {
            $0.responseParameters = [.with { $0.size = Int32(Self.largeResponseBytes) }]
            $0.payload = Self.zeros(271_828)
        }
        try await call.write(GRPCFrame(request))
        let duplex = try await onlyAnswer(
            of: call,
            as: Grpc_Testing_StreamingOutputCallResponse.self
        )
        try check(unary.response.payload, bytes: Self.largeResponseBytes)
        try check(duplex.response.payload, bytes: Self.largeResponseBytes)
        for (name, initial, trailing) in [
            ("UnaryCall", unary.initial, unary.trailing),
            ("FullDuplexCall", duplex.initial, duplex.trailing),
        ] {
            try expect(
                "\(EchoedMetadata.initial) in the initial metadata of \(name)",
                [text],
                got: initial.texts(EchoedMetadata.initial)
            )
            try expect(
                "\(EchoedMetadata.trailing) in the trailing metadata of \(name)",
                [bytes],
                got: trailing.binaries(EchoedMetadata.trailing)
            )
        }
    }

    private static let requestBytes = [27_182, 8, 1828, 45_904]
    private static let responseBytes = [31_415, 9, 2653, 58_979]
}
