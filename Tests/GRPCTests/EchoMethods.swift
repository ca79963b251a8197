import GRPC
import NIOCore
import SwiftProtobuf

typealias Text = Google_Protobuf_StringValue

extension Text {
    init(_ text: String) {
        self.init()
        value = text
    }
}

/// The methods that the loopback tests call, one of each kind.
enum EchoMethods {
    static func register(in methods: inout MethodTable) {
        methods.unary("test.Echo", "Unary") { (request: Text, _) in Text("echo \(request.value)") }
        methods.inlineUnary("test.Echo", "Inline") { (request: Text, _) in
            Text("inline \(request.value)")
        }
        methods.clientStreaming("test.Echo", "Collect") { (requests: RequestStream<Text>, _) in
            var texts: [String] = []
            for try await request in requests { texts.append(request.value) }
            return Text(texts.joined(separator: ","))
        }
        methods.serverStreaming("test.Echo", "Expand") {
            (request: Text, responses: ResponseWriter<Text>, _) in
            for text in request.value.split(separator: ",") {
                try await responses.write(Text(String(text)))
            }
        }
        methods.bidirectional("test.Echo", "Chat") {
            (requests: RequestStream<Text>, responses: ResponseWriter<Text>, _) in
            for try await request in requests {
                try await responses.write(Text("echo \(request.value)"))
            }
        }
        // Whatever the bytes, back they go.
        methods.add(
            "test.Echo",
            "Bytes",
            .streaming { call in
                while let message = try await call.next() {
                    try await call.write(GRPCFrame(message: message))
                }
            }
        )
        methods.add("test.Echo", "InlineBytes", .inlineStreaming { InlineEcho($0) })
        methods.add("test.Echo", "UnaryBytes", .unary { bytes, _ in GRPCFrame(message: bytes) })
        methods.unary("test.Echo", "Metadata") { (request: Text, call) in
            var initial = Metadata()
            for text in call.metadata.texts("x-text") { initial.add("x-initial", text) }
            for bytes in call.metadata.binaries("x-data-bin") {
                initial.add("x-initial-bin", bytes)
                call.trailers.add("x-trailing-bin", bytes.reversed())
            }
            call.sendInitialMetadata(initial)
            call.trailers.add("x-trailing", "the end")
            return request
        }
        methods.unary("test.Echo", "Fail") { (request: Text, _) -> Text in
            var metadata = Metadata()
            metadata.add("x-reason", "asked for")
            metadata.add("x-detail-bin", [0, 1, 255])
            throw GRPCError(.failedPrecondition, request.value, metadata: metadata)
        }
        methods.serverStreaming("test.Echo", "FailLate") {
            (request: Text, responses: ResponseWriter<Text>, _) in
            try await responses.write(request)
            throw GRPCError(.dataLoss, "later")
        }
        methods.unary("test.Echo", "Crash") { (_: Text, _) -> Text in throw UnexpectedError() }
    }

    private struct UnexpectedError: Error {}
}

private final class InlineEcho: InlineStreamHandler {
    private let call: ServerCall

    init(_ call: ServerCall) {
        self.call = call
    }

    func received(_ message: MessageBytes) throws { call.send(GRPCFrame(message: message)) }
    func receivedEnd() throws { call.finish(.ok) }
    func becameWritable() {}
    func closed() {}
}
