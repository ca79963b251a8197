import NIOCore
import Testing

@testable import HTTP2

/// A server's connection against clients that do what is allowed, but far too often.
struct HTTP2FloodTests {
    /// One kind of flood: how it looks on the wire and what ends it.
    struct Flood: CustomTestStringConvertible {
        let rule: EndingRule
        /// What our opening has used up of the limit.
        var spent = 0
        let limit: @Sendable (inout HTTP2Configuration, Rate) -> Void
        var prelude: [UInt8] = []
        /// The nth piece of the flood.
        let piece: @Sendable (Int) -> [UInt8]

        var testDescription: String { rule.rawValue }
    }

    private static let resetPayload = Bytes.number(8)

    static let floods = [
        Flood(rule: .pingFlood, limit: { $0.floods.pings = $1 }, piece: { _ in Bytes.ping }),
        Flood(
            rule: .pingFlood,
            limit: { $0.floods.pings = $1 },
            // Acknowledgements of PINGs that we never sent.
            piece: { _ in Bytes.frame(6, flags: 1, payload: [0, 0, 0, 0, 0, 0, 0, 0]) }
        ),
        Flood(
            rule: .settingsFlood,
            spent: 2,
            limit: { $0.floods.settings = $1 },
            piece: { _ in Bytes.settings }
        ),
        Flood(
            rule: .priorityFlood,
            limit: { $0.floods.priorities = $1 },
            piece: { Bytes.frame(2, stream: 2 * $0 + 1, payload: [0, 0, 0, 0, 1]) }
        ),
        Flood(
            rule: .windowUpdateFlood,
            limit: { $0.floods.windowUpdates = $1 },
            piece: { _ in Bytes.frame(8, payload: Bytes.number(1)) }
        ),
        Flood(
            rule: .windowUpdateFlood,
            limit: { $0.floods.windowUpdates = $1 },
            prelude: Bytes.request(1) + Bytes.frame(3, stream: 1, payload: resetPayload),
            // Of a stream that is gone.
            piece: { _ in Bytes.frame(8, stream: 1, payload: Bytes.number(1)) }
        ),
        Flood(
            rule: .emptyFrameFlood,
            limit: { $0.floods.emptyFrames = $1 },
            prelude: Bytes.request(1),
            piece: { _ in Bytes.frame(0, stream: 1) }
        ),
        Flood(
            rule: .emptyFrameFlood,
            limit: { $0.floods.emptyFrames = $1 },
            prelude: Bytes.request(1),
            // Nothing but padding.
            piece: { _ in Bytes.frame(0, flags: 8, stream: 1, payload: [2, 0, 0]) }
        ),
        Flood(
            rule: .otherFrameFlood,
            limit: { $0.floods.otherFrames = $1 },
            prelude: Bytes.request(1),
            piece: { _ in Bytes.frame(7, payload: Bytes.number(0) + Bytes.number(0)) }
        ),
        Flood(
            rule: .resetFlood,
            limit: { $0.floods.resets = $1 },
            piece: {
                Bytes.request(2 * $0 + 1)
                    + Bytes.frame(3, stream: 2 * $0 + 1, payload: resetPayload)
            }
        ),
        Flood(
            rule: .refusedStreamFlood,
            limit: {
                $0.floods.refusedStreams = $1
                $0.maximumConcurrentStreams = 1
            },
            prelude: Bytes.request(1),
            piece: { Bytes.request(2 * $0 + 3) }
        ),
        Flood(
            rule: .streamErrorFlood,
            limit: { $0.floods.streamErrors = $1 },
            // A field without a name.
            piece: {
                Bytes.frame(
                    1,
                    flags: 5,
                    stream: 2 * $0 + 1,
                    payload: Bytes.block(Bytes.requestFields + [("", "x")])
                )
            }
        ),
        Flood(
            rule: .streamErrorFlood,
            limit: { $0.floods.streamErrors = $1 },
            // A window too large makes us reset the stream that we have begun to serve.
            piece: {
                Bytes.request(2 * $0 + 1)
                    + Bytes.frame(8, stream: 2 * $0 + 1, payload: Bytes.number(0x7FFF_FFFF))
            }
        ),
    ]

    @Test(arguments: floods)
    func `a flood ends its connection one past the limit`(flood: Flood) throws {
        var configuration = HTTP2Configuration()
        flood.limit(&configuration, Rate(burst: 40, perSecond: 1))
        let server = try EmbeddedServer(configuration)
        try server.open()
        try server.receive(flood.prelude)
        for count in 0..<40 - flood.spent { try server.receive(flood.piece(count)) }
        let before = try server.frames()
        let endedBefore = server.ended(by: flood.rule)
        try server.receive(flood.piece(40))
        let after = try server.frames()
        let wasOpen = server.channel.isActive
        try server.receive(flood.piece(41))
        server.loop.advanceTime(by: configuration.goodbyeLinger)

        #expect(!before.contains { $0.type == 7 })
        #expect(endedBefore == 0)
        let goaway = try #require(after.last)
        #expect(goaway.type == 7)
        #expect(goaway.number(at: 4) == HTTP2ErrorCode.enhanceYourCalm.rawValue)
        #expect(
            String(decoding: goaway.payload.dropFirst(8), as: UTF8.self)
                == flood.rule.text.description
        )
        #expect(server.ended(by: flood.rule) == 1)
        #expect(server.counters.values["http2_connections_closed"] == 1)
        #expect(server.connection.liveStreams == 0)
        #expect(server.accepted.allSatisfy { $0.end != nil })
        #expect(wasOpen && !server.channel.isActive)
    }

    @Test(arguments: floods)
    func `what comes slowly is no flood`(flood: Flood) throws {
        var configuration = HTTP2Configuration()
        configuration.keepaliveInterval = nil
        flood.limit(&configuration, Rate(burst: 5, perSecond: 10))
        let server = try EmbeddedServer(configuration)
        try server.open()
        try server.receive(flood.prelude)
        for count in 0..<200 {
            server.loop.advanceTime(by: .milliseconds(100))
            try server.receive(flood.piece(count))
            _ = try server.frames()
        }
        #expect(server.channel.isActive)
        #expect(server.ended(by: flood.rule) == 0)
        #expect(server.connection.liveStreams <= 1)
    }

    @Test func `too many CONTINUATIONs end the connection`() throws {
        var configuration = HTTP2Configuration()
        configuration.maximumContinuations = 3
        let allowed = try EmbeddedServer(configuration)
        let flooded = try EmbeddedServer(configuration)
        let headers = Bytes.frame(1, stream: 1, payload: Bytes.block(Bytes.requestFields))
        let continuation = Bytes.frame(9, stream: 1)
        for server in [allowed, flooded] {
            try server.open()
            try server.receive(headers, continuation, continuation)
        }
        try allowed.receive(Bytes.frame(9, flags: 4, stream: 1))
        try flooded.receive(continuation, continuation)
        let goaway = try flooded.frames().last
        #expect(allowed.accepted.first?.headers.count == 1)
        #expect(allowed.ended(by: .continuationFlood) == 0)
        #expect(goaway?.type == 7)
        #expect(goaway?.number(at: 4) == HTTP2ErrorCode.enhanceYourCalm.rawValue)
        #expect(flooded.ended(by: .continuationFlood) == 1)
        #expect(flooded.accepted.first?.headers.isEmpty == true)
    }

    /// A field that is sent once and then referred to with a single byte each time.
    private func bomb(references: Int) -> [UInt8] {
        // Literal with incremental indexing, 4,000 bytes of value: in the dynamic table at 62.
        let value = [UInt8](repeating: 118, count: 3900)
        var length: [UInt8] = [127]
        var rest = value.count - 127
        while rest >= 128 {
            length.append(UInt8(rest & 0x7F) | 0x80)
            rest >>= 7
        }
        length.append(UInt8(rest))
        let field: [UInt8] = [0x40, 1, 120] + length + value
        let block =
            Bytes.block(Bytes.requestFields) + field + [UInt8](repeating: 0xBE, count: references)
        return Bytes.frame(1, flags: 5, stream: 1, payload: block)
    }

    @Test func `a few bytes that stand for a huge header list end the connection`() throws {
        let server = try EmbeddedServer()
        try server.open()
        try server.receive(bomb(references: 10_000))
        let goaway = try server.frames().last
        #expect(goaway?.type == 7)
        #expect(goaway?.number(at: 4) == HTTP2ErrorCode.enhanceYourCalm.rawValue)
        #expect(server.ended(by: .headerBlock) == 1)
        #expect(server.connection.incomingHeaders.listSize <= 16 * 1024)
    }

    @Test func `a header list somewhat over the limit is answered`() throws {
        let server = try EmbeddedServer()
        try server.open()
        try server.receive(bomb(references: 10))
        let frames = try server.frames()
        #expect(frames.contains { $0.type == 1 && $0.stream == 1 })
        #expect(server.counters.values["http2_header_lists_too_large"] == 1)
        #expect(server.ended(by: .headerBlock) == 0)
        #expect(server.channel.isActive)
    }

    @Test func `what a flooder sends after its GOAWAY is not looked at`() throws {
        var configuration = HTTP2Configuration()
        configuration.floods.pings = Rate(burst: 1, perSecond: 1)
        let server = try EmbeddedServer(configuration)
        try server.open()
        try server.receive(Bytes.ping, Bytes.ping, Bytes.request(1), Bytes.request(3))
        try server.receive(Bytes.request(5))
        let frames = try server.frames()
        #expect(frames.last?.type == 7)
        #expect(server.accepted.isEmpty)
        #expect(server.counters.values["http2_protocol_violations"] == 0)
    }
}
