import ChannelPolicy
import GRPC

/// What one call asks of its channel, with what the service config adds.
struct CallSettings: Sendable {
    let path: String
    var metadata = Metadata()
    var deadline: CallDeadline?
    var waitForReady = false
    var attempts = MethodConfig.Attempts.once
    var maximumRequestBytes: Int?
    var maximumResponseBytes: Int?
    var wantsLoad = false

    init(path: String) {
        self.path = path
    }

    func checkRequest(_ frame: GRPCFrame) throws {
        guard let limit = maximumRequestBytes else { return }
        let size = frame.messageBytes
        guard size > limit else { return }
        throw GRPCError(.resourceExhausted, "a request of \(size) bytes, the limit is \(limit)")
    }

    func checkResponse(_ bytes: MessageBytes) throws {
        guard let limit = maximumResponseBytes, bytes.readableBytes > limit else { return }
        throw GRPCError(
            .resourceExhausted,
            "a response of \(bytes.readableBytes) bytes, the limit is \(limit)"
        )
    }
}

/// What a call holds from its start to its end.
struct CallPass: Sendable {
    let breaker: Breaker.Pass?
    let allowance: Allowance
}

/// How one attempt of a unary call ended.
enum UnaryOutcome: Sendable {
    case success(MessageBytes, load: ServerLoad?)
    case failure(AttemptFailure)
}

/// An attempt that did not succeed.
struct AttemptFailure: Error {
    let error: GRPCError
    let end: AttemptEnd
    /// Response headers came, so that no other attempt may follow.
    let isCommitted: Bool
    /// The caller ended it, or the deadline of the whole call.
    let isGivenUp: Bool
    /// What the server said of its load, if anybody wants it.
    var load: ServerLoad?

    init(_ error: GRPCError, reach: AttemptEnd.Reach, isGivenUp: Bool = false) {
        self.error = error
        self.end = AttemptEnd(status: StatusCode(error.code), reach: reach)
        self.isCommitted = false
        self.isGivenUp = isGivenUp
    }

    /// - Parameter end: nil when we refused what the server sent.
    init(_ thrown: any Error, _ end: ClientCallEnd?) {
        error =
            thrown as? GRPCError
            ?? (thrown is CancellationError
                ? GRPCError(.cancelled, "the call was cancelled")
                : GRPCError(.unknown, "\(thrown)"))
        isCommitted = end?.hasResponse ?? true
        isGivenUp = end?.isGivenUp ?? false
        self.end = AttemptEnd(
            status: StatusCode(error.code),
            reach: AttemptEnd.Reach(end?.reach ?? .server),
            pushback: Pushback(end?.pushback)
        )
    }
}

extension AttemptEnd.Reach {
    init(_ reach: ClientCallEnd.Reach) {
        switch reach {
        case .unsent: self = .neverLeft
        case .unprocessed: self = .unprocessed
        case .server: self = .server
        }
    }
}

extension Pushback {
    init(_ pushback: RetryPushback?) {
        switch pushback {
        case nil: self = .none
        case .after(let delay): self = .retry(after: delay)
        case .never: self = .stop
        }
    }
}

extension StatusCode {
    init(_ code: GRPCStatusCode) {
        self.init(rawValue: code.rawValue)
    }
}
