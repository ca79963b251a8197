import Foundation
import NIOCore

/// W3C trace context on both sides: calls that are served continue the client's trace or begin one,
/// and calls that are made tell the server of it.
///
/// A client call belongs to the trace of the call that is being served around it
/// (`CallContext.current`) or begins one; metadata that already has a `traceparent` is left alone.
/// Spans of sampled traces go to the sink when their calls have ended. One object can serve any
/// number of servers and clients.
package final class Tracing: Sendable {
    /// Of the traces that begin here, how many are sampled; a trace that came is sampled as it says.
    package struct Sampling: Sendable {
        /// Traces whose low bits are below it.
        fileprivate let limit: UInt64

        package static let all = Sampling(limit: .max)
        package static let none = Sampling(limit: 0)

        /// One of so many traces.
        ///
        /// - Precondition: at least 1.
        package static func oneIn(_ traces: UInt64) -> Sampling {
            precondition(traces > 0, "one trace of none")
            return Sampling(limit: .max / traces)
        }
    }

    private let sampling: Sampling
    private let ids: TraceIDs
    private let sink: any SpanSink
    private let unixNanoseconds: @Sendable () -> UInt64

    package init(
        sampling: Sampling = .all,
        sink: any SpanSink,
        seed: UInt64 = .random(in: .min ... .max),
        unixNanoseconds: @escaping @Sendable () -> UInt64 = systemUnixNanoseconds
    ) {
        self.sampling = sampling
        self.ids = TraceIDs(seed: seed)
        self.sink = sink
        self.unixNanoseconds = unixNanoseconds
    }

    /// A span under `parent`, or the first of a new trace.
    private func span(under parent: TraceContext?) -> CallSpan {
        if let parent {
            return CallSpan(context: parent.with(spanID: ids.spanID()), parent: parent.spanID)
        }
        let id = ids.traceID()
        let context = TraceContext(
            traceID: id,
            spanID: ids.spanID(),
            isSampled: sampling.limit == .max || id.low < sampling.limit
        )
        return CallSpan(context: context, parent: nil)
    }

    private func record(
        _ span: CallSpan?,
        _ kind: Span.Kind,
        path: @autoclosure () -> String,
        since start: NIODeadline,
        _ status: GRPCStatus
    ) {
        guard let span, span.context.isSampled else { return }
        let elapsed = NIODeadline.now() - start
        let end = unixNanoseconds()
        sink.record(
            Span(
                context: span.context,
                parent: span.parent,
                kind: kind,
                name: String(path().drop { $0 == "/" }.prefix(Self.maximumNameCharacters)),
                startUnixNanoseconds: end - min(end, UInt64(max(0, elapsed.nanoseconds))),
                duration: Duration(elapsed),
                status: status.code
            )
        )
    }

    /// A client chooses the path of a call to an unknown method.
    private static let maximumNameCharacters = 256
}

extension Tracing: ServerInterceptor {
    package func started(_ call: ServerCall) {
        call.span = span(under: TraceContext(of: call))
    }

    package func ended(_ call: ServerCall, _ status: GRPCStatus) {
        record(call.span, .server, path: call.path, since: call.startTime, status)
    }
}

extension Tracing: ClientInterceptor {
    package func started(_ call: ClientCall, _ metadata: inout Metadata) {
        guard metadata.texts("traceparent").isEmpty else { return }
        let span = span(under: CallContext.current?.trace)
        call.span = span
        metadata.add("traceparent", span.context.parent)
        let state = span.context.state
        if !state.isEmpty { metadata.add("tracestate", state.text) }
    }

    package func ended(_ call: ClientCall, _ status: GRPCStatus) {
        record(call.span, .client, path: call.path, since: call.startTime, status)
    }
}

extension TraceContext {
    /// What the client said of its span; nil when it said nothing or nothing valid.
    init?(of call: ServerCall) {
        var parents = 0
        var context: TraceContext?
        var joinedState: [UInt8] = []
        call.forEachHeader { name, value in
            switch name.count {
            case 11 where name.equals("traceparent"):
                parents += 1
                context = TraceContext(parent: value)
            case 10 where name.equals("tracestate"):
                if !joinedState.isEmpty { joinedState.append(UInt8(ascii: ",")) }
                joinedState.append(contentsOf: value)
            default:
                break
            }
        }
        // Two of them contradict each other.
        guard parents == 1, let context else { return nil }
        self = context
        if !joinedState.isEmpty, let state = TraceState(joined: joinedState) { self.state = state }
    }
}

/// The system's clock, in nanoseconds since 1970.
package func systemUnixNanoseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
