import NIOCore

/// What a call's interceptors and its handler are told and given.
extension ServerCall {
    /// What the calls that are made on behalf of this one inherit.
    package var context: CallContext {
        CallContext(deadline: deadline, trace: span?.context)
    }

    /// Tells every interceptor, or those up to the one that refuses the call.
    func startInterceptors() -> (any Error)? {
        guard !core.interceptors.all.isEmpty else { return nil }
        startTime = .now()
        do {
            for interceptor in core.interceptors.all {
                startedInterceptors += 1
                try interceptor.started(self)
            }
            return nil
        } catch {
            return error
        }
    }

    func endInterceptors(_ status: GRPCStatus) {
        while startedInterceptors > 0 {
            startedInterceptors -= 1
            core.interceptors.all[startedInterceptors].ended(self, status)
        }
    }

    func told(received sizes: [Int]) {
        for size in sizes {
            for interceptor in core.interceptors.ofMessages {
                interceptor.received(messageBytes: size, self)
            }
        }
    }

    func told(sent frame: GRPCFrame) {
        for interceptor in core.interceptors.ofMessages {
            interceptor.sent(messageBytes: frame.messageBytes, self)
        }
    }

    /// True when an async handler inherits nothing and nobody wants to run around it.
    var isServedPlainly: Bool {
        deadline == nil && span == nil && core.interceptors.ofHandlers.isEmpty
    }

    /// Runs an async handler with what it inherits, inside the interceptors that want that.
    func serve(_ handler: () async throws -> Void) async throws {
        let context = context
        guard !context.isEmpty else { return try await core.interceptors.run(self, handler) }
        try await CallContext.$current.withValue(context) {
            try await core.interceptors.run(self, handler)
        }
    }
}
