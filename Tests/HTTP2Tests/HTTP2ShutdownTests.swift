import NIOCore
import NIOEmbedded
import Testing

@testable import HTTP2

struct HTTP2ShutdownTests {
    @Test func `a graceful shutdown lets the stream end and then closes`() throws {
        let pair = try EmbeddedPair()
        let call = try #require(pair.open())
        try pair.exchange()
        pair.server.shutDownGracefully()
        try pair.exchange()
        let served = try #require(pair.accepted.first)
        let late = pair.open()
        let wasOpen = pair.serverChannel.isActive
        served.stream?.respond(.ok, endStream: true)
        try pair.exchange()
        #expect(pair.events.timesDraining >= 1)
        #expect(late == nil)
        #expect(wasOpen)
        #expect(call.end == .finished)
        #expect(!pair.serverChannel.isActive && !pair.clientChannel.isActive)
    }

    @Test func `a stream that crosses the first GOAWAY on the wire is served`() throws {
        let pair = try EmbeddedPair()
        try pair.exchange()
        pair.server.shutDownGracefully()
        let call = try #require(pair.open())
        pair.onRequest = { $0.stream?.respond(.ok, endStream: true) }
        try pair.exchange()
        #expect(call.end == .finished)
        #expect(call.headers.first?.first(":status") == "200")
    }

    @Test func `an idle connection closes after the round trip of its GOAWAY`() throws {
        let pair = try EmbeddedPair()
        try pair.exchange()
        pair.server.shutDownGracefully()
        try pair.exchange()
        #expect(!pair.serverChannel.isActive)
        #expect(pair.events.closeReason != nil)
    }

    @Test func `the drain timeout ends the streams that are left`() throws {
        let pair = try EmbeddedPair()
        let call = try #require(pair.open())
        try pair.exchange()
        pair.server.shutDownGracefully()
        try pair.exchange()
        pair.loop.advanceTime(by: HTTP2Configuration().drainTimeout)
        try pair.exchange()
        pair.clientChannel.pipeline.fireChannelInactive()
        let reason = "the drain timeout passed with 1 streams open"
        #expect(pair.accepted.first?.end == .connectionLost(reason))
        #expect(call.end == .connectionLost("the peer closed the connection"))
    }

    @Test func `a shutdown before the channel is active closes it`() throws {
        let loop = EmbeddedEventLoop()
        let connection = HTTP2Connection(
            acceptingOn: EventLoopExecutor(eventLoop: loop),
            configuration: HTTP2Configuration(),
            counters: ConnectionCounters(),
            accept: { _ in StreamRecorder() }
        )
        let channel = EmbeddedChannel(loop: loop)
        try channel.pipeline.syncOperations.addHandler(connection)
        let closed = channel.closeFuture
        connection.shutDownGracefully()
        loop.run()
        // Fails when the channel is still open.
        try closed.wait()
    }

    @Test func `a connection may be closed from inside a callback of its session`() throws {
        let pair = try EmbeddedPair()
        pair.events.onReady = { $0.close(reason: "not wanted") }
        let call = try #require(pair.open())
        try pair.exchange()
        #expect(pair.events.closeReason == "not wanted")
        #expect(call.end == .connectionLost("not wanted"))
    }

    @Test func `the end of the connection ends every stream on both sides`() throws {
        let pair = try EmbeddedPair()
        let calls = try (0..<3).map { _ in try #require(pair.open()) }
        try pair.exchange()
        pair.clientChannel.pipeline.fireChannelInactive()
        pair.serverChannel.pipeline.fireChannelInactive()
        let expected = StreamEnd.connectionLost("the peer closed the connection")
        #expect(calls.allSatisfy { $0.end == expected })
        #expect(pair.accepted.allSatisfy { $0.end == expected })
        #expect(pair.serverCounters.values["http2_connections_closed"] == 1)
    }

    @Test func `a silent peer is probed and then closed`() throws {
        var quiet = HTTP2Configuration()
        quiet.keepaliveInterval = nil
        let pair = try EmbeddedPair(client: quiet, server: HTTP2Configuration())
        let call = try #require(pair.open())
        try pair.exchange()
        pair.loop.advanceTime(by: .seconds(30))
        let probe = try pair.serverChannel.readOutbound(as: ByteBuffer.self)
        pair.loop.advanceTime(by: .seconds(10))
        // A PING frame: 8 bytes, type 6, no flags, stream 0.
        #expect(probe.map { Array($0.readableBytesView.prefix(9)) } == [0, 0, 8, 6, 0, 0, 0, 0, 0])
        #expect(
            pair.accepted.first?.end == .connectionLost("the peer did not answer a keepalive PING")
        )
        #expect(pair.serverCounters.values["http2_keepalive_timeouts"] == 1)
        #expect(call.end == nil)
    }

    @Test func `a peer that answers its probes stays`() throws {
        var quiet = HTTP2Configuration()
        quiet.keepaliveInterval = nil
        let pair = try EmbeddedPair(client: quiet, server: HTTP2Configuration())
        let call = try #require(pair.open())
        try pair.exchange()
        for _ in 0..<60 {
            pair.loop.advanceTime(by: .seconds(5))
            try pair.exchange()
        }
        #expect(call.end == nil && pair.serverChannel.isActive)
        #expect(pair.serverCounters.values["http2_keepalive_timeouts"] == 0)
    }
}
