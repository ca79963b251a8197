import HTTP2

/// What a server says about trying its failed call again, in the `grpc-retry-pushback-ms` trailer
/// (gRFC A6).
package enum RetryPushback: Hashable, Sendable {
    case after(Duration)
    /// Not at all.
    case never

    private static let name: StaticString = "grpc-retry-pushback-ms"

    /// Nil when the server says nothing; a negative or malformed value means "never".
    init?(_ trailers: HeaderBlock) {
        guard let text = trailers.first(Self.name) else { return nil }
        // `Int32` also reads `+5` and `007`, which gRFC A6 does not allow.
        guard let milliseconds = Int32(text), milliseconds >= 0, "\(milliseconds)" == text else {
            self = .never
            return
        }
        self = .after(.milliseconds(Int64(milliseconds)))
    }

    func append(to trailers: inout HeaderBlock) {
        let value =
            switch self {
            case .after(let delay): max(0, min(Int64(Int32.max), delay / .milliseconds(1)))
            case .never: Int64(-1)
            }
        trailers.append(name: "\(Self.name)", value: "\(value)")
    }
}

extension Duration {
    fileprivate static func / (lhs: Duration, unit: Duration) -> Int64 {
        let ratio: Double = lhs / unit
        return Int64(ratio)
    }
}
