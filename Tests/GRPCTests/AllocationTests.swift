import CAllocationCounter
import GRPC
import NIOCore
import Testing

/// What the hot paths may ask of the allocator.
///
/// The server has a thread of its own, so what that thread allocates while calls are made one after the other is the
/// cost of those calls: reading, decoding of headers, the handler, the answer, the write. The client is elsewhere.
@Suite(.timeLimit(.minutes(10)), .enabled(if: allocation_counting_works()))
struct AllocationTests {
    private static let calls = 1000

    // Measured and a little headroom. The counts hardly vary, so a change of one is a change of the code: an
    // optimised build takes 19 for a call, 23 with a task for its handler, and 2.3 for a frame. Without optimisation
    // closures and generic values allocate that otherwise don't: 120, 123 and 3.2.
    #if DEBUG
    private static let inlineBudget = 126.0
    private static let asyncBudget = 129.0
    private static let frameBudget = 3.5
    private static let compressionBudget = 72.0
    #else
    private static let inlineBudget = 20.0
    private static let asyncBudget = 24.0
    private static let frameBudget = 2.5
    private static let compressionBudget = 12.0
    #endif

    /// A message large enough to go out by reference.
    private static let shared = GRPCFrame(bytes: [UInt8](repeating: 7, count: 8192))

    private func count(_ loopback: Loopback) async throws -> UInt64 {
        try await loopback.serverGroup.next().submit { allocation_count_of_this_thread() }.get()
    }

    private func methods(_ methods: inout MethodTable) {
        methods.add("test.Echo", "Inline", .inlineUnary { bytes, _ in GRPCFrame(message: bytes) })
        methods.add(
            "test.Echo",
            "InlineGzip",
            .inlineUnary { bytes, call in
                call.compression = .gzip
                return GRPCFrame(message: bytes)
            }
        )
        methods.add("test.Echo", "Async", .unary { bytes, _ in GRPCFrame(message: bytes) })
        methods.add("test.Echo", "Shared", .inlineStreaming { SharedFrames($0) })
    }

    /// Allocations of the server's thread for each of `calls` calls.
    private func allocationsPerCall(
        _ method: String,
        _ text: String = "hello",
        _ compression: MessageEncoding? = nil
    ) async throws -> Double {
        var perCall = 0.0
        try await Loopback.run(methods: methods) { loopback in
            func call(_ times: Int) async throws {
                for _ in 0..<times {
                    let answer: Text = try await loopback.client.unary(
                        "/test.Echo/\(method)",
                        Text(text),
                        compression: compression
                    )
                    #expect(answer.value == text)
                }
            }
            // Tables and buffers grow to their size.
            try await call(200)
            let before = try await count(loopback)
            try await call(Self.calls)
            perCall = Double(try await count(loopback) - before) / Double(Self.calls)
        }
        return perCall
    }

    @Test func `a unary call with an inline handler stays within its budget`() async throws {
        let perCall = try await allocationsPerCall("Inline")
        #expect(perCall > 1)
        #expect(perCall <= Self.inlineBudget)
    }

    @Test func `a unary call with an async handler stays within its budget`() async throws {
        let perCall = try await allocationsPerCall("Async")
        #expect(perCall > 1)
        #expect(perCall <= Self.asyncBudget)
    }

    @Test func `compressed calls use the same zlib streams again`() async throws {
        let plain = try await allocationsPerCall("Inline", Self.compressible)
        let compressed = try await allocationsPerCall("InlineGzip", Self.compressible, .gzip)
        // One stream of zlib would be six more, and each call needs two.
        #expect(compressed - plain <= Self.compressionBudget)
    }

    private static let compressible = String(repeating: "hello ", count: 200)

    @Test func `a frame of a shared buffer stays within its budget`() async throws {
        var perFrame = 0.0
        try await Loopback.run(methods: methods) { loopback in
            func frames(_ number: Int) async throws {
                let call = try await loopback.client.open("/test.Echo/Shared")
                try await call.write("\(number)")
                var received = 0
                while try await call.next() != nil { received += 1 }
                #expect(received == number)
            }
            try await frames(1000)
            let before = try await count(loopback)
            try await frames(10 * Self.calls)
            perFrame = Double(try await count(loopback) - before) / Double(10 * Self.calls)
        }
        #expect(perFrame <= Self.frameBudget)
    }

    /// Sends the same frame as often as the first message says, as fast as the client reads.
    private final class SharedFrames: InlineStreamHandler {
        private let call: ServerCall
        private var left = 0

        init(_ call: ServerCall) {
            self.call = call
        }

        func received(_ message: MessageBytes) throws {
            left = Int(String(buffer: message)) ?? 0
            becameWritable()
        }

        func receivedEnd() throws {}

        func becameWritable() {
            while left > 0, call.isWritable {
                left -= 1
                call.send(AllocationTests.shared)
                if left == 0 { call.finish(.ok) }
            }
        }

        func closed() {}
    }
}
