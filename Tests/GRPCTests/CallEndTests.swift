import GRPC
import NIOCore
import NIOPosix
import Primitives
import Testing

/// How calls end before their time.
@Suite(.timeLimit(.minutes(10)))
struct CallEndTests {
    /// A method that tells when it starts, waits until it is cancelled and tells that too.
    private static func waiting(_ events: Mailbox<String>) -> MethodHandler {
        .streaming { call in
            events.send("started")
            do {
                try await waitForCancellation()
            } catch {
                events.send("cancelled")
                throw error
            }
        }
    }

    @Test func `a deadline ends a call that the server never answers`() async throws {
        let events = Mailbox<String>()
        try await Loopback.run(
            methods: { $0.add("test.Wait", "Wait", Self.waiting(events)) },
            body: { loopback in
                let error = await grpcError {
                    _ = try await loopback.client.open(
                        "/test.Wait/Wait",
                        timeout: .milliseconds(100)
                    ).next()
                }
                // Either side's clock may be the first to say so.
                #expect(error?.code == .deadlineExceeded)
            }
        )
    }

    @Test func `the handler knows the deadline`() async throws {
        let deadlines = Mailbox<NIODeadline?>()
        try await Loopback.run(
            methods: {
                $0.add(
                    "test.Wait",
                    "Tell",
                    .streaming { call in deadlines.send(call.deadline) }
                )
            },
            body: { loopback in
                _ = try await loopback.client.open("/test.Wait/Tell", timeout: .seconds(1000))
                    .readAll()
                _ = try await loopback.client.open("/test.Wait/Tell").readAll()
                let with = await deadlines.next()
                let without = await deadlines.next()
                #expect(with.flatMap { $0 }.map { $0 > .now() } == true)
                #expect(without == .some(nil))
            }
        )
    }

    @Test func `the client's cancellation cancels the handler`() async throws {
        let events = Mailbox<String>()
        try await Loopback.run(methods: { $0.add("test.Wait", "Wait", Self.waiting(events)) }) {
            loopback in
            let call = try await loopback.client.open("/test.Wait/Wait")
            let started = await events.next()
            call.cancel()
            let error = await grpcError { _ = try await call.next() }
            #expect(started == "started")
            #expect(await events.next() == "cancelled")
            #expect(error?.code == .cancelled)
        }
    }

    @Test func `cancelling the task that reads cancels the call`() async throws {
        let events = Mailbox<String>()
        try await Loopback.run(methods: { $0.add("test.Wait", "Wait", Self.waiting(events)) }) {
            loopback in
            let call = try await loopback.client.open("/test.Wait/Wait")
            let reader = Task { await grpcError { _ = try await call.next() } }
            _ = await events.next()
            reader.cancel()
            #expect(await reader.value?.code == .cancelled)
            #expect(await events.next() == "cancelled")
        }
    }

    @Test func `a handler that waits for a message is woken when the client goes`() async throws {
        let ended = Mailbox<GRPCStatusCode?>()
        try await Loopback.run(
            methods: {
                $0.add(
                    "test.Wait",
                    "Read",
                    .streaming { call in
                        do {
                            while try await call.next() != nil {
                                call.eventLoop.assertInEventLoop()
                            }
                            ended.send(nil)
                        } catch {
                            ended.send((error as? GRPCError)?.code)
                        }
                    }
                )
            },
            body: { loopback in
                let call = try await loopback.client.open("/test.Wait/Read")
                try await call.write("hello")
                call.cancel()
                #expect(await ended.next() == .cancelled)
            }
        )
    }

    @Test func `a handler that ends early stops a client that still sends`() async throws {
        try await Loopback.run(
            methods: {
                $0.add(
                    "test.Wait",
                    "Early",
                    .streaming { call in
                        _ = try await call.next()
                        throw GRPCError(.outOfRange, "enough")
                    }
                )
            },
            body: { loopback in
                let call = try await loopback.client.open("/test.Wait/Early")
                let frame = GRPCFrame(bytes: [UInt8](repeating: 1, count: 50_000))
                // Without the end of the call this writer would wait for the window for ever.
                let writeError = await grpcError { while true { try await call.write(frame) } }
                let error = await grpcError { _ = try await call.next() }
                #expect(writeError?.code == .outOfRange)
                #expect(error == GRPCError(.outOfRange, "enough"))
            }
        )
    }

    @Test func `a graceful shutdown lets the running call end and the next goes to the successor`()
        async throws
    {
        let gate = Mailbox<Void>()
        let events = Mailbox<String>()
        func methods(_ name: String) -> MethodTable {
            var methods = MethodTable()
            methods.inlineUnary("test.Who", "Who") { (_: Text, _) in Text(name) }
            methods.unary("test.Who", "Slow") { (_: Text, _) -> Text in
                events.send("running")
                _ = await gate.next()
                return Text("slow from \(name)")
            }
            return methods
        }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        let first = GRPCServer(
            address: EndpointAddress(host: "127.0.0.1", port: 0),
            methods: methods("first"),
            group: group,
            logger: .silent
        )
        let address = try await first.start()
        let client = GRPCClient(
            addresses: [address],
            configuration: .testing,
            eventLoop: group.next()
        )
        async let slow: Text = client.unary("/test.Who/Slow", Text("x"))
        _ = await events.next()

        async let shutDown: Void = first.shutDown()
        let second = GRPCServer(
            address: address,
            methods: methods("second"),
            configuration: .testing,
            group: group,
            logger: .silent
        )
        // The first one lets go of the port before it drains.
        while await isPortTaken(second) { await Task.yield() }
        var answers: [String] = []
        repeat {
            answers.append(try await (client.unary("/test.Who/Who", Text("x")) as Text).value)
        } while answers.last == "first"
        gate.send(())
        let slowAnswer = try await slow.value
        await shutDown
        #expect(answers.last == "second")
        #expect(slowAnswer == "slow from first")
        #expect(first.openConnections == 0)
        await client.close()
        await second.shutDown()
        try await group.shutdownGracefully()
    }

    private func isPortTaken(_ server: GRPCServer) async -> Bool {
        do {
            try await server.start()
            return false
        } catch {
            return true
        }
    }

    @Test func `calls fail when the client closes and after it`() async throws {
        let events = Mailbox<String>()
        try await Loopback.run(methods: { $0.add("test.Wait", "Wait", Self.waiting(events)) }) {
            loopback in
            let call = try await loopback.client.open("/test.Wait/Wait")
            _ = await events.next()
            await loopback.client.close()
            let running = await grpcError { _ = try await call.next() }
            let later = await grpcError { _ = try await loopback.client.open("/test.Wait/Wait") }
            #expect(running?.code == .unavailable)
            #expect(later == GRPCError(.unavailable, "the client is closed"))
            #expect(await events.next() == "cancelled")
        }
    }

    @Test func `an address that refuses is named and the next one is used`() async throws {
        try await Loopback.run(methods: { EchoMethods.register(in: &$0) }) { loopback in
            let refusing = try RefusingAddress()
            defer { withExtendedLifetime(refusing) {} }
            let nobody = refusing.address
            let group = MultiThreadedEventLoopGroup.singleton
            let lonely = GRPCClient(
                addresses: [nobody],
                configuration: .testing,
                eventLoop: group.next()
            )
            let error = await grpcError {
                let _: Text = try await lonely.unary("/test.Echo/Unary", Text("x"))
            }
            let both = GRPCClient(
                addresses: [nobody, loopback.address],
                configuration: .testing,
                eventLoop: group.next()
            )
            let answer: Text = try await both.unary("/test.Echo/Unary", Text("x"))
            await lonely.close()
            await both.close()
            #expect(
                error == GRPCError(.unavailable, "cannot connect: \(nobody): Connection refused")
            )
            #expect(answer.value == "echo x")
        }
    }
}
