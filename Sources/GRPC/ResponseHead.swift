import HTTP2

/// What a response's header sections say about how the call goes on.
enum ResponseHead {
    /// The status of a trailer section (or of a trailers-only response).
    static func status(ofTrailers trailers: HeaderBlock) -> GRPCStatus? {
        var code: Int?
        var message = ""
        trailers.forEach { name, value in
            if name.equals("grpc-status") {
                code = Int(String(decoding: value, as: UTF8.self))
            } else if name.equals("grpc-message") {
                message = PercentEncoding.decode(value)
            }
        }
        return code.map { code in
            GRPCStatus((0...16).contains(code) ? GRPCStatusCode(rawValue: code) : .unknown, message)
        }
    }

    /// What a response is that is no gRPC response; nil when it is one.
    static func refusal(of headers: HeaderBlock) -> GRPCError? {
        let status = headers.first(":status") ?? ""
        guard status == "200" else {
            return GRPCError(
                code(ofHTTPStatus: status),
                "the server answered with HTTP status \(status)"
            )
        }
        let contentType = headers.first("content-type") ?? "none"
        guard contentType.hasPrefix("application/grpc") else {
            return GRPCError(.unknown, "the server answered with content-type \(contentType)")
        }
        return nil
    }

    /// What the server's messages may be compressed with.
    ///
    /// Throws INTERNAL for an encoding that is not among those that we accept.
    static func encoding(of headers: HeaderBlock) throws(GRPCError) -> MessageEncoding? {
        var encoding: MessageEncoding?
        var unknown: String?
        headers.forEach { name, value in
            guard name.equals("grpc-encoding") else { return }
            encoding = MessageEncoding(name: value)
            if encoding == nil, !value.equals("identity") {
                unknown = String(decoding: value.prefix(32), as: UTF8.self)
            }
        }
        guard let unknown else { return encoding }
        throw GRPCError(
            .internal,
            "the server answered with grpc-encoding \(unknown), not \(MessageEncoding.accepted)"
        )
    }

    static func isInformational(_ headers: HeaderBlock) -> Bool {
        headers.first(":status")?.first == "1"
    }

    /// The gRPC project's http-grpc-status-mapping.md.
    private static func code(ofHTTPStatus status: String) -> GRPCStatusCode {
        switch status {
        case "400": .internal
        case "401": .unauthenticated
        case "403": .permissionDenied
        case "404": .unimplemented
        case "429", "502", "503", "504": .unavailable
        default: .unknown
        }
    }

    /// A stream that ended without a status ("Errors" of gRPC over HTTP/2).
    static func error(of end: StreamEnd) -> GRPCError {
        switch end {
        case .finished:
            GRPCError(.internal, "the server ended the call without a status")
        case .unprocessed:
            GRPCError(.unavailable, "the server refused the call without looking at it")
        case .unsent:
            GRPCError(.unavailable, "the connection ended before the call was sent")
        case .connectionLost(let reason):
            GRPCError(.unavailable, "the connection was lost: \(reason)")
        case .reset(let code):
            switch code {
            case .refusedStream: GRPCError(.unavailable, "the server refused the stream")
            case .cancel: GRPCError(.cancelled, "the server cancelled the call")
            case .enhanceYourCalm: GRPCError(.resourceExhausted, "the server asked to calm down")
            case .inadequateSecurity:
                GRPCError(.permissionDenied, "the server wants better transport security")
            default: GRPCError(.internal, "the server reset the stream with \(code)")
            }
        }
    }
}
