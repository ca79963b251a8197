import HTTP2
import NIOCore
import Testing

@testable import GRPC

struct RequestHeadTests {
    private static var methods: MethodTable {
        var methods = MethodTable()
        methods.add("test.Echo", "Call", .unary { bytes, _ in GRPCFrame(message: bytes) })
        return methods
    }

    /// The verdict on a request whose fields are good but for `changes`; nil leaves a field out.
    private func judge(_ changes: [(String, String?)] = []) -> String {
        var fields: [(name: String, value: String)] = [
            (":method", "POST"), (":scheme", "http"), (":path", "/test.Echo/Call"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
        ]
        for (name, value) in changes {
            fields.removeAll { $0.name == name }
            if let value { fields.append((name, value)) }
        }
        switch RequestHead.judge(HeaderBlock(fields), methods: Self.methods) {
        case .accepted(_, let timeout, let encoding):
            let suffix = encoding.map { " \($0)" } ?? ""
            return "accepted \(timeout.map { "\($0)" } ?? "-")\(suffix)"
        case .refusedAsHTTP(let status): return "HTTP \(status)"
        case .refused(let error): return "\(error)"
        }
    }

    @Test func `a good request is accepted with its timeout`() {
        #expect(judge() == "accepted -")
        #expect(judge([("grpc-timeout", "5S")]) == "accepted 5.0 seconds")
        #expect(judge([("grpc-encoding", "identity")]) == "accepted -")
        #expect(judge([("grpc-encoding", "gzip")]) == "accepted - gzip")
        #expect(judge([("grpc-encoding", "deflate")]) == "accepted - deflate")
    }

    @Test(arguments: [
        "application/grpc+proto", "application/grpc;charset=utf-8", "application/grpc+proto;x=y",
    ])
    func `the other spellings of the content type are accepted`(type: String) {
        #expect(judge([("content-type", type)]) == "accepted -")
    }

    @Test(arguments: [
        nil, "application/json", "application/grpc-web", "application/grpc+json", "text/plain", "",
    ])
    func `another content type is HTTP 415`(type: String?) {
        #expect(judge([("content-type", type)]) == "HTTP 415")
    }

    @Test(arguments: ["GET", "PUT", "post", "POSTS"])
    func `another method is HTTP 405`(method: String) {
        #expect(judge([(":method", method)]) == "HTTP 405")
    }

    @Test func `an unknown method, service and path are told apart`() {
        #expect(
            judge([(":path", "/test.Echo/No")])
                == "UNIMPLEMENTED: unknown method No of service test.Echo"
        )
        #expect(judge([(":path", "/no.Echo/Call")]) == "UNIMPLEMENTED: unknown service no.Echo")
        #expect(judge([(":path", "/")]) == "UNIMPLEMENTED: malformed method path /")
        #expect(judge([(":path", nil)]) == "UNIMPLEMENTED: malformed method path ")
    }

    @Test func `an unknown encoding is unimplemented`() {
        let expected =
            "UNIMPLEMENTED: grpc-encoding br is not supported, only identity,deflate,gzip"
        #expect(judge([("grpc-encoding", "br")]) == expected)
    }

    @Test func `a malformed timeout is an invalid argument`() {
        #expect(
            judge([("grpc-timeout", "soon")]).hasPrefix("INVALID_ARGUMENT: grpc-timeout: expected")
        )
    }
}

struct ResponseHeadTests {
    @Test(arguments: [
        ("0", RetryPushback.after(.zero)), ("1500", .after(.seconds(1.5))),
        ("2147483647", .after(.milliseconds(2_147_483_647))), ("2147483648", .never),
        ("-1", .never), ("-0", .never), ("", .never), ("007", .never), ("+5", .never),
        ("5 ", .never), ("soon", .never), ("1.5", .never), ("99999999999999999999", .never),
    ])
    func `a pushback is milliseconds or means never`(value: String, pushback: RetryPushback) {
        let trailers = HeaderBlock([("grpc-retry-pushback-ms", value)])
        #expect(RetryPushback(trailers) == pushback)
    }

    @Test func `trailers without a pushback have none`() {
        #expect(RetryPushback(HeaderBlock([("grpc-status", "14")])) == nil)
    }

    private func status(_ fields: [(name: String, value: String)]) -> GRPCStatus? {
        ResponseHead.status(ofTrailers: HeaderBlock(fields))
    }

    private func refusal(
        _ status: String,
        _ fields: [(name: String, value: String)] = []
    ) -> GRPCStatusCode? {
        ResponseHead.refusal(of: HeaderBlock([(":status", status)] + fields))?.code
    }

    @Test func `status and message are read from the trailers`() {
        let found = status([("grpc-status", "5"), ("grpc-message", "no%20caf%C3%A9")])
        #expect(found == GRPCStatus(.notFound, "no café"))
        #expect(status([("grpc-status", "0")]) == .ok)
    }

    @Test func `a status that is no number is none and one that is unknown is UNKNOWN`() {
        #expect(status([("grpc-message", "x")]) == nil)
        #expect(status([("grpc-status", "five")]) == nil)
        #expect(status([("grpc-status", "17")]) == GRPCStatus(.unknown))
        #expect(status([("grpc-status", "-1")]) == GRPCStatus(.unknown))
    }

    @Test func `a gRPC response is no refusal`() {
        #expect(refusal("200", [("content-type", "application/grpc")]) == nil)
        #expect(refusal("200", [("content-type", "application/grpc+proto")]) == nil)
    }

    // http-grpc-status-mapping.md of the gRPC project.
    @Test(arguments: [
        ("400", GRPCStatusCode.internal), ("401", .unauthenticated), ("403", .permissionDenied),
        ("404", .unimplemented), ("429", .unavailable), ("502", .unavailable),
        ("503", .unavailable),
        ("504", .unavailable), ("500", .unknown), ("302", .unknown), ("", .unknown),
    ])
    func `each HTTP status has its code`(http: String, code: GRPCStatusCode) {
        #expect(refusal(http, [("content-type", "application/grpc")]) == code)
    }

    @Test func `another content type is refused`() {
        #expect(refusal("200", [("content-type", "text/html")]) == .unknown)
        #expect(refusal("200") == .unknown)
    }

    @Test func `the encoding is read and an unknown one is an error`() throws {
        func encoding(_ name: String) throws -> MessageEncoding? {
            try ResponseHead.encoding(of: HeaderBlock([("grpc-encoding", name)]))
        }
        let none = try ResponseHead.encoding(of: HeaderBlock())
        let known = try [encoding("identity"), encoding("gzip"), encoding("deflate")]
        let error = #expect(throws: GRPCError.self) { try encoding("br") }
        #expect(none == nil)
        #expect(known == [nil, .gzip, .deflate])
        #expect(error?.code == .internal)
        #expect(
            error?.message
                == "the server answered with grpc-encoding br, not identity,deflate,gzip"
        )
    }

    @Test func `informational responses are told from final ones`() {
        #expect(ResponseHead.isInformational(HeaderBlock([(":status", "103")])))
        #expect(!ResponseHead.isInformational(HeaderBlock([(":status", "200")])))
        #expect(!ResponseHead.isInformational(HeaderBlock()))
    }

    @Test(arguments: [
        (StreamEnd.finished, GRPCStatusCode.internal), (.unprocessed, .unavailable),
        (.connectionLost("x"), .unavailable), (.reset(.refusedStream), .unavailable),
        (.reset(.cancel), .cancelled), (.reset(.enhanceYourCalm), .resourceExhausted),
        (.reset(.inadequateSecurity), .permissionDenied), (.reset(.protocolError), .internal),
    ])
    func `each end without a status has its code`(end: StreamEnd, code: GRPCStatusCode) {
        #expect(ResponseHead.error(of: end).code == code)
    }
}
