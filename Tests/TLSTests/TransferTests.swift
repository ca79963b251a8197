import NIOCore
import NIOEmbedded
import Primitives
import Testing

@testable import TLS

/// What passes after the handshake, and how it ends.
struct TransferTests {
    private func connected(_ version: TLSVersion = .tls13) throws -> TLSPair {
        let credentials = try TestCredentials()
        let pair = try TLSPair(
            credentials.serverConfiguration(version: version),
            credentials.clientConfiguration()
        )
        try pair.handshake()
        pair.serverWrites.reset()
        return pair
    }

    private func bytes(_ count: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { bytes, initialized in
            for index in 0..<count {
                bytes[index] = UInt8(truncatingIfNeeded: index &* 31 &+ index >> 8)
            }
            initialized = count
        }
    }

    @Test(arguments: [TLSVersion.tls12, .tls13])
    func `a megabyte passes unchanged in both directions`(version: TLSVersion) throws {
        let pair = try connected(version)
        let large = bytes(1_000_000)
        pair.clientChannel.send(large)
        pair.serverChannel.send(large.reversed())
        pair.exchange()
        #expect(pair.server.bytes == large)
        #expect(pair.client.bytes == large.reversed())
    }

    @Test(arguments: 0..<8)
    func `any chunking of writes, flushes and reads gives the same bytes`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let pair = try connected(seed % 2 == 0 ? .tls13 : .tls12)
        var sent: [UInt8] = []
        for _ in 0..<60 {
            let size = Int.random(
                in: 0...Int.random(in: 1...70_000, using: &random),
                using: &random
            )
            let part = bytes(size)
            sent += part
            pair.clientChannel.put(part)
            if Bool.random(using: &random) {
                pair.clientChannel.pipeline.syncOperations.flush()
                if Bool.random(using: &random) {
                    pair.exchange { Int.random(in: 1...max(1, min($0, 9000)), using: &random) }
                }
            }
        }
        pair.clientChannel.pipeline.syncOperations.flush()
        pair.exchange { Int.random(in: 1...$0, using: &random) }
        #expect(pair.server.bytes == sent, "seed \(seed)")
    }

    @Test func `writes up to a flush leave in one write with full records`() throws {
        let pair = try connected()
        for _ in 0..<100 { pair.serverChannel.put(bytes(400)) }
        let beforeFlush = pair.serverWrites.writes
        pair.serverChannel.pipeline.syncOperations.flush()
        pair.exchange()
        // 40,000 bytes are three records, each with a head of 5, a tag of 16 and a type.
        #expect(beforeFlush == [])
        #expect(pair.serverWrites.writes == [40_000 + 3 * 22])
        #expect(pair.serverWrites.flushes == 1)
        #expect(pair.client.bytes.count == 40_000)
    }

    @Test func `the channel knows of large writes before they are flushed`() throws {
        let pair = try connected()
        for _ in 0..<4 { pair.serverChannel.put(bytes(17_000)) }
        #expect(pair.serverWrites.writes.count == 1)
        #expect(pair.serverWrites.writes.reduce(0, +) >= 64 * 1024)
        #expect(pair.serverWrites.flushes == 0)
    }

    @Test func `what is written is copied so that the writer keeps its buffer`() throws {
        let pair = try connected()
        var buffer = ByteBuffer(repeating: 1, count: 100)
        pair.serverChannel.pipeline.syncOperations.write(NIOAny(buffer), promise: nil)
        let before = buffer.withUnsafeReadableBytes { $0.baseAddress }
        buffer.clear()
        buffer.writeRepeatingByte(2, count: 100)
        let after = buffer.withUnsafeReadableBytes { $0.baseAddress }
        pair.serverChannel.pipeline.syncOperations.flush()
        pair.exchange()
        #expect(before == after)
        #expect(pair.client.bytes == [UInt8](repeating: 1, count: 100))
    }

    @Test func `a promise is kept when the records have been written`() throws {
        let pair = try connected()
        let first = pair.loop.makePromise(of: Void.self)
        let second = pair.loop.makePromise(of: Void.self)
        let done = NIOLoopBoundBox(0, eventLoop: pair.loop)
        for promise in [first, second] { promise.futureResult.whenSuccess { done.value += 1 } }
        pair.serverChannel.put(bytes(10), promise: first)
        pair.serverChannel.put([], promise: second)
        let beforeFlush = done.value
        pair.serverChannel.pipeline.syncOperations.flush()
        pair.exchange()
        #expect(beforeFlush == 0)
        #expect(done.value == 2)
    }

    @Test func `an empty write with a promise comes back`() throws {
        let pair = try connected()
        let promise = pair.loop.makePromise(of: Void.self)
        let done = NIOLoopBoundBox(false, eventLoop: pair.loop)
        promise.futureResult.whenSuccess { done.value = true }
        pair.serverChannel.put([], promise: promise)
        pair.serverChannel.pipeline.syncOperations.flush()
        pair.loop.run()
        #expect(done.value)
    }

    @Test func `a promise of a connection that has ended fails`() throws {
        let pair = try connected()
        let unflushed = pair.loop.makePromise(of: Void.self)
        pair.serverChannel.put([1], promise: unflushed)
        pair.serverChannel.pipeline.syncOperations.fireChannelInactive()
        let late = pair.loop.makePromise(of: Void.self)
        pair.serverChannel.put([1], promise: late)
        #expect(throws: ChannelError.self) { try unflushed.futureResult.wait() }
        #expect(throws: ChannelError.self) { try late.futureResult.wait() }
    }

    @Test func `an answer that is written while a read is handled leaves with it`() throws {
        let pair = try connected()
        pair.server.onRead = { context in
            context.writeAndFlush(NIOAny(ByteBuffer(string: "pong")), promise: nil)
        }
        pair.clientChannel.send(Array("ping".utf8))
        pair.exchange()
        #expect(pair.client.text == "pong")
    }

    // MARK: - The end

    @Test(arguments: [TLSVersion.tls12, .tls13])
    func `a close says goodbye`(version: TLSVersion) throws {
        let pair = try connected(version)
        pair.serverChannel.put(Array("last words".utf8))
        pair.serverChannel.close(promise: nil)
        // Only what was sent reaches the peer, not the end of the transport.
        while let bytes = try pair.serverChannel.readOutbound(as: ByteBuffer.self) {
            _ = try? pair.clientChannel.writeInbound(bytes)
        }
        #expect(pair.client.text == "last words")
        #expect(pair.client.errors.isEmpty)
        #expect(pair.client.hasEnded)
        #expect(pair.connector.counters.failures(.truncated) == 0)
    }

    @Test func `an end without goodbye is counted as cut off`() throws {
        let pair = try connected()
        pair.clientChannel.peerCloses()
        #expect(pair.client.failure?.reason == .truncated)
        #expect(pair.connector.counters.failures(.truncated) == 1)
        #expect(pair.client.hasEnded)
    }

    @Test func `a handler that closes while it reads gets no more`() throws {
        let pair = try connected()
        pair.server.onRead = { $0.close(promise: nil) }
        // More than is handed on at once.
        pair.clientChannel.send(bytes(300_000))
        pair.exchange()
        #expect(pair.server.reads == 1)
        #expect(pair.server.bytes.count < 300_000)
        #expect(pair.server.hasEnded)
    }
}
