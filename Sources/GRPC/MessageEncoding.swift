import HTTP2

/// How the bytes of a message are compressed ("Message-Encoding" of gRPC over HTTP/2).
///
/// Identity is none of the cases: a call without compression has no encoding.
package enum MessageEncoding: Hashable, Sendable, CaseIterable {
    case gzip
    /// The zlib format of RFC 1950, whatever the name says.
    case deflate

    /// The encodings that both of our sides accept, as `grpc-accept-encoding` lists them.
    static let accepted = "identity,deflate,gzip"

    /// The value of `grpc-encoding`.
    var name: String {
        switch self {
        case .gzip: "gzip"
        case .deflate: "deflate"
        }
    }

    init?(name: UnsafeRawBufferPointer) {
        if name.equals("gzip") {
            self = .gzip
        } else if name.equals("deflate") {
            self = .deflate
        } else {
            return nil
        }
    }

    /// Whether a peer that sent these headers can read the encoding.
    func isAccepted(by headers: HeaderBlock) -> Bool {
        var isAccepted = false
        headers.forEach { field, value in
            guard field.equals("grpc-accept-encoding") else { return }
            isAccepted =
                isAccepted
                || value.split(separator: UInt8(ascii: ","))
                    .contains { Self(name: Self.trimmed($0)) == self }
        }
        return isAccepted
    }

    private static func trimmed(_ item: Slice<UnsafeRawBufferPointer>) -> UnsafeRawBufferPointer {
        var item = item.drop { $0 == 0x20 || $0 == 0x09 }
        while let last = item.last, last == 0x20 || last == 0x09 { item.removeLast() }
        return UnsafeRawBufferPointer(rebasing: item)
    }
}
