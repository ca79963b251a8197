package import NIOCore

/// What a call notes for the interceptors of its client.
struct ClientInterception {
    let interceptors: ClientInterceptors
    let path: String
    let deadline: NIODeadline?
    let startTime = NIODeadline.now()
    var span: CallSpan?
    /// So many of the interceptors know of the call and are to hear of its end.
    var started = 0
}

/// What interceptors see of a call, on its event loop.
extension ClientCall {
    /// `/package.Service/Method`; empty without interceptors.
    package var path: String { interception?.path ?? "" }
    /// When the client gives the call up; nil also without interceptors.
    package var deadline: NIODeadline? { interception?.deadline }
    /// When the call was asked for.
    package var startTime: NIODeadline { interception?.startTime ?? .uptimeNanoseconds(0) }
    /// The call's own span, set by the interceptor that traces.
    package var span: CallSpan? {
        get { interception?.span }
        set { interception?.span = newValue }
    }

    /// Throws the error of the interceptor that refuses the call.
    func start(
        _ interceptors: ClientInterceptors,
        path: String,
        deadline: NIODeadline?,
        _ metadata: inout Metadata
    ) throws {
        interception = ClientInterception(
            interceptors: interceptors,
            path: path,
            deadline: deadline
        )
        if !interceptors.ofMessages.isEmpty { noteSizes() }
        for (index, interceptor) in interceptors.all.enumerated() {
            interception?.started = index + 1
            try interceptor.started(self, &metadata)
        }
    }

    func endInterceptors(_ status: GRPCStatus) {
        while let interception, interception.started > 0 {
            self.interception?.started -= 1
            interception.interceptors.all[interception.started - 1].ended(self, status)
        }
    }

    func told(sent frame: GRPCFrame) {
        guard let interception else { return }
        for interceptor in interception.interceptors.ofMessages {
            interceptor.sent(messageBytes: frame.messageBytes, self)
        }
    }

    func told(received sizes: [Int]) {
        guard let interception, !sizes.isEmpty else { return }
        for size in sizes {
            for interceptor in interception.interceptors.ofMessages {
                interceptor.received(messageBytes: size, self)
            }
        }
    }
}
