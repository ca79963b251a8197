/// The text format of Prometheus, version 0.0.4.
///
/// Names and labels are those of the gRPC project's OpenTelemetry metrics (gRFC A66) as Prometheus
/// spells them, for instance `grpc.server.call.duration` in seconds as
/// `grpc_server_call_duration_seconds`. The counters of messages have the names of the
/// grpc-prometheus libraries, since A66 has none.
extension CallMetricsSnapshot {
    /// - Parameter target: the `grpc_target` label of a client's series; none when it is nil.
    package func prometheusText(target: String? = nil) -> String {
        var text = PrometheusText(target: target)
        let calls = side == .server ? "grpc_server_call" : "grpc_client_attempt"
        let side = side == .server ? "grpc_server" : "grpc_client"
        text.family("\(calls)_started_total", "counter", "Calls that began.")
        for method in methods { text.sample(method, nil, method.started) }
        text.family("\(calls)s_in_flight", "gauge", "Calls that have begun and not ended.")
        for method in methods { text.sample(method, nil, method.inFlight) }
        text.family("\(calls)_duration_seconds", "histogram", "How long calls took.")
        eachOutcome { text.histogram($0, $1, $1.duration, PrometheusText.seconds) }
        text.family(
            "\(calls)_sent_total_compressed_message_size_bytes",
            "histogram",
            "Bytes of all messages that a call sent, as on the wire."
        )
        eachOutcome { text.histogram($0, $1, $1.sentBytes, PrometheusText.bytes) }
        text.family(
            "\(calls)_rcvd_total_compressed_message_size_bytes",
            "histogram",
            "Bytes of all messages that a call received, as on the wire."
        )
        eachOutcome { text.histogram($0, $1, $1.receivedBytes, PrometheusText.bytes) }
        text.family("\(side)_msg_sent_total", "counter", "Messages sent by calls that ended.")
        eachOutcome { text.sample($0, $1.code, $1.sentMessages) }
        text.family("\(side)_msg_received_total", "counter", "Messages received by ended calls.")
        eachOutcome { text.sample($0, $1.code, $1.receivedMessages) }
        return text.text
    }

    private func eachOutcome(_ body: (Method, Outcome) -> Void) {
        for method in methods {
            for outcome in method.outcomes { body(method, outcome) }
        }
    }
}

/// Puts the lines together.
private struct PrometheusText {
    private let target: String?
    private var name = ""
    private(set) var text = ""

    init(target: String?) {
        self.target = target
    }

    /// A bound of a histogram's scale and how the text has it.
    struct Bound {
        let value: UInt64
        let text: String
    }

    /// Powers of two from 16 µs to 134 s: bounds that the scale has exactly.
    static let seconds = (4...27)
        .map { bits in
            let microseconds = UInt64(1) << UInt64(bits)
            return Bound(value: microseconds, text: seconds(microseconds))
        }
    /// The bounds that gRFC A66 gives for sizes, without 0.
    static let bytes = [10, 11, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32]
        .map { bits in Bound(value: 1 << bits, text: "\(UInt64(1) << UInt64(bits))") }

    private static func seconds(_ microseconds: UInt64) -> String {
        let fraction = String(microseconds % 1_000_000)
        let zeros = String(repeating: "0", count: 6 - fraction.utf8.count)
        return "\(microseconds / 1_000_000).\(zeros)\(fraction)"
    }

    mutating func family(_ name: String, _ type: String, _ help: String) {
        self.name = name
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
    }

    mutating func sample(
        _ method: CallMetricsSnapshot.Method,
        _ code: GRPCStatusCode?,
        _ value: UInt64
    ) {
        text += "\(name){\(labels(method, code))} \(value)\n"
    }

    mutating func histogram(
        _ method: CallMetricsSnapshot.Method,
        _ outcome: CallMetricsSnapshot.Outcome,
        _ values: HistogramValues,
        _ bounds: [Bound]
    ) {
        let labels = labels(method, outcome.code)
        for bound in bounds {
            let count = values.count(upTo: bound.value)
            text += "\(name)_bucket{\(labels),le=\"\(bound.text)\"} \(count)\n"
        }
        text += "\(name)_bucket{\(labels),le=\"+Inf\"} \(values.count)\n"
        let sum = values.scale == .microseconds ? Self.seconds(values.sum) : "\(values.sum)"
        text += "\(name)_sum{\(labels)} \(sum)\n\(name)_count{\(labels)} \(values.count)\n"
    }

    private func labels(
        _ method: CallMetricsSnapshot.Method,
        _ code: GRPCStatusCode?
    ) -> String {
        var labels = "grpc_method=\"\(Self.escaped(method.name))\""
        if let target { labels += ",grpc_target=\"\(Self.escaped(target))\"" }
        if let code { labels += ",grpc_status=\"\(code)\"" }
        return labels
    }

    private static func escaped(_ value: String) -> String {
        var escaped = ""
        for character in value.unicodeScalars {
            switch character {
            case "\\": escaped += "\\\\"
            case "\"": escaped += "\\\""
            case "\n": escaped += "\\n"
            default: escaped.unicodeScalars.append(character)
            }
        }
        return escaped
    }
}
