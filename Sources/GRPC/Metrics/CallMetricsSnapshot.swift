/// The calls that were counted up to one moment.
package struct CallMetricsSnapshot: Sendable {
    package struct Method: Sendable {
        /// `package.Service/Method`.
        package let name: String
        package let started: UInt64
        /// By status, in the order of the codes; those that never came are missing.
        package let outcomes: [Outcome]

        package var ended: UInt64 { outcomes.reduce(0) { $0 + $1.count } }
        package var inFlight: UInt64 { started - min(started, ended) }
    }

    /// The calls of a method that ended with the same status.
    package struct Outcome: Sendable {
        package let code: GRPCStatusCode
        package let count: UInt64
        /// In microseconds.
        package let duration: HistogramValues
        /// Payload bytes of a call, as on the wire.
        package let sentBytes: HistogramValues
        package let receivedBytes: HistogramValues
        package let sentMessages: UInt64
        package let receivedMessages: UInt64
    }

    package let side: CallMetricsSide
    /// Sorted by name; those that were never called are missing.
    package let methods: [Method]

    package subscript(_ name: String) -> Method? { methods.first { $0.name == name } }
}

extension CallMetricsSnapshot.Method {
    init(name: String, _ values: MethodValues) {
        self.name = name
        self.started = values.started
        self.outcomes = values.outcomes.sorted { $0.key < $1.key }
            .map { code, values in
                CallMetricsSnapshot.Outcome(
                    code: GRPCStatusCode(rawValue: code),
                    count: values.duration.count,
                    duration: values.duration,
                    sentBytes: values.sentBytes,
                    receivedBytes: values.receivedBytes,
                    sentMessages: values.sentMessages,
                    receivedMessages: values.receivedMessages
                )
            }
    }
}
