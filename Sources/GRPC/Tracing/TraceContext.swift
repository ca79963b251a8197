/// One span's place in a trace, as `traceparent` and `tracestate` carry it
/// (https://www.w3.org/TR/trace-context/).
///
/// A value without I/O: parsing takes bytes from the network and never traps, formatting gives
/// version 00.
package struct TraceContext: Hashable, Sendable {
    /// The 16 bytes that all spans of a trace share; not all zero.
    package struct TraceID: Hashable, Sendable {
        package let high: UInt64
        package let low: UInt64

        /// Nil for the one value that is invalid.
        package init?(high: UInt64, low: UInt64) {
            guard high | low != 0 else { return nil }
            self.high = high
            self.low = low
        }
    }

    /// The 8 bytes of one span; not all zero.
    package struct SpanID: Hashable, Sendable {
        package let value: UInt64

        /// Nil for the one value that is invalid.
        package init?(_ value: UInt64) {
            guard value != 0 else { return nil }
            self.value = value
        }
    }

    package let traceID: TraceID
    package private(set) var spanID: SpanID
    /// The caller may have recorded the trace, and so should we.
    package let isSampled: Bool
    /// What other tracing systems want carried along, as `TraceState` lets it pass; often empty.
    package var state: TraceState

    package init(
        traceID: TraceID,
        spanID: SpanID,
        isSampled: Bool,
        state: TraceState = TraceState()
    ) {
        self.traceID = traceID
        self.spanID = spanID
        self.isSampled = isSampled
        self.state = state
    }

    /// The same trace, seen from another span.
    package func with(spanID: SpanID) -> TraceContext {
        var other = self
        other.spanID = spanID
        return other
    }
}

extension TraceContext {
    /// Length of a `traceparent` of version 00: `00-` 32 hex `-` 16 hex `-` 2 hex.
    static let parentLength = 55

    /// Reads a `traceparent`; nil when it is malformed, which starts a new trace.
    ///
    /// A later version may be longer and is read as far as version 00 defines it (section 3.2.4);
    /// version ff is invalid. Of the flags only "sampled" is known, and goes on (section 3.2.2.5).
    package init?(parent: some Collection<UInt8>, state: TraceState = TraceState()) {
        var fields = HexFields(parent)
        guard let version = fields.next(digits: 2), version != 0xff, fields.skip("-"),
            let high = fields.next(digits: 16), let low = fields.next(digits: 16),
            fields.skip("-"),
            let span = fields.next(digits: 16), fields.skip("-"),
            let flags = fields.next(digits: 2),
            fields.isAtEnd || (version > 0 && fields.skip("-")),
            let traceID = TraceID(high: high, low: low), let spanID = SpanID(span)
        else { return nil }
        self.init(traceID: traceID, spanID: spanID, isSampled: flags & 1 == 1, state: state)
    }

    /// The `traceparent` that tells the peer of this span.
    package var parent: String {
        String(unsafeUninitializedCapacity: Self.parentLength) { bytes in
            var end = 0
            func write(_ byte: UInt8) {
                bytes[end] = byte
                end += 1
            }
            func write(_ value: UInt64, digits: Int) {
                for digit in (0..<digits).reversed() {
                    let nibble = UInt8(truncatingIfNeeded: value >> (UInt64(digit) * 4)) & 0xf
                    write(nibble < 10 ? 0x30 + nibble : 0x57 + nibble)
                }
            }
            write(0, digits: 2)
            write(UInt8(ascii: "-"))
            write(traceID.high, digits: 16)
            write(traceID.low, digits: 16)
            write(UInt8(ascii: "-"))
            write(spanID.value, digits: 16)
            write(UInt8(ascii: "-"))
            write(isSampled ? 1 : 0, digits: 2)
            return end
        }
    }
}

/// Reads fixed-width fields of lower-case hexadecimal digits; upper case is malformed.
private struct HexFields<Bytes: Collection<UInt8>> {
    private var rest: Bytes.SubSequence

    init(_ bytes: Bytes) {
        self.rest = bytes[...]
    }

    var isAtEnd: Bool { rest.isEmpty }

    mutating func next(digits: Int) -> UInt64? {
        var value: UInt64 = 0
        for _ in 0..<digits {
            guard let digit = rest.popFirst() else { return nil }
            switch digit {
            case 0x30...0x39: value = value << 4 | UInt64(digit - 0x30)
            case 0x61...0x66: value = value << 4 | UInt64(digit - 0x57)
            default: return nil
            }
        }
        return value
    }

    mutating func skip(_ character: Unicode.Scalar) -> Bool {
        rest.popFirst() == UInt8(ascii: character)
    }
}
