import NIOCore
import Testing

@testable import HTTP2

struct HTTP2StreamTests {
    @Test func `a request and its answer cross with their bodies and trailers`() throws {
        let pair = try EmbeddedPair()
        pair.onRequest = { call in
            call.stream?.respond(.ok)
            call.stream?.send(ByteBuffer(string: "answer"))
            call.stream?.finish(trailers: HeaderBlock([("grpc-status", "0")]))
        }
        let call = try #require(pair.open())
        call.stream?.send(ByteBuffer(string: "question"))
        call.stream?.finish()
        try pair.exchange()
        let served = try #require(pair.accepted.first)
        #expect(served.headers.first?.first(":path") == "/a/b")
        #expect(String(decoding: served.body, as: UTF8.self) == "question")
        #expect(served.hasEnded && served.end == .finished)
        #expect(
            call.headers.map { $0.first(":status") ?? $0.first("grpc-status") } == ["200", "0"]
        )
        #expect(String(decoding: call.body, as: UTF8.self) == "answer")
        #expect(call.hasEnded && call.end == .finished)
        #expect(pair.client.liveStreams == 0 && pair.server.liveStreams == 0)
    }

    @Test func `a request without a body ends with its headers`() throws {
        let pair = try EmbeddedPair()
        pair.onRequest = { $0.stream?.respond(.ok, endStream: true) }
        let call = try #require(pair.open(endStream: true))
        try pair.exchange()
        #expect(pair.accepted.first?.hasEnded == true)
        #expect(call.end == .finished && call.body == [])
    }

    @Test func `the client's reset reaches the server with its code`() throws {
        let pair = try EmbeddedPair()
        let call = try #require(pair.open())
        try pair.exchange()
        call.stream?.reset(.cancel)
        try pair.exchange()
        #expect(pair.accepted.first?.end == .reset(.cancel))
        #expect(pair.serverCounters.values["http2_streams_reset"] == 1)
    }

    @Test func `the server's reset reaches the client with its code`() throws {
        let pair = try EmbeddedPair()
        pair.onRequest = { $0.stream?.reset(.enhanceYourCalm) }
        let call = try #require(pair.open())
        try pair.exchange()
        #expect(call.end == .reset(.enhanceYourCalm))
        #expect(pair.accepted.first?.end == .reset(.enhanceYourCalm))
    }

    @Test func `an answer before the request's end stops the client without an error`() throws {
        let pair = try EmbeddedPair()
        pair.onRequest = {
            $0.stream?.respond(.ok)
            $0.stream?.finish(trailers: HeaderBlock([("grpc-status", "0")]))
        }
        let call = try #require(pair.open())
        try pair.exchange()
        #expect(call.headers.last?.first("grpc-status") == "0")
        #expect(call.end == .finished && pair.accepted.first?.end == .finished)
        #expect(pair.client.liveStreams == 0 && pair.server.liveStreams == 0)
    }

    @Test func `a large body goes to the socket without a copy`() throws {
        let pair = try EmbeddedPair()
        let body = ByteBuffer(repeating: 7, count: 40_000)
        let storage = body.withUnsafeReadableBytes { UInt(bitPattern: $0.baseAddress) }
        let shared = storage..<storage + 40_000
        let call = try #require(pair.open())
        try pair.exchange()
        call.stream?.send(body)
        pair.loop.run()
        var byReference = 0
        while let bytes = try pair.clientChannel.readOutbound(as: ByteBuffer.self) {
            let isShared = bytes.withUnsafeReadableBytes {
                shared.contains(UInt(bitPattern: $0.baseAddress))
            }
            if isShared { byReference += bytes.readableBytes }
            try pair.serverChannel.writeInbound(bytes)
        }
        #expect(byReference == 2 * 16_384 + 40_000 % 16_384)
        #expect(pair.accepted.first?.body == [UInt8](repeating: 7, count: 40_000))
    }

    @Test func `streams beyond the limit are refused as unprocessed`() throws {
        var configuration = HTTP2Configuration()
        configuration.maximumConcurrentStreams = 2
        let pair = try EmbeddedPair(server: configuration)
        // All are on the wire before the server's SETTINGS have told the limit.
        let calls = try (0..<5).map { _ in try #require(pair.open()) }
        try pair.exchange()
        #expect(calls.map(\.end) == [nil, nil, .unprocessed, .unprocessed, .unprocessed])
        #expect(pair.accepted.count == 2)
        #expect(pair.serverChannel.isActive)
    }

    @Test func `streams beyond a known limit wait for a place`() throws {
        var configuration = HTTP2Configuration()
        configuration.maximumConcurrentStreams = 2
        let pair = try EmbeddedPair(server: configuration)
        try pair.exchange()
        let calls = try (0..<3).map { _ in try #require(pair.open()) }
        try pair.exchange()
        let before = pair.accepted.count
        calls[0].stream?.reset(.cancel)
        try pair.exchange()
        #expect(before == 2)
        #expect(pair.accepted.count == 3)
        #expect(calls[2].end == nil)
    }

    @Test func `a stream that is cancelled before it was sent never reaches the server`() throws {
        var configuration = HTTP2Configuration()
        configuration.maximumConcurrentStreams = 1
        let pair = try EmbeddedPair(server: configuration)
        try pair.exchange()
        let first = try #require(pair.open())
        let waiting = try #require(pair.open())
        try pair.exchange()
        waiting.stream?.reset(.cancel)
        first.stream?.reset(.cancel)
        try pair.exchange()
        #expect(waiting.end == .reset(.cancel))
        #expect(pair.accepted.count == 1)
        #expect(pair.client.liveStreams == 0)
    }

    @Test func `a trailer section that is too large to send resets the stream`() throws {
        let pair = try EmbeddedPair()
        pair.onRequest = {
            $0.stream?.respond(.ok)
            let value = String(repeating: "x", count: 100_000)
            $0.stream?.finish(
                trailers: HeaderBlock([("grpc-status", "13"), ("grpc-message", value)])
            )
        }
        let call = try #require(pair.open())
        try pair.exchange()
        #expect(call.end == .reset(.internalError))
        #expect(pair.server.liveStreams == 0)
    }

    @Test func `a header list over the limit is answered with 431`() throws {
        var configuration = HTTP2Configuration()
        configuration.maximumHeaderListBytes = 1024
        let pair = try EmbeddedPair(server: configuration)
        var headers = HeaderBlock.request
        headers.append(name: "x", value: String(repeating: "y", count: 2000))
        let large = try #require(pair.open(headers))
        let small = try #require(pair.open())
        try pair.exchange()
        #expect(large.headers.first?.first(":status") == "431")
        #expect(large.end == .finished)
        #expect(pair.accepted.map(\.headers.count) == [0, 1])
        #expect(small.end == nil)
        #expect(pair.serverCounters.values["http2_header_lists_too_large"] == 1)
    }

    @Test func `a header list of exactly the limit is taken`() throws {
        var headers = HeaderBlock.request
        headers.append(name: "x", value: String(repeating: "y", count: 500))
        var configuration = HTTP2Configuration()
        configuration.maximumHeaderListBytes = headers.listSize
        let pair = try EmbeddedPair(server: configuration)
        _ = try #require(pair.open(headers))
        try pair.exchange()
        #expect(pair.accepted.first?.headers.count == 1)
    }
}
