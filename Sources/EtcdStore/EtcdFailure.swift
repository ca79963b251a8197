import GRPC
import Store

/// What follows from an attempt that failed.
enum EtcdVerdict {
    /// The answer, whichever member is asked.
    case final(StoreError)
    /// This member did not do it: another may.
    case notDone(String)
    /// Nobody can tell whether it was done.
    case unknown(String)
    /// The response is larger than we take.
    case tooLarge(String)

    /// - Parameter isSent: whether the member can have seen the request.
    init(_ error: GRPCError, isSent: Bool) {
        guard isSent else {
            self = .notDone(error.message)
            return
        }
        // etcd has one text for each of its errors, and several of them for one code
        // (etcdserver/api/v3rpc/rpctypes/error.go).
        let text = error.message
        let reason = text.hasPrefix("etcdserver: ") ? String(text.dropFirst(12)) : nil
        switch error.code {
        case .unavailable:
            self = Self.membersRefusing.contains(reason ?? "") ? .notDone(text) : .unknown(text)
        case .deadlineExceeded, .cancelled: self = .unknown(text)
        case .resourceExhausted where reason == "too many requests": self = .notDone(text)
        case .resourceExhausted where reason == nil: self = .tooLarge(text)
        case .unknown where text.contains("proposal dropped"): self = .notDone(text)
        // What etcd has no code for, its own "context deadline exceeded" among it.
        case .unknown: self = .unknown(text)
        default:
            let code = Self.code(error.code, reason ?? text)
            // The change that takes the database past its quota is done, and then refused.
            let isDone = code == .diskFull
            self = .final(StoreError(code, text, cause: error, isOutcomeUnknown: isDone))
        }
    }

    /// Why a member refuses before it hands a request on.
    private static let membersRefusing: Set<String> = [
        "no leader", "leader changed", "not capable", "unhealthy cluster",
        "rpc not supported for learner",
    ]

    private static func code(_ code: GRPCStatusCode, _ reason: String) -> StoreError.Code {
        switch code {
        case .outOfRange where reason.hasSuffix("has been compacted"): .compacted
        case .outOfRange where reason.hasSuffix("is a future revision"): .futureRevision
        case .notFound where reason == "requested lease not found": .leaseNotFound
        case .invalidArgument where reason == "too many operations in txn request": .limitExceeded
        case .invalidArgument where reason == "request is too large": .limitExceeded
        case .invalidArgument: .invalid
        case .resourceExhausted: .diskFull
        case .dataLoss: .corrupt
        case .permissionDenied, .unauthenticated: .unavailable
        default: .failed
        }
    }
}
