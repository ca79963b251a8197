/// Sees the calls of a server begin and end, and may refuse them.
///
/// Everything is told on the call's event loop, for every kind of handler; nothing here may block.
/// The interceptors of a server are told of a start in the order of its configuration, and of an
/// end in the opposite one. Requests that are no gRPC (405, 415) are not told at all.
///
/// A conformance to `ServerMessageInterceptor` or `ServerHandlerInterceptor` asks for more. There
/// is no object for each call: what an interceptor wants to keep goes into the call's `context` or
/// `attachments`.
package protocol ServerInterceptor: AnyObject, Sendable {
    /// Told once by each server that is configured with it, before the server listens.
    func serving(_ methods: MethodTable)

    /// The request's headers are in and nothing has run yet.
    ///
    /// Throw to refuse the call: a `GRPCError` chooses the status. `initialMetadata` and `trailers`
    /// of the call may be added to, here and later. It is told also of calls to unknown methods,
    /// which have no `methodIndex`.
    func started(_ call: ServerCall) throws

    /// The status is decided; what is added to the call's `trailers` now still goes with it.
    ///
    /// Told once for each start that was told, whichever interceptor refused the call. CANCELLED
    /// also stands for a client that has gone.
    func ended(_ call: ServerCall, _ status: GRPCStatus)
}

extension ServerInterceptor {
    package func serving(_ methods: MethodTable) {}
    package func ended(_ call: ServerCall, _ status: GRPCStatus) {}
}

/// Also sees each message.
package protocol ServerMessageInterceptor: ServerInterceptor {
    /// A message of so many bytes has come in full; the handler may take it later.
    func received(messageBytes: Int, _ call: ServerCall)
    /// The handler sends a message of so many bytes.
    func sent(messageBytes: Int, _ call: ServerCall)
}

/// Also runs around the async handlers, in their tasks: for task locals.
///
/// Inline handlers have no task and run without it.
package protocol ServerHandlerInterceptor: ServerInterceptor {
    /// Calls `handler` once and lets its error through, or throws one of its own.
    ///
    /// The first interceptor of the configuration is the outermost.
    func around(_ call: ServerCall, _ handler: () async throws -> Void) async throws
}

/// The interceptors of one server, by what they want to see.
struct ServerInterceptors: Sendable {
    let all: [any ServerInterceptor]
    let ofMessages: [any ServerMessageInterceptor]
    let ofHandlers: [any ServerHandlerInterceptor]

    init(_ all: [any ServerInterceptor], serving methods: MethodTable) {
        self.all = all
        self.ofMessages = all.compactMap { $0 as? any ServerMessageInterceptor }
        self.ofHandlers = all.compactMap { $0 as? any ServerHandlerInterceptor }
        for interceptor in all { interceptor.serving(methods) }
    }

    /// Runs `handler` inside the interceptors from `first` on.
    func run(
        from first: Int = 0,
        _ call: ServerCall,
        _ handler: () async throws -> Void
    ) async throws {
        guard first < ofHandlers.count else { return try await handler() }
        try await ofHandlers[first].around(call) { try await run(from: first + 1, call, handler) }
    }
}

/// Values that interceptors leave on a call for its handler, one of each type.
package struct CallAttachments: Sendable {
    private var values: [ObjectIdentifier: any Sendable] = [:]

    package subscript<Value: Sendable>(type: Value.Type) -> Value? {
        get { values[ObjectIdentifier(type)] as? Value }
        set { values[ObjectIdentifier(type)] = newValue }
    }
}
