import NIOCore

/// Makes steps of an input's bytes, most of them well-formed frames.
struct FuzzScript {
    enum Step {
        case receive([UInt8])
        case wait(TimeAmount)
        case toggleWritability
        case shutDown
    }

    // The first request takes stream 1.
    private var lastStream = -1

    mutating func next(_ input: inout FuzzInput) -> Step {
        let code = input.byte()
        let detail = input.byte()
        switch code & 15 {
        case 0, 1:
            lastStream = (lastStream + 2) & 0x7FFF_FFFF
            let method = Int(detail & 7)
            return .receive(
                FuzzFrames.request(lastStream, method: method, endStream: detail & 0x80 != 0)
            )
        case 2, 3:
            let payload = input.take(Int(detail))
            let message = [0] + FuzzFrames.number(payload.count) + payload
            let flags = code >> 4 & 1
            return .receive(
                FuzzFrames.frame(0, flags: flags, stream: stream(code), payload: message)
            )
        case 4:
            let payload = input.take(Int(detail))
            return .receive(
                FuzzFrames.frame(0, flags: code >> 4, stream: stream(code), payload: payload)
            )
        case 5:
            return .receive(
                FuzzFrames.frame(3, stream: stream(detail), payload: FuzzFrames.number(8))
            )
        case 6:
            let increment = FuzzFrames.number(1 << Int(detail & 31))
            let target = code & 0x80 == 0 ? 0 : stream(code)
            return .receive(FuzzFrames.frame(8, stream: target, payload: increment))
        case 7:
            let settings = [0, detail & 7] + input.take(4)
            return .receive(FuzzFrames.frame(4, payload: settings.count == 6 ? settings : []))
        case 8: return .receive(FuzzFrames.frame(6, flags: detail & 1, payload: input.take(8)))
        case 9:
            lastStream = (lastStream + 2) & 0x7FFF_FFFF
            return .receive(
                FuzzFrames.frame(
                    1,
                    flags: code >> 4,
                    stream: lastStream,
                    payload: input.take(Int(detail))
                )
            )
        case 10:
            return .receive(
                FuzzFrames.frame(
                    9,
                    flags: code >> 4,
                    stream: lastStream,
                    payload: input.take(Int(detail))
                )
            )
        case 11: return .receive(input.take(Int(detail)))
        case 12:
            return .receive(
                FuzzFrames.frame(
                    input.byte(),
                    flags: input.byte(),
                    stream: stream(code),
                    payload: input.take(Int(detail))
                )
            )
        case 13: return .wait(.seconds(Int64(detail)))
        case 14: return .toggleWritability
        default:
            if detail & 3 == 0 { return .shutDown }
            return .receive(FuzzFrames.frame(6, flags: 1, payload: Array("meridian".utf8)))
        }
    }

    /// One of the last four streams.
    private func stream(_ choice: UInt8) -> Int {
        max(lastStream - 2 * Int(choice >> 5 & 3), 1)
    }
}

/// Frames of HTTP/2 as a client sends them.
enum FuzzFrames {
    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
    static let opening = preface + frame(4) + frame(4, flags: 1)

    static func frame(
        _ type: UInt8,
        flags: UInt8 = 0,
        stream: Int = 0,
        payload: [UInt8] = []
    ) -> [UInt8] {
        number(payload.count).dropFirst() + [type, flags] + number(stream) + payload
    }

    /// Four bytes, the highest first.
    static func number(_ value: Int) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
    }

    static func request(_ stream: Int, method: Int, endStream: Bool) -> [UInt8] {
        let fields = [
            (":method", "POST"), (":scheme", "http"), (":path", "/f/\(method)"),
            ("te", "trailers"), ("content-type", "application/grpc"),
        ]
        var block: [UInt8] = []
        for (name, value) in fields {
            block += [0, UInt8(name.utf8.count)]
            block += Array(name.utf8)
            block.append(UInt8(value.utf8.count))
            block += Array(value.utf8)
        }
        return frame(1, flags: endStream ? 5 : 4, stream: stream, payload: block)
    }
}
