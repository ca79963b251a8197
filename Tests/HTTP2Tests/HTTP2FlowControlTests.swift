import NIOCore
import Testing

@testable import HTTP2

struct HTTP2FlowControlTests {
    private static let windowBytes = 100_000
    private static let watermarkBytes = 32_000

    private func pair() throws -> EmbeddedPair {
        var configuration = HTTP2Configuration()
        configuration.streamWindowBytes = Int32(Self.windowBytes)
        configuration.writeHighWatermarkBytes = Self.watermarkBytes
        return try EmbeddedPair(client: configuration, server: configuration)
    }

    /// Sends chunks while the stream says that it takes more; the bytes that were sent.
    private func fill(_ call: StreamRecorder, _ pair: EmbeddedPair) throws -> Int {
        let chunk = ByteBuffer(repeating: 1, count: 10_000)
        var sent = 0
        while let stream = call.stream, stream.isWritable {
            stream.send(chunk)
            sent += chunk.readableBytes
            try pair.exchange()
        }
        return sent
    }

    @Test func `a reader that does not read stops the writer at the window and the watermark`()
        throws
    {
        let pair = try pair()
        pair.onRequest = { $0.consumes = false }
        try pair.exchange()
        let call = try #require(pair.open())
        try pair.exchange()
        let sent = try fill(call, pair)
        #expect(sent > Self.windowBytes)
        #expect(sent <= Self.windowBytes + Self.watermarkBytes + 10_000)
        #expect(pair.accepted.first?.body.count == Self.windowBytes)
        #expect(call.timesWritable == 0)
    }

    @Test func `the writer goes on when the reader reads`() throws {
        let pair = try pair()
        pair.onRequest = { $0.consumes = false }
        try pair.exchange()
        let call = try #require(pair.open())
        try pair.exchange()
        let sent = try fill(call, pair)
        let served = try #require(pair.accepted.first)
        served.stream?.consume(served.body.count)
        try pair.exchange()
        #expect(served.body.count == sent)
        #expect(call.timesWritable == 1)
        #expect(call.stream?.isWritable == true && call.stream?.queuedBytes == 0)
    }

    @Test func `one stream that is not read does not stop another`() throws {
        let pair = try pair()
        pair.onRequest = { [weak pair] in $0.consumes = pair?.accepted.count == 2 }
        try pair.exchange()
        let stuck = try #require(pair.open())
        try pair.exchange()
        _ = try fill(stuck, pair)
        let free = try #require(pair.open())
        free.stream?.send(ByteBuffer(repeating: 2, count: 10 * Self.windowBytes))
        free.stream?.finish()
        try pair.exchange()
        #expect(pair.accepted.last?.body.count == 10 * Self.windowBytes)
        #expect(pair.accepted.last?.hasEnded == true)
        #expect(pair.accepted.first?.body.count == Self.windowBytes)
    }

    @Test func `a socket that takes nothing stops the frames and then the writer`() throws {
        let pair = try pair()
        try pair.exchange()
        let call = try #require(pair.open())
        try pair.exchange()
        pair.clientChannel.isWritable = false
        let sent = try fill(call, pair)
        let heldBack = pair.accepted.first?.body.count
        pair.clientChannel.isWritable = true
        pair.clientChannel.pipeline.fireChannelWritabilityChanged()
        try pair.exchange()
        #expect(sent <= Self.watermarkBytes + 10_000)
        #expect(heldBack == 0)
        #expect(pair.accepted.first?.body.count == sent)
        #expect(call.timesWritable == 1)
    }

    @Test func `the end waits for the bytes before it`() throws {
        let pair = try pair()
        pair.onRequest = { $0.consumes = false }
        try pair.exchange()
        let call = try #require(pair.open())
        call.stream?.send(ByteBuffer(repeating: 1, count: Self.windowBytes + 1))
        call.stream?.finish()
        try pair.exchange()
        let served = try #require(pair.accepted.first)
        let endedEarly = served.hasEnded
        let knewEarly = call.stream?.hasLocalEnded
        served.stream?.consume(served.body.count)
        try pair.exchange()
        #expect(!endedEarly && knewEarly == false)
        #expect(served.hasEnded && served.body.count == Self.windowBytes + 1)
        #expect(call.stream?.hasLocalEnded == true)
    }
}
