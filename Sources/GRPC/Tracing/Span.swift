import DequeModule
import Synchronization

/// The span that a call is while it lasts.
package struct CallSpan: Hashable, Sendable {
    package let context: TraceContext
    /// The span that this one is part of; nil for the first of a trace.
    package let parent: TraceContext.SpanID?
}

/// One call that was served or made, as it is handed to whoever exports traces.
package struct Span: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        case server
        case client
    }

    package let context: TraceContext
    /// The span that this one is part of; nil for the first of a trace.
    package let parent: TraceContext.SpanID?
    package let kind: Kind
    /// `package.Service/Method`, as OpenTelemetry names spans of RPCs.
    package let name: String
    /// When it began, in nanoseconds since 1970.
    package let startUnixNanoseconds: UInt64
    package let duration: Duration
    package let status: GRPCStatusCode
}

/// Where spans go when their calls have ended.
package protocol SpanSink: Sendable {
    /// Called on an event loop: it may neither block nor keep the caller long.
    func record(_ span: Span)
}

/// The spans that an exporter has not taken yet, up to a limit.
///
/// Spans that find it full are dropped and counted: calls never wait for an exporter.
package final class SpanBuffer: SpanSink {
    private struct State {
        var spans = Deque<Span>()
        var dropped: UInt64 = 0
    }

    package let maximumSpans: Int
    private let state = Mutex(State())

    package init(maximumSpans: Int = 2048) {
        self.maximumSpans = maximumSpans
    }

    /// Spans that found the buffer full since the start.
    package var dropped: UInt64 { state.withLock { $0.dropped } }

    package func record(_ span: Span) {
        state.withLock { state in
            if state.spans.count < maximumSpans {
                state.spans.append(span)
            } else {
                state.dropped += 1
            }
        }
    }

    /// Takes the oldest spans out.
    package func take(atMost maximum: Int = .max) -> [Span] {
        state.withLock { state in
            let taken = Array(state.spans.prefix(maximum))
            state.spans.removeFirst(taken.count)
            return taken
        }
    }
}
