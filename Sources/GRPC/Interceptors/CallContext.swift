package import NIOCore

/// What a call hands on to the calls that are made while it is served.
///
/// Around an async handler the runtime sets `current`, when there is something to hand on, and
/// `GRPCClient` reads it. An inline handler has no task to carry it: it finds the same in
/// `ServerCall.context`. Work that is to outlive the call must not inherit its deadline: start it
/// with `Task.detached`, or with `$current` set to nil.
package struct CallContext: Sendable {
    /// When the client of the call that is being served gives up.
    package var deadline: NIODeadline?
    /// The span of the call that is being served.
    package var trace: TraceContext?

    package init(deadline: NIODeadline? = nil, trace: TraceContext? = nil) {
        self.deadline = deadline
        self.trace = trace
    }

    /// A task local of our own and no `ServiceContext`: see docs/adr/0011.
    @TaskLocal package static var current: CallContext?

    package var isEmpty: Bool { deadline == nil && trace == nil }
}
