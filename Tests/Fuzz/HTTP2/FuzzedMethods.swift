import GRPC
import Logging
import NIOCore

/// A method of each kind, and how many of their handlers run.
enum FuzzedMethods {
    /// Everything happens on the one thread that libFuzzer calls on.
    nonisolated(unsafe) static var running = 0

    static let plain = pipeline(GRPCServerConfiguration())

    static let limited = {
        var configuration = GRPCServerConfiguration()
        configuration.maximumMessageBytes = 64
        configuration.http2.maximumConcurrentStreams = 2
        configuration.http2.maximumHeaderListBytes = 300
        configuration.http2.maximumDecodedHeaderBytes = 1000
        configuration.http2.streamWindowBytes = 100
        configuration.http2.writeHighWatermarkBytes = 50
        configuration.http2.queuedBytesRefusingStreams = 10_000
        configuration.http2.maximumQueuedBytes = 20_000
        configuration.http2.maximumQueuedFrames = 10
        configuration.http2.maximumQueuedAcknowledgements = 10
        configuration.http2.maximumConnectionAge = .minutes(1)
        let rate = configuration.http2.floods.settings
        configuration.http2.floods.pings = rate
        configuration.http2.floods.resets.burst = 5
        configuration.http2.floods.streamErrors.burst = 5
        return pipeline(configuration)
    }()

    private static func pipeline(_ configuration: GRPCServerConfiguration) -> ServerPipeline {
        let logger = Logger(label: "fuzz", factory: { _ in SwiftLogNoOpLogHandler() })
        return ServerPipeline(methods: methods(), configuration: configuration, logger: logger)
    }

    private static func methods() -> MethodTable {
        var methods = MethodTable()
        methods.add(
            "f",
            "0",
            .unary { bytes, _ in
                running += 1
                defer { running -= 1 }
                return GRPCFrame(message: bytes)
            }
        )
        methods.add("f", "1", .inlineUnary { bytes, _ in GRPCFrame(message: bytes) })
        methods.add(
            "f",
            "2",
            .streaming { call in
                running += 1
                defer { running -= 1 }
                while let message = try await call.next() {
                    try await call.write(GRPCFrame(message: message))
                }
            }
        )
        methods.add("f", "3", .inlineStreaming { Echo($0) })
        // Much for little, by reference.
        methods.add(
            "f",
            "4",
            .streaming { call in
                running += 1
                defer { running -= 1 }
                let frame = GRPCFrame(bytes: [UInt8](repeating: 7, count: 9000))
                for _ in 0..<20 { try await call.write(frame) }
                throw GRPCError(.dataLoss, "the end")
            }
        )
        return methods
    }

    private final class Echo: InlineStreamHandler {
        private let call: ServerCall

        init(_ call: ServerCall) {
            self.call = call
            running += 1
        }

        func received(_ message: MessageBytes) throws { call.send(GRPCFrame(message: message)) }
        func receivedEnd() throws { call.finish(.ok) }
        func becameWritable() {}
        func closed() { running -= 1 }
    }
}
