import Foundation
import GRPC
import Glibc
import NIOCore
import NIOPosix
import Primitives
import ServiceLifecycle
import TLSTestSupport
import Testing

@testable import TLS

/// Our server and our client over sockets.
@Suite(.timeLimit(.minutes(10)))
struct GRPCOverTLSTests {
    @Test func `calls pass, and the server knows the client`() async throws {
        try await TLSFleet.with(clients: .optional) { fleet in
            let named = try fleet.client(identity: fleet.credentials.client)
            let nameless = try fleet.client()
            let large = String(repeating: "0123456789", count: 200_000)
            let answers = try await [
                TLSFleet.call(named, "Who"), TLSFleet.call(nameless, "Who"),
                TLSFleet.call(named, "Echo", large),
            ]
            await named.close()
            await nameless.close()
            #expect(answers == ["spiffe://test.example/client", "nobody", large])
            #expect(fleet.server.counters["tls_handshakes_completed"] == 2)
        }
    }

    @Test func `many calls at once pass`() async throws {
        try await TLSFleet.with { fleet in
            let client = try fleet.client()
            let answers = try await withThrowingTaskGroup(of: String.self) { group in
                for number in 0..<300 {
                    group.addTask { try await TLSFleet.call(client, "Chat", "\(number)") }
                }
                return try await group.reduce(into: Set()) { $0.insert($1) }
            }
            await client.close()
            #expect(answers == Set((0..<300).map { "\($0)" }))
        }
    }

    @Test func `a refused server is named in the call's error`() async throws {
        try await TLSFleet.with { fleet in
            let client = try fleet.client(nil, .spiffeTrustDomain("elsewhere"))
            let error = await #expect(throws: GRPCError.self) {
                try await TLSFleet.call(client, "Echo")
            }
            await client.close()
            #expect(error?.code == .unavailable)
            #expect(error?.message.contains("not that of the trust domain elsewhere") == true)
            #expect(client.connectionCounters["tls_failures_identity_mismatch"] == 1)
        }
    }

    @Test func `a client without the required certificate gets no call through`() async throws {
        try await TLSFleet.with(clients: .required) { fleet in
            let client = try fleet.client()
            let error = await #expect(throws: GRPCError.self) {
                try await TLSFleet.call(client, "Echo")
            }
            await client.close()
            let counted = try await fleet.counter(
                "tls_failures_no_client_certificate",
                reaches: 1
            )
            #expect(error?.code == .unavailable)
            #expect(counted == 1)
        }
    }

    @Test func `a plaintext client is counted`() async throws {
        try await TLSFleet.with { fleet in
            let client = GRPCClient(addresses: [fleet.address], eventLoop: fleet.group.next())
            let error = await #expect(throws: GRPCError.self) {
                try await TLSFleet.call(client, "Echo")
            }
            await client.close()
            #expect(error?.code == .unavailable)
            let counted = try await fleet.counter("tls_failures_not_tls", reaches: 1)
            #expect(counted == 1)
        }
    }

    @Test func `a handshake that never ends is ended`() async throws {
        try await TLSFleet.with({ $0.limits.handshakeTimeout = .milliseconds(50) }) { fleet in
            let channel = try await ClientBootstrap(group: fleet.group)
                .connect(host: "127.0.0.1", port: Int(fleet.address.port)).get()
            // The server closes it.
            try await channel.closeFuture.get()
            #expect(fleet.server.counters["tls_failures_handshake_timeout"] == 1)
        }
    }

    @Test func `a shutdown lets a call end and says goodbye`() async throws {
        try await TLSFleet.with { fleet in
            let client = try fleet.client()
            let call = try await client.open("/test.Echo/Chat")
            try await call.write(GRPCFrame(bytes: Array("one".utf8)))
            let first = try await call.next()
            let server = fleet.server
            async let shutDown: Void = server.shutDown()
            await call.finishWriting()
            let last = try await call.next()
            await shutDown
            await client.close()
            #expect(first.map { String(buffer: $0) } == "one")
            #expect(last == nil)
            #expect(client.connectionCounters["tls_failures_truncated"] == 0)
        }
    }

    @Test func `a server whose credentials don't do does not start`() async throws {
        let credentials = try TestCredentials()
        var configuration = GRPCServerConfiguration()
        let rootless = try TLSCredentials(
            TLSMaterial(
                certificateChain: credentials.server.certificate,
                privateKey: credentials.server.privateKey,
                trustRoots: nil
            )
        )
        configuration.tls = TLSServerConfiguration(
            credentials: rootless,
            clientCertificates: .required
        )
        let server = GRPCServer(
            address: EndpointAddress(host: "127.0.0.1", port: 0),
            methods: MethodTable(),
            configuration: configuration,
            group: MultiThreadedEventLoopGroup.singleton,
            logger: .silent
        )
        let error = await #expect(throws: ServerStartError.self) { try await server.start() }
        #expect(error?.description.contains("needs trust roots") == true)
    }

    // MARK: - Files

    @Test func `changed files are read while calls go on`() async throws {
        let directory = try TLSFleet.makeDirectory()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let authority = try CertificateAuthority()
        let files = TLSCredentialFiles(
            certificateChain: "\(directory)/tls.crt",
            privateKey: "\(directory)/tls.key",
            trustRoots: "\(directory)/ca.crt"
        )
        func write(_ text: String, _ path: String?) throws {
            try text.write(toFile: path ?? "", atomically: true, encoding: .utf8)
        }
        func write(_ identity: CertificateAuthority.Identity) throws {
            try write(identity.certificate, files.certificateChain)
            try write(identity.privateKey, files.privateKey)
        }
        try write(authority.certificate, files.trustRoots)
        try write(authority.issueServer(uri: "spiffe://test.example/old"))
        let credentials = try TLSCredentials(files: files)
        let watcher = TLSCredentialsWatcher(
            credentials,
            interval: .milliseconds(10),
            logger: .silent
        )
        let watching = Task { try await watcher.run() }
        func identity() throws -> String? {
            let pair = try TLSPair(
                TLSServerConfiguration(credentials: credentials),
                TLSClientConfiguration(
                    credentials: TLSCredentials(
                        TLSMaterial(
                            certificateChain: nil,
                            privateKey: nil,
                            trustRoots: authority.certificate
                        )
                    )
                )
            )
            try pair.handshake()
            return pair.clientTLS.peerIdentity?.spiffeID?.path
        }
        func counter(_ name: String, reaches minimum: UInt64) async throws {
            for _ in 0..<1000 where (credentials.counters[name] ?? 0) < minimum {
                try await Task.sleep(for: .milliseconds(10))
            }
        }
        let first = try identity()
        // The certificate without its key, as a writer leaves it for a moment.
        let new = try authority.issueServer(uri: "spiffe://test.example/new")
        try write(new.certificate, files.certificateChain)
        try await counter("tls_credentials_refused", reaches: 2)
        let between = try identity()
        try write(new.privateKey, files.privateKey)
        try await counter("tls_credentials_replaced", reaches: 1)
        let last = try identity()
        watching.cancel()
        _ = try? await watching.value
        #expect([first, between, last] == ["/old", "/old", "/new"])
    }

    @Test func `a file that is not there is named`() throws {
        let files = TLSCredentialFiles(
            certificateChain: "/nonexistent/tls.crt",
            privateKey: "/nonexistent/tls.key",
            trustRoots: nil
        )
        let error = #expect(throws: TLSError.self) { try TLSCredentials(files: files) }
        #expect(error?.message == "cannot read /nonexistent/tls.crt: No such file or directory")
        #expect(error?.code == .unreadable)
    }
}
