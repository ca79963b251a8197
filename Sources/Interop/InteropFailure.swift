import GRPC

/// What a server did not do as the case expects.
package struct InteropFailure: Error, Equatable, CustomStringConvertible {
    package let description: String
}

/// Throws unless what came is what the case expects.
func expect<Value: Equatable>(_ what: String, _ expected: Value, got value: Value) throws {
    guard value == expected else {
        throw InteropFailure(description: "\(what): expected \(expected), got \(value)")
    }
}

/// Throws unless `body` ends with that status, and with that message if one is given.
func expectStatus(
    _ what: String,
    _ code: GRPCStatusCode,
    message: String? = nil,
    _ body: () async throws -> Void
) async throws {
    do {
        try await body()
    } catch let error as GRPCError {
        guard error.code == code, message == nil || error.message == message else {
            let expected = GRPCError(code, message ?? "any message")
            throw InteropFailure(description: "\(what): expected \(expected), got \(error)")
        }
        return
    }
    throw InteropFailure(description: "\(what): expected \(code), got OK")
}
