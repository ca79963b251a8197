/// A request of an operator, whole.
package struct AdminHTTPRequest: Sendable {
    /// Such as `GET`.
    package let method: String
    /// Without the query, such as `/v1/raw`.
    package let path: String
    /// Decoded; of a name that is there twice the last one.
    package let query: [String: String]
    package let body: [UInt8]

    package init(method: String, path: String, query: [String: String] = [:], body: [UInt8] = []) {
        self.method = method
        self.path = path
        self.query = query
        self.body = body
    }
}

/// What it is answered.
package struct AdminHTTPResponse: Sendable {
    package let status: Int
    /// JSON.
    package let body: String

    package init(status: Int, body: String) {
        self.status = status
        self.body = body
    }
}

extension AdminHTTPRequest {
    /// Splits what stands in the request line; nil when it is no path.
    init?(method: String, uri: String, body: [UInt8]) {
        guard uri.hasPrefix("/") else { return nil }
        let parts = uri.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        var query: [String: String] = [:]
        for pair in (parts.count > 1 ? parts[1] : "").split(separator: "&") {
            let sides = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = sides.first.flatMap(Self.decoded),
                let value = Self.decoded(sides.count > 1 ? sides[1] : "")
            else { return nil }
            query[name] = value
        }
        guard let path = parts.first.flatMap(Self.decoded) else { return nil }
        self.init(method: method, path: path, query: query, body: body)
    }

    /// Without its `%` and `+`; nil when they are wrong.
    private static func decoded(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "+"): bytes.append(UInt8(ascii: " "))
            case UInt8(ascii: "%"):
                let digits = rest.prefix(2)
                guard digits.count == 2, let value = UInt8(Substring(digits), radix: 16) else {
                    return nil
                }
                bytes.append(value)
                rest = rest.dropFirst(2)
            default: bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
