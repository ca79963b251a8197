import GRPC
import Glibc
import HTTP2
import NIOCore
import Primitives
import Testing

/// Our server, with its default limits, against clients that want it to fall over.
///
/// In each test another client is served meanwhile.
@Suite(.timeLimit(.minutes(10)), .serialized)
struct AbuseTests {
    /// What an attacker repeats, and what ends it.
    struct Flood: CustomTestStringConvertible {
        let rule: EndingRule
        var settings = Wire.settings
        var prelude: [UInt8] = []
        /// The nth piece.
        let piece: @Sendable (UInt32) -> [UInt8]

        var testDescription: String { rule.rawValue }
    }

    private static let echo = Wire.request("/test.Echo/Bytes")

    static let floods = [
        Flood(rule: .resetFlood) {
            Wire.headers(2 * $0 + 1, echo) + Wire.reset(2 * $0 + 1, 8)
        },
        Flood(rule: .continuationFlood, prelude: Wire.frame(1, stream: 1)) { _ in
            Wire.frame(9, stream: 1)
        },
        Flood(rule: .pingFlood) { _ in Wire.frame(6, payload: [1, 2, 3, 4, 5, 6, 7, 8]) },
        Flood(rule: .settingsFlood) { _ in Wire.settings },
        Flood(rule: .emptyFrameFlood, prelude: Wire.headers(1, echo)) { _ in Wire.data(1, []) },
        Flood(rule: .windowUpdateFlood) { _ in Wire.windowUpdate(0, 1) },
        Flood(rule: .priorityFlood) {
            Wire.frame(2, stream: 2 * $0 + 1, payload: [0, 0, 0, 0, 16])
        },
        Flood(rule: .otherFrameFlood, prelude: Wire.headers(1, echo)) { _ in
            Wire.goaway(last: 0)
        },
        Flood(rule: .streamErrorFlood) {
            Wire.headers(2 * $0 + 1, echo + [("", "x")], endStream: true)
        },
        Flood(rule: .refusedStreamFlood) { Wire.headers(2 * $0 + 1, echo) },
        // 64 KiB for each request, and windows that stay closed.
        Flood(rule: .queuedBytes, settings: Wire.settings([(id: 4, value: 0)])) {
            Wire.headers(2 * $0 + 1, Wire.request("/test.Large/Get"))
                + Wire.data(2 * $0 + 1, Wire.message([]), endStream: true)
        },
    ]

    private static func methods(_ methods: inout MethodTable) {
        EchoMethods.register(in: &methods)
        methods.add(
            "test.Large",
            "Get",
            .inlineUnary { _, _ in GRPCFrame(bytes: [UInt8](repeating: 1, count: 64 * 1024)) }
        )
    }

    @Test(arguments: floods)
    func `a flood is ended by its rule and costs no other client anything`(
        flood: Flood
    ) async throws {
        var configuration = GRPCServerConfiguration.testing
        // With it, responses alone would be refused before they are too many.
        configuration.http2.queuedBytesRefusingStreams = 1 << 30
        configuration.http2.maximumQueuedBytes = 16 * 1024 * 1024
        try await Loopback.run(server: configuration, methods: Self.methods) { loopback in
            let _: Text = try await loopback.client.unary("/test.Echo/Unary", Text("warm"))
            let before = residentBytes()
            let peer = try await RawPeer.connect(to: loopback.address)
            try await peer.openAsClient(flood.settings)
            let channel = peer.channel
            async let sent = send(flood, to: channel)
            async let served = serve(loopback, calls: 50)
            let goaway = await peer.nextFrame(type: 7)
            let afterGoodbye = residentBytes()
            _ = await peer.bytesUntilClosed()
            let calls = try await served
            _ = await sent
            let counters = loopback.server.counters
            #expect(calls == 50)
            #expect(goaway?.errorCode == HTTP2ErrorCode.enhanceYourCalm.rawValue)
            #expect(
                goaway.map { String(decoding: $0.payload.dropFirst(8), as: UTF8.self) }
                    == flood.rule.text.description
            )
            #expect(counters[flood.rule.counter] == 1)
            // Unbounded it would be 4 GB. Other tests run in this process, so the rest is room for
            // what they take meanwhile; the other floods make nothing that could show beside it.
            if flood.rule == .queuedBytes { #expect(afterGoodbye - before < 512 * 1024 * 1024) }
            #expect(loopback.server.openConnections == 1)
        }
    }

    /// Floods until the connection takes no more.
    private func send(_ flood: Flood, to channel: any Channel) async {
        do {
            try await channel.writeAndFlush(ByteBuffer(bytes: flood.prelude)).get()
            for round in 0..<600 as Range<UInt32> {
                let bytes = (0..<100).flatMap { flood.piece(round * 100 + $0) }
                try await channel.writeAndFlush(ByteBuffer(bytes: bytes)).get()
            }
        } catch {
            // The server has closed.
        }
    }

    private func serve(_ loopback: Loopback, calls: Int) async throws -> Int {
        var served = 0
        for count in 0..<calls {
            let answer: Text = try await loopback.client.unary("/test.Echo/Unary", Text("\(count)"))
            if answer.value == "echo \(count)" { served += 1 }
        }
        return served
    }

    /// Runs `attack` on a connection of its own until the server closes that, another client served
    /// meanwhile.
    private func expectEnd(
        by rule: EndingRule,
        _ change: (inout HTTP2Configuration) -> Void,
        attack: (RawPeer) async throws -> Void
    ) async throws {
        var configuration = GRPCServerConfiguration.testing
        change(&configuration.http2)
        try await Loopback.run(server: configuration, methods: Self.methods) { loopback in
            let peer = try await RawPeer.connect(to: loopback.address, receiveBufferBytes: 4096)
            try await attack(peer)
            async let served = serve(loopback, calls: 50)
            try await peer.channel.closeFuture.get()
            let calls = try await served
            #expect(calls == 50)
            #expect(loopback.server.counters[rule.counter] == 1)
        }
    }

    @Test func `a client that says nothing is closed`() async throws {
        try await expectEnd(by: .prefaceTimeout) {
            $0.prefaceTimeout = .milliseconds(100)
            $0.goodbyeLinger = .milliseconds(10)
        } attack: { peer in
            try await peer.channel.setOption(.autoRead, value: true).get()
        }
    }

    @Test func `headers that drip are ended`() async throws {
        try await expectEnd(by: .headerTimeout) {
            $0.headerTimeout = .milliseconds(300)
            $0.goodbyeLinger = .milliseconds(10)
        } attack: { peer in
            try await peer.channel.setOption(.autoRead, value: true).get()
            try await peer.openAsClient()
            let headers = Wire.headers(1, Self.echo)
            for byte in headers.prefix(40) { try await peer.send([byte]) }
        }
    }

    @Test func `a client that never opens its windows is ended`() async throws {
        try await expectEnd(by: .stalled) {
            $0.stalledTimeout = .milliseconds(300)
            $0.goodbyeLinger = .milliseconds(10)
        } attack: { peer in
            try await peer.channel.setOption(.autoRead, value: true).get()
            try await peer.openAsClient(Wire.settings([(id: 4, value: 0)]))
            for stream in stride(from: 1, to: 41, by: 2) as StrideTo<UInt32> {
                try await peer.send(
                    Wire.headers(stream, Wire.request("/test.Large/Get")),
                    Wire.data(stream, Wire.message([]), endStream: true)
                )
            }
        }
    }

    @Test func `a client that never reads its socket is ended`() async throws {
        var configuration = GRPCServerConfiguration.testing
        configuration.http2.notReadingTimeout = .milliseconds(300)
        configuration.http2.goodbyeLinger = .milliseconds(10)
        try await Loopback.run(server: configuration, methods: Self.methods) { loopback in
            let peer = try await RawPeer.connect(to: loopback.address, receiveBufferBytes: 4096)
            try await peer.send(
                Wire.preface,
                Wire.settings([(id: 4, value: 0x7FFF_FFFF)]),
                Wire.windowUpdate(0, 0x7FFF_0000),
                Wire.settingsAcknowledged
            )
            for stream in stride(from: 1, to: 401, by: 2) as StrideTo<UInt32> {
                try await peer.send(
                    Wire.headers(stream, Wire.request("/test.Large/Get")),
                    Wire.data(stream, Wire.message([]), endStream: true)
                )
            }
            var answers = 0
            repeat {
                answers += try await serve(loopback, calls: 10)
            } while loopback.server.counters[EndingRule.notReading.counter] == 0
            while loopback.server.openConnections > 1 {
                answers += try await serve(loopback, calls: 1)
            }
            await peer.close()
            #expect(answers >= 10)
            #expect(loopback.server.counters[EndingRule.notReading.counter] == 1)
        }
    }

    @Test func `calls go on over connections that idle and age`() async throws {
        var configuration = GRPCServerConfiguration.testing
        configuration.http2.maximumConnectionAge = .milliseconds(100)
        configuration.http2.connectionAgeGrace = .seconds(20)
        try await Loopback.run(server: configuration, methods: Self.methods) { loopback in
            var answers = 0
            while loopback.server.counters[EndingRule.age.counter, default: 0] < 3 {
                answers += try await serve(loopback, calls: 10)
            }
            let counters = loopback.server.counters
            #expect(answers > 0 && answers % 10 == 0)
            #expect(counters["http2_connections_accepted", default: 0] >= 3)
            #expect(counters["grpc_calls_failed"] == 0 && counters["grpc_calls_cancelled"] == 0)
            #expect(counters[EndingRule.ageGrace.counter] == 0)
        }
    }

    @Test func `an idle client finds a new connection for its next call`() async throws {
        var configuration = GRPCServerConfiguration.testing
        configuration.http2.maximumConnectionIdle = .milliseconds(50)
        try await Loopback.run(server: configuration, methods: Self.methods) { loopback in
            let before = try await serve(loopback, calls: 1)
            while loopback.server.openConnections > 0 { await Task.yield() }
            let after = try await serve(loopback, calls: 1)
            #expect(before + after == 2)
            #expect(loopback.server.counters["http2_connections_accepted"] == 2)
            #expect(loopback.server.counters[EndingRule.idle.counter] == 1)
        }
    }
}

/// What the process has in memory (Linux).
private func residentBytes() -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 128)
    guard fgets(&line, Int32(line.count), file) != nil else { return 0 }
    let text = String(decoding: line.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let fields = text.split(separator: " ")
    return fields.count > 1 ? (Int(fields[1]) ?? 0) * 4096 : 0
}
