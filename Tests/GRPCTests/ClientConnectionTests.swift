import GRPC
import HTTP2
import NIOCore
import NIOPosix
import Primitives
import Testing

/// What the owner of a client's connection is told of it.
@Suite(.timeLimit(.minutes(10)))
struct ClientConnectionTests {
    /// Keeps what a call's observer hears.
    private final class Ends: ClientCallObserver {
        let ends = Mailbox<ClientCallEnd>()

        func responseBegan(_ call: ClientCall) {}
        func callEnded(_ call: ClientCall, _ end: ClientCallEnd) { ends.send(end) }
    }

    /// Keeps the states that a client goes through.
    private final class States: GRPCClientObserver {
        let states = Mailbox<String>()

        func clientChanged(_ state: GRPCClientState) {
            switch state {
            case .idle: states.send("idle")
            case .connecting: states.send("connecting")
            case .ready: states.send("ready")
            case .transientFailure: states.send("failed")
            case .closed: states.send("closed")
            }
        }
    }

    private func withPeer(
        _ settings: [UInt8] = Wire.settings,
        _ body: (RawPeer, GRPCClient, EventLoopExecutor, States) async throws -> Void
    ) async throws {
        let listener = try await RawListener.start()
        let executor = EventLoopExecutor(eventLoop: MultiThreadedEventLoopGroup.singleton.next())
        let client = GRPCClient(
            addresses: [.ip(listener.address)],
            configuration: .testing,
            executor: executor
        )
        let states = States()
        client.observer = states
        client.connect()
        let peer = try #require(await listener.accept())
        try await peer.openAsServer(settings)
        while let state = await states.states.next(), state != "ready" {}
        try await body(peer, client, executor, states)
        await client.close()
        await listener.stop()
    }

    private func open(_ client: GRPCClient, _ executor: EventLoopExecutor, _ ends: Ends) async {
        await withTaskExecutorPreference(executor) {
            let call = client.openIfReady(
                "/a.B/C",
                metadata: Metadata(),
                deadline: nil,
                previousAttempts: 2,
                observer: ends
            )
            call?.sendOnly(GRPCFrame(bytes: []))
        }
    }

    @Test func `a call that the server refuses was not processed`() async throws {
        try await withPeer { peer, client, executor, _ in
            let ends = Ends()
            await open(client, executor, ends)
            let head = try #require(await peer.nextFrame(type: 1))
            let fields = peer.fields(head)
            try await peer.send(Wire.reset(1, HTTP2ErrorCode.refusedStream.rawValue))
            let end = await ends.ends.next()
            #expect(fields["grpc-previous-rpc-attempts"] == "2")
            #expect(end?.reach == .unprocessed)
            #expect(end?.status.code == .unavailable)
        }
    }

    @Test func `a GOAWAY leaves out the calls above its last stream, and no others`() async throws {
        try await withPeer { peer, client, executor, states in
            let first = Ends()
            let second = Ends()
            await open(client, executor, first)
            await open(client, executor, second)
            _ = await peer.nextFrame(type: 1)
            _ = await peer.nextFrame(type: 1)
            try await peer.send(Wire.goaway(last: 1))
            let refused = await second.ends.next()
            let state = await states.states.next()
            await peer.close()
            let lost = await first.ends.next()
            #expect(refused?.reach == .unprocessed)
            #expect(state == "idle")
            #expect(lost?.reach == .server)
        }
    }

    @Test func `a call that waits for a free stream was never sent`() async throws {
        try await withPeer(Wire.settings([(id: 3, value: 1)])) { peer, client, executor, _ in
            let first = Ends()
            let second = Ends()
            let third = Ends()
            await open(client, executor, first)
            await open(client, executor, second)
            _ = await peer.nextFrame(type: 1)
            // Its stream is within what the GOAWAY lets through: only that it was not sent counts.
            try await peer.send(Wire.goaway(last: 99))
            let waiting = await second.ends.next()
            await open(client, executor, third)
            await peer.close()
            let lost = await first.ends.next()
            #expect(waiting?.reach == .unsent)
            #expect(lost?.reach == .server)
        }
    }

    @Test func `closing ends the calls of a connection that drains`() async throws {
        try await withPeer { peer, client, executor, states in
            let ends = Ends()
            await open(client, executor, ends)
            _ = await peer.nextFrame(type: 1)
            try await peer.send(Wire.goaway(last: 1))
            _ = await states.states.next()
            await client.close()
            let end = await ends.ends.next()
            #expect(end?.status.code == .unavailable)
        }
    }

    @Test func `the trailers say when to try again`() async throws {
        func pushback(_ value: String) async throws -> RetryPushback? {
            var pushback: RetryPushback?
            try await withPeer { peer, client, executor, _ in
                let ends = Ends()
                await open(client, executor, ends)
                _ = await peer.nextFrame(type: 1)
                try await peer.send(
                    Wire.headers(
                        1,
                        [
                            (":status", "200"), ("content-type", "application/grpc"),
                            ("grpc-status", "14"), ("grpc-retry-pushback-ms", value),
                        ],
                        endStream: true
                    )
                )
                pushback = await ends.ends.next()?.pushback
            }
            return pushback
        }
        let delay = try await pushback("25")
        let negative = try await pushback("-1")
        let malformed = try await pushback("soon")
        #expect(delay == .after(.milliseconds(25)))
        #expect(negative == .never)
        #expect(malformed == .never)
    }

    @Test func `a peer that does not speak HTTP 2 is named as such`() async throws {
        let listener = try await RawListener.start()
        let client = GRPCClient(
            addresses: [listener.address],
            configuration: .testing,
            eventLoop: MultiThreadedEventLoopGroup.singleton.next()
        )
        async let error = grpcError { let _: Text = try await client.unary("/a.B/C", Text("x")) }
        let peer = try #require(await listener.accept())
        try await peer.send(Array("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n".utf8))
        let message = await error?.message
        #expect(message?.contains("does not speak HTTP/2") == true)
        await client.close()
        await listener.stop()
    }
}
