import Foundation
import GRPC
import GRPCChannel
import NIOPosix
import Primitives
import Testing

/// Our retries against a grpcio server, run with the Python of the repository's `.venv` or of
/// MERIDIAN_PYTHON.
@Suite(.timeLimit(.minutes(10)))
struct GrpcioTests {
    private static let config = #"""
        {"methodConfig": [{"name": [{"service": "test.Who"}], "retryPolicy": {
          "maxAttempts": 5, "initialBackoff": "0.005s", "maxBackoff": "0.01s",
          "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE"]}}]}
        """#

    private func withServer(_ body: (TransportAddress) async throws -> Void) async throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        let python =
            ProcessInfo.processInfo.environment["MERIDIAN_PYTHON"]
            ?? root.appending(path: ".venv/bin/python").path
        try #require(
            FileManager.default.isExecutableFile(atPath: python),
            "run scripts/test once, or set MERIDIAN_PYTHON"
        )
        let process = Process()
        let input = Pipe()
        let output = Pipe()
        process.executableURL = URL(filePath: python)
        process.arguments = [root.appending(path: "Tests/Fixtures/grpcio_flaky_server.py").path]
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        defer { try? input.fileHandleForWriting.close() }
        let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        let port = try #require(UInt16(line.trimmingCharacters(in: .whitespacesAndNewlines)))
        try await body(.ip(EndpointAddress(host: "127.0.0.1", port: port)))
    }

    @Test func `a grpcio server is retried with the count and the delay that it wants`()
        async throws
    {
        try await withServer { address in
            try await withChannel(to: [address], Self.config) { channel in
                let answer: Text = try await channel.unary(
                    "/test.Who/Flaky",
                    Text("x"),
                    timeout: .seconds(50),
                    waitForReady: true
                )
                #expect(answer.value == "x")
                #expect(channel.counter("grpc_channel_retries") == 2)
            }
        }
    }

    @Test func `a grpcio server that pushes back forever is obeyed`() async throws {
        try await withServer { address in
            try await withChannel(to: [address], Self.config) { channel in
                let error = await grpcError {
                    let _: Text = try await channel.unary(
                        "/test.Who/Never",
                        Text("x"),
                        timeout: .seconds(50),
                        waitForReady: true
                    )
                }
                #expect(error?.message == "not again")
                #expect(channel.counter("grpc_channel_retries") == 0)
                #expect(channel.counter("grpc_channel_retries_refused") == 1)
            }
        }
    }
}
