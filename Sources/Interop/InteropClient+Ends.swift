import GRPC
import InteropAPI

/// The cases whose calls end otherwise than with OK.
extension InteropClient {
    func statusCodeAndMessage() async throws {
        let message = "test status message"
        let status = Grpc_Testing_EchoStatus.with {
            $0.code = Int32(GRPCStatusCode.unknown.rawValue)
            $0.message = message
        }
        try await expectStatus("UnaryCall", .unknown, message: message) {
            _ = try await unaryCall(.with { $0.responseStatus = status })
        }
        let request = Grpc_Testing_StreamingOutputCallRequest.with { $0.responseStatus = status }
        try await expectStatus("FullDuplexCall", .unknown, message: message) {
            let call = try await open("FullDuplexCall")
            try await call.write(GRPCFrame(request))
            await call.finishWriting()
            while try await call.next() != nil {}
        }
    }

    func specialStatusMessage() async throws {
        let message = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
        try await expectStatus("UnaryCall", .unknown, message: message) {
            _ = try await unaryCall(
                .with {
                    $0.responseStatus.code = Int32(GRPCStatusCode.unknown.rawValue)
                    $0.responseStatus.message = message
                }
            )
        }
    }

    func unimplemented(_ service: String) async throws {
        try await expectStatus("UnimplementedCall", .unimplemented) {
            try await emptyCall("UnimplementedCall", service: service)
        }
    }

    func cancelAfterBegin() async throws {
        try await expectStatus("StreamingInputCall", .cancelled) {
            let call = try await open("StreamingInputCall")
            call.cancel()
            while try await call.next() != nil {}
        }
    }

    func cancelAfterFirstResponse() async throws {
        let request = Grpc_Testing_StreamingOutputCallRequest.with {
            $0.responseParameters = [.with { $0.size = 31_415 }]
            $0.payload = Self.zeros(27_182)
        }
        let call = try await open("FullDuplexCall")
        try await call.write(GRPCFrame(request))
        guard let (response, _) = try await next(of: call) else {
            throw InteropFailure(description: "expected a response, got OK without one")
        }
        try check(response.payload, bytes: 31_415)
        call.cancel()
        try await expectStatus("FullDuplexCall", .cancelled) {
            while try await call.next() != nil {}
        }
    }

    func timeoutOnSleepingServer() async throws {
        // Without a connection the deadline would pass before the server hears of the call.
        try await emptyCall()
        let request = Grpc_Testing_StreamingOutputCallRequest.with {
            $0.payload = Self.zeros(27_182)
        }
        try await expectStatus("FullDuplexCall", .deadlineExceeded) {
            let call = try await open("FullDuplexCall", timeout: .milliseconds(1))
            try await call.write(GRPCFrame(request))
            while try await call.next() != nil {}
        }
    }
}
