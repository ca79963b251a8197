import GRPC
import Testing

/// The status that a call fails with; nil, and a failure of the test, when there is none.
func grpcError(
    sourceLocation: SourceLocation = #_sourceLocation,
    _ call: () async throws -> Void
) async -> GRPCError? {
    do {
        try await call()
        Issue.record("the call ended with OK", sourceLocation: sourceLocation)
    } catch let error as GRPCError {
        return error
    } catch {
        Issue.record("the call failed without a status: \(error)", sourceLocation: sourceLocation)
    }
    return nil
}
