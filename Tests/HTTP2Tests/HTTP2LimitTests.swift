import NIOCore
import Primitives
import Testing

@testable import HTTP2

/// The limits of a server's connection, each at its border.
struct HTTP2LimitTests {
    private func server(
        _ change: (inout HTTP2Configuration) -> Void = { _ in }
    ) throws -> EmbeddedServer {
        var configuration = HTTP2Configuration()
        configuration.keepaliveInterval = nil
        change(&configuration)
        return try EmbeddedServer(configuration)
    }

    private func goaway(_ server: EmbeddedServer) throws -> EmbeddedServer.Frame? {
        try server.frames().last { $0.type == 7 }
    }

    // MARK: - Streams

    @Test func `the SETTINGS carry the number of streams that is meant`() throws {
        let server = try server { $0.maximumConcurrentStreams = 77 }
        let settings = try server.frames().first
        var values: [UInt8: UInt32] = [:]
        for offset in stride(from: 0, to: settings?.payload.count ?? 0, by: 6) {
            guard let id = settings?.payload[offset + 1] else { continue }
            values[id] = settings?.number(at: offset + 2)
        }
        #expect(settings?.type == 4)
        #expect(values[3] == 77)
        #expect(values[4] == 262_144)
    }

    @Test func `a stream over the acknowledged limit is refused and the connection lives`() throws {
        let server = try server { $0.maximumConcurrentStreams = 2 }
        try server.open()
        try server.receive(Bytes.request(1), Bytes.request(3))
        let atLimit = try server.frames()
        try server.receive(Bytes.request(5))
        let over = try server.frames()
        server.accepted.first?.stream?.reset(.cancel)
        _ = try server.frames()
        try server.receive(Bytes.request(7))
        let served = try server.frames()
        let refusal = EmbeddedServer.Frame(type: 3, flags: 0, stream: 5, payload: Bytes.number(7))
        #expect(atLimit.isEmpty)
        #expect(over == [refusal])
        #expect(served.isEmpty)
        #expect(server.accepted.count == 3)
        #expect(server.connection.liveStreams == 2)
        #expect(server.counters.values["http2_streams_refused"] == 1)
        #expect(server.channel.isActive)
    }

    @Test func `a refused stream's fields still count for the compression`() throws {
        let server = try server { $0.maximumConcurrentStreams = 1 }
        try server.open()
        // "x-a: b" goes into the table with the refused stream and comes out of it with the next.
        let indexed: [UInt8] = [0x40, 3] + Array("x-a".utf8) + [1] + Array("b".utf8)
        let block = Bytes.block(Bytes.requestFields)
        try server.receive(Bytes.request(1))
        try server.receive(Bytes.frame(1, flags: 4, stream: 3, payload: block + indexed))
        server.accepted.first?.stream?.reset(.cancel)
        _ = try server.frames()
        try server.receive(Bytes.frame(1, flags: 5, stream: 5, payload: block + [0xBE]))
        #expect(server.accepted.last?.headers.first?.first("x-a") == "b")
        #expect(server.channel.isActive)
    }

    @Test func `refused streams leave nothing behind`() throws {
        let server = try server { $0.maximumConcurrentStreams = 1 }
        try server.open()
        for count in 0..<2000 {
            try server.receive(Bytes.request(2 * count + 1))
            _ = try server.frames()
        }
        #expect(server.connection.liveStreams == 1)
        #expect(server.counters.values["http2_streams_refused"] == 1999)
        #expect(server.channel.isActive)
    }

    // MARK: - Bytes that wait

    /// A peer that asks on every stream and never opens a window.
    private func starve(_ server: EmbeddedServer, streams: Int, bytes: Int) throws {
        server.onRequest = { recorder in
            recorder.stream?.respond(.ok)
            recorder.stream?.send(ByteBuffer(repeating: 1, count: bytes))
        }
        // SETTINGS_INITIAL_WINDOW_SIZE 0.
        try server.open(Bytes.frame(4, payload: [0, 4] + Bytes.number(0)))
        for count in 0..<streams { try server.receive(Bytes.request(2 * count + 1)) }
    }

    @Test func `streams are refused while too much waits to be sent`() throws {
        let server = try server { $0.queuedBytesRefusingStreams = 100_000 }
        try starve(server, streams: 10, bytes: 50_000)
        let refused = try server.frames().filter { $0.type == 3 && $0.number(at: 0) == 7 }
        let queued = server.connection.queuedBytes
        // The client gives up on all it has, and may ask again.
        for count in 0..<3 {
            try server.receive(Bytes.frame(3, stream: 2 * count + 1, payload: Bytes.number(8)))
        }
        let left = server.connection.queuedBytes
        try server.receive(Bytes.request(101))
        #expect(refused.count == 7)
        #expect(queued == 150_000)
        #expect(left == 0)
        #expect(server.accepted.count == 4)
        #expect(server.channel.isActive)
    }

    @Test func `more bytes than may ever wait end the connection`() throws {
        let server = try server { $0.maximumQueuedBytes = 100_000 }
        try starve(server, streams: 2, bytes: 50_000)
        let wasActive = server.channel.isActive && server.ended(by: .queuedBytes) == 0
        server.accepted.first?.stream?.send(ByteBuffer(repeating: 1, count: 1))
        let goaway = try goaway(server)
        #expect(wasActive)
        #expect(goaway?.number(at: 4) == HTTP2ErrorCode.enhanceYourCalm.rawValue)
        #expect(server.ended(by: .queuedBytes) == 1)
        #expect(server.connection.liveStreams == 0)
        #expect(server.connection.session == nil)
    }

    @Test func `windows that never open end the connection`() throws {
        let server = try server { $0.stalledTimeout = .seconds(100) }
        try starve(server, streams: 3, bytes: 1000)
        server.loop.advanceTime(by: .seconds(99))
        let early = server.ended(by: .stalled)
        server.loop.advanceTime(by: .seconds(26))
        let goaway = try goaway(server)
        #expect(early == 0)
        #expect(goaway?.number(at: 4) == HTTP2ErrorCode.enhanceYourCalm.rawValue)
        #expect(server.ended(by: .stalled) == 1)
        #expect(server.connection.liveStreams == 0)
    }

    @Test func `a peer that takes a byte now and then stays`() throws {
        let server = try server { $0.stalledTimeout = .seconds(100) }
        try starve(server, streams: 1, bytes: 1000)
        for _ in 0..<20 {
            server.loop.advanceTime(by: .seconds(60))
            try server.receive(Bytes.frame(8, stream: 1, payload: Bytes.number(1)))
        }
        #expect(server.channel.isActive)
        #expect(server.connection.queuedBytes == 980)
        #expect(server.connection.bytesTaken == 20)
    }

    @Test func `a socket that is not read ends the connection`() throws {
        let server = try server { $0.notReadingTimeout = .seconds(40) }
        try server.open()
        server.channel.isWritable = false
        server.onRequest = { $0.stream?.respond(.ok, endStream: true) }
        try server.receive(Bytes.request(1, endStream: true))
        server.loop.advanceTime(by: .seconds(39))
        let early = server.ended(by: .notReading)
        // The peer is alive, as far as its PINGs go.
        try server.receive(Bytes.ping)
        server.loop.advanceTime(by: .seconds(11))
        #expect(early == 0)
        #expect(server.ended(by: .notReading) == 1)
        #expect(server.connection.liveStreams == 0)
    }

    @Test func `frames for a socket that is not read are bounded`() throws {
        let server = try server { $0.maximumQueuedFrames = 100 }
        try server.open()
        server.channel.isWritable = false
        var most = 0
        for count in 0..<200 where server.ended(by: .frameBacklog) == 0 {
            most = count
            try server.receive(Bytes.request(2 * count + 1))
            server.accepted.last?.stream?.reset(.cancel)
            server.loop.run()
        }
        #expect((90...110).contains(most))
        #expect(server.ended(by: .frameBacklog) == 1)
        #expect(server.connection.liveStreams == 0)
    }

    // MARK: - Time

    @Test func `a header block that does not end in time ends the connection`() throws {
        let server = try server { $0.headerTimeout = .seconds(10) }
        try server.open()
        let headers = Bytes.request(1)
        for byte in headers.dropLast() { try server.receive([byte]) }
        server.loop.advanceTime(by: .seconds(9))
        let early = server.ended(by: .headerTimeout)
        server.loop.advanceTime(by: .seconds(1))
        let goaway = try goaway(server)
        #expect(early == 0)
        #expect(goaway?.number(at: 4) == HTTP2ErrorCode.enhanceYourCalm.rawValue)
        #expect(server.ended(by: .headerTimeout) == 1)
        #expect(server.accepted.first?.end != nil)
    }

    @Test func `CONTINUATIONs that never come end the connection`() throws {
        let server = try server()
        try server.open()
        try server.receive(Bytes.frame(1, stream: 1, payload: Bytes.block(Bytes.requestFields)))
        server.loop.advanceTime(by: .seconds(10))
        #expect(server.ended(by: .headerTimeout) == 1)
    }

    @Test func `slow header blocks that do end are no fault`() throws {
        let server = try server { $0.headerTimeout = .seconds(10) }
        try server.open()
        // Whenever the timer of one fires, the next one is under way.
        for count in 0..<5 {
            let headers = Bytes.request(2 * count + 1)
            try server.receive(Array(headers.prefix(20)))
            server.loop.advanceTime(by: .seconds(7))
            try server.receive(Array(headers.dropFirst(20)))
        }
        server.loop.advanceTime(by: .seconds(60))
        #expect(server.accepted.count == 5)
        #expect(server.ended(by: .headerTimeout) == 0)
        #expect(server.channel.isActive)
    }

    @Test func `a malformed header block does not count as unfinished`() throws {
        let server = try server()
        try server.open()
        let block = Bytes.block(Bytes.requestFields + [("", "x")])
        let headers = Bytes.frame(1, flags: 5, stream: 1, payload: block)
        try server.receive(Array(headers.dropLast()))
        try server.receive([headers.last ?? 0])
        server.loop.advanceTime(by: .seconds(60))
        #expect(server.ended(by: .headerTimeout) == 0)
        #expect(server.channel.isActive)
    }

    @Test func `a client that says nothing is closed at the preface timeout`() throws {
        let server = try server { $0.prefaceTimeout = .seconds(10) }
        server.loop.advanceTime(by: .seconds(9))
        let early = server.channel.isActive
        server.loop.advanceTime(by: .seconds(1))
        let goaway = try goaway(server)
        server.loop.advanceTime(by: .seconds(1))
        #expect(early)
        #expect(goaway?.number(at: 4) == HTTP2ErrorCode.settingsTimeout.rawValue)
        #expect(server.ended(by: .prefaceTimeout) == 1)
        #expect(!server.channel.isActive)
    }

    @Test func `an idle connection is closed with a GOAWAY without an error`() throws {
        let server = try server { $0.maximumConnectionIdle = .seconds(100) }
        try server.open()
        server.loop.advanceTime(by: .seconds(99))
        let early = server.ended(by: .idle)
        server.loop.advanceTime(by: .seconds(1))
        let goaway = try goaway(server)
        try server.receive(Bytes.frame(6, flags: 1, payload: HTTP2Connection.drainPing))
        #expect(early == 0)
        #expect(goaway?.number(at: 4) == 0)
        #expect(server.ended(by: .idle) == 1)
        #expect(!server.channel.isActive)
    }

    @Test func `a connection with a stream is not idle`() throws {
        let server = try server { $0.maximumConnectionIdle = .seconds(100) }
        try server.open()
        try server.receive(Bytes.request(1))
        server.loop.advanceTime(by: .hours(10))
        #expect(server.ended(by: .idle) == 0)
        #expect(server.channel.isActive)
    }

    private func aged(
        _ change: (inout HTTP2Configuration) -> Void = { _ in }
    ) throws
        -> EmbeddedServer
    {
        try server {
            $0.maximumConnectionAge = .seconds(100)
            $0.connectionAgeJitter = 0
            $0.connectionAgeGrace = .seconds(50)
            change(&$0)
        }
    }

    @Test func `a connection of that age lets its streams end within the grace`() throws {
        let server = try aged()
        try server.open()
        try server.receive(Bytes.request(1, endStream: true))
        server.loop.advanceTime(by: .seconds(100))
        let goaway = try goaway(server)
        try server.receive(Bytes.frame(6, flags: 1, payload: HTTP2Connection.drainPing))
        server.loop.advanceTime(by: .seconds(49))
        server.accepted.first?.stream?.respond(.ok, endStream: true)
        _ = try server.frames()
        #expect(goaway?.number(at: 4) == 0)
        #expect(server.ended(by: .age) == 1)
        #expect(server.ended(by: .ageGrace) == 0)
        #expect(server.accepted.first?.end == .finished)
        #expect(!server.channel.isActive)
    }

    @Test func `after the grace the connection is closed with its streams`() throws {
        let server = try aged()
        try server.open()
        try server.receive(Bytes.request(1))
        server.loop.advanceTime(by: .seconds(100))
        server.loop.advanceTime(by: .seconds(49))
        let early = server.channel.isActive
        server.loop.advanceTime(by: .seconds(1))
        #expect(early)
        #expect(server.ended(by: .ageGrace) == 1)
        #expect(server.accepted.first?.end != nil)
        #expect(!server.channel.isActive)
    }

    @Test func `a shutdown does not wait for the grace of an aged connection`() throws {
        let server = try aged {
            $0.connectionAgeGrace = .hours(1)
            $0.drainTimeout = .seconds(5)
        }
        try server.open()
        try server.receive(Bytes.request(1))
        server.loop.advanceTime(by: .seconds(100))
        server.connection.shutDownGracefully()
        server.loop.advanceTime(by: .seconds(5))
        #expect(server.ended(by: .drainTimeout) == 1)
        #expect(!server.channel.isActive)
    }

    // MARK: - The end

    @Test func `a goodbye waits for the linger and then closes`() throws {
        let server = try server {
            $0.floods.pings = Rate(burst: 1, perSecond: 1)
            $0.goodbyeLinger = .seconds(3)
        }
        try server.open()
        try server.receive(Bytes.ping, Bytes.ping)
        server.loop.advanceTime(by: .seconds(2))
        let lingers = server.channel.isActive
        server.loop.advanceTime(by: .seconds(1))
        #expect(lingers)
        #expect(!server.channel.isActive)
    }

    @Test func `a peer that leaves after its GOAWAY leaves nothing behind`() throws {
        let server = try server { $0.floods.pings = Rate(burst: 1, perSecond: 1) }
        try server.open()
        try server.receive(Bytes.ping, Bytes.ping)
        server.channel.pipeline.fireChannelInactive()
        server.loop.advanceTime(by: .hours(1))
        #expect(server.counters.values["http2_connections_closed"] == 1)
    }
}
