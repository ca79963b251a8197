import CAllocationCounter
import GRPC
import NIOCore
import NIOPosix
import Primitives
import Testing

@testable import TLS

/// What TLS asks of the allocator for each call, beyond what the call costs in plaintext.
@Suite(.timeLimit(.minutes(10)), .enabled(if: allocation_counting_works()), .serialized)
struct AllocationTests {
    private static let calls = 500

    // OpenSSL takes and gives back a buffer for each read and each write of the socket. Measured
    // without optimisation: 8 to 11, as a call comes in one read or in two.
    private static let budget = 14.0

    /// Allocations of the server's thread for each of `calls` calls, made one after the other.
    private func allocationsPerCall(isTLS: Bool) async throws -> Double {
        let credentials = try TestCredentials()
        var configuration = GRPCServerConfiguration()
        var clientConfiguration = GRPCClientConfiguration()
        clientConfiguration.connectTimeout = .seconds(30)
        if isTLS {
            configuration.tls = try credentials.serverConfiguration()
            clientConfiguration.tls = try credentials.clientConfiguration()
        }
        var methods = MethodTable()
        methods.add("test.Echo", "Echo", .inlineUnary { bytes, _ in GRPCFrame(message: bytes) })
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let server = GRPCServer(
            address: EndpointAddress(host: "127.0.0.1", port: 0),
            methods: methods,
            configuration: configuration,
            group: group,
            logger: .silent
        )
        let client = GRPCClient(
            addresses: [try await server.start()],
            configuration: clientConfiguration,
            eventLoop: MultiThreadedEventLoopGroup.singleton.next()
        )
        func count() async throws -> UInt64 {
            try await group.next().submit { allocation_count_of_this_thread() }.get()
        }
        // Buffers grow to their size.
        for _ in 0..<100 { _ = try await TLSFleet.call(client, "Echo", "hello") }
        let before = try await count()
        for _ in 0..<Self.calls { _ = try await TLSFleet.call(client, "Echo", "hello") }
        let after = try await count()
        await client.close()
        await server.shutDown()
        try await group.shutdownGracefully()
        return Double(after - before) / Double(Self.calls)
    }

    @Test func `TLS stays within its budget for each call`() async throws {
        let plain = try await allocationsPerCall(isTLS: false)
        let tls = try await allocationsPerCall(isTLS: true)
        #expect(plain > 1)
        #expect(tls - plain <= Self.budget, "plaintext takes \(plain), TLS \(tls)")
    }
}
