import HTTP2

/// What a request's header section says about the call, before anything of it runs.
struct RequestHead {
    enum Verdict {
        case accepted(MethodTable.Method, timeout: Duration?, encoding: MessageEncoding?)
        /// Not gRPC at all: an HTTP status and no trailers.
        case refusedAsHTTP(status: Int)
        /// gRPC that can't be served: a trailers-only answer.
        case refused(GRPCError)
    }

    /// Reads the section once, without making strings of what is known.
    static func judge(_ headers: HeaderBlock, methods: MethodTable) -> Verdict {
        var isPost = false
        var isGRPC = false
        var method: MethodTable.Method?
        var timeout: Duration?
        var encoding: MessageEncoding?
        var refusal: GRPCError?
        headers.forEach { name, value in
            // The lengths of the names differ, so one comparison a field is enough to drop nearly
            // all.
            switch name.count {
            case 5 where name.equals(":path"):
                method = methods.find(value)
            case 7 where name.equals(":method"):
                isPost = value.equals("POST")
            case 12 where name.equals("content-type"):
                isGRPC = isGRPCContentType(value)
            case 12 where name.equals("grpc-timeout"):
                timeout = GRPCTimeout.parse(value)
                if timeout == nil {
                    refusal = GRPCError(
                        .invalidArgument,
                        "grpc-timeout: expected up to 8 digits and one of H M S m u n"
                    )
                }
            case 13 where name.equals("grpc-encoding"):
                encoding = MessageEncoding(name: value)
                if encoding == nil, !value.equals("identity") {
                    refusal = unsupportedEncoding(value)
                }
            default:
                break
            }
        }
        guard isPost else { return .refusedAsHTTP(status: 405) }
        guard isGRPC else { return .refusedAsHTTP(status: 415) }
        if let refusal { return .refused(refusal) }
        guard let method else {
            return .refused(methods.unimplemented(headers.first(":path") ?? ""))
        }
        return .accepted(method, timeout: timeout, encoding: encoding)
    }

    /// `application/grpc`, alone or followed by `+proto` or parameters; `application/grpc-web` is
    /// another protocol.
    private static func isGRPCContentType(_ value: UnsafeRawBufferPointer) -> Bool {
        guard value.hasPrefix("application/grpc") else { return false }
        guard value.count > 16 else { return true }
        let rest = UnsafeRawBufferPointer(rebasing: value[16...])
        return rest.equals("+proto") || rest.hasPrefix(";") || rest.hasPrefix("+proto;")
    }

    private static func unsupportedEncoding(_ value: UnsafeRawBufferPointer) -> GRPCError {
        let name = String(decoding: value.prefix(32), as: UTF8.self)
        return GRPCError(
            .unimplemented,
            "grpc-encoding \(name) is not supported, only \(MessageEncoding.accepted)"
        )
    }
}
