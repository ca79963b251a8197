import EtcdAPI
import EtcdStore
import GRPC
import Logging
import NIOPosix
import Primitives
import Store
import Synchronization
import Testing

/// Members that answer as a test says, to see what is asked how often.
private final class FakeMembers: Sendable {
    private let servers: Mutex<[GRPCServer]> = Mutex([])
    private let calls = Atomic<Int>(0)

    /// Requests that came, to any of them.
    var count: Int { calls.load(ordering: .relaxed) }

    /// - Parameter failure: what becomes of the n-th request, counted from 1; nil when it succeeds.
    func start(
        _ failure: @escaping @Sendable (Int) async throws -> GRPCError?
    ) async throws -> [EndpointAddress] {
        var endpoints: [EndpointAddress] = []
        for _ in 0..<2 {
            var methods = MethodTable()
            methods.unary("etcdserverpb.KV", "Txn") {
                (_: Etcdserverpb_TxnRequest, _) -> Etcdserverpb_TxnResponse in
                try await self.answer(failure)
                return .with {
                    $0.succeeded = true
                    $0.header.revision = 7
                }
            }
            methods.unary("etcdserverpb.KV", "Range") {
                (_: Etcdserverpb_RangeRequest, _) -> Etcdserverpb_RangeResponse in
                try await self.answer(failure)
                return .with { $0.header.revision = 7 }
            }
            let server = GRPCServer(
                address: EndpointAddress(host: "127.0.0.1", port: 0),
                methods: methods,
                group: MultiThreadedEventLoopGroup.singleton,
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            )
            endpoints.append(try await server.start())
            servers.withLock { $0.append(server) }
        }
        return endpoints
    }

    func stop() async {
        for server in servers.withLock({ $0 }) { await server.shutDown() }
    }

    private func answer(_ failure: (Int) async throws -> GRPCError?) async throws {
        let number = calls.add(1, ordering: .relaxed).newValue
        if let error = try await failure(number) { throw error }
    }
}

@Suite struct EtcdCallerTests {
    private func store(
        _ endpoints: [EndpointAddress],
        _ change: (inout EtcdConfiguration) -> Void = { _ in }
    ) -> EtcdStore {
        var configuration = EtcdConfiguration(endpoints: endpoints)
        configuration.requestTimeout = .seconds(60)
        configuration.attemptTimeout = .seconds(60)
        change(&configuration)
        return EtcdStore(
            configuration,
            eventLoop: MultiThreadedEventLoopGroup.singleton.next(),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        )
    }

    @Test func `a change that may have been done is not sent again`() async throws {
        let members = FakeMembers()
        let endpoints = try await members.start { _ in
            GRPCError(.unavailable, "etcdserver: request timed out")
        }
        let store = store(endpoints)
        let error = await #expect(throws: StoreError.self) { try await store.put("a", "1") }
        #expect(members.count == 1)
        #expect(error?.code == .unavailable)
        #expect(error?.isOutcomeUnknown == true)
        await store.close()
        await members.stop()
    }

    @Test func `a change that no member took is asked of each until one does`() async throws {
        let members = FakeMembers()
        let endpoints = try await members.start { number in
            number < 4 ? GRPCError(.unavailable, "etcdserver: no leader") : nil
        }
        let store = store(endpoints)
        let result = try await store.put("a", "1")
        #expect(members.count == 4)
        #expect(result.revision == Revision(7))
        await store.close()
        await members.stop()
    }

    @Test func `a read whose answer is lost is asked for again`() async throws {
        let members = FakeMembers()
        let endpoints = try await members.start { number in
            number < 3 ? GRPCError(.unavailable, "etcdserver: request timed out") : nil
        }
        let store = store(endpoints)
        let revision = try await store.revision()
        #expect(members.count == 3)
        #expect(revision == Revision(7))
        await store.close()
        await members.stop()
    }

    @Test func `a member that never answers ends a change by its deadline, once`() async throws {
        let members = FakeMembers()
        let endpoints = try await members.start { _ in
            // Until the caller's deadline cancels it.
            try await Task.sleep(for: .seconds(3_600))
            return nil
        }
        let store = store(endpoints) { $0.requestTimeout = .milliseconds(500) }
        let error = await #expect(throws: StoreError.self) { try await store.put("a", "1") }
        #expect(members.count <= 1)
        #expect(error?.code == .unavailable)
        await store.close()
        await members.stop()
    }

    @Test func `an answer that is final is not asked for again`() async throws {
        let members = FakeMembers()
        let endpoints = try await members.start { _ in
            GRPCError(.notFound, "etcdserver: requested lease not found")
        }
        let store = store(endpoints)
        let error = await #expect(throws: StoreError.self) { try await store.put("a", "1") }
        #expect(members.count == 1)
        #expect(error?.code == .leaseNotFound)
        #expect(error?.isOutcomeUnknown == false)
        await store.close()
        await members.stop()
    }
}
