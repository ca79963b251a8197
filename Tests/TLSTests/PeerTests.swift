import Foundation
import GRPC
import NIOCore
import NIOPosix
import Primitives
import TLSTestSupport
import Testing

@testable import TLS

/// Against TLS that no one here wrote.
@Suite(.timeLimit(.minutes(10)), .serialized)
struct PeerTests {
    // MARK: - OpenSSL's own client

    /// Runs `openssl s_client` with nothing to send, and returns what it says.
    private func openssl(
        _ fleet: TLSFleet,
        _ arguments: [String],
        input: String = ""
    ) async throws
        -> String
    {
        let path = try #require(PeerProgram.installed("openssl"))
        let program = try PeerProgram(
            path,
            [
                "s_client", "-connect", "\(fleet.address)", "-servername", "localhost", "-CAfile",
                fleet.path("ca.pem"),
            ] + arguments
        )
        program.write(input)
        if input.isEmpty { program.endInput() }
        return try await program.run()
    }

    @Test(arguments: [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")])
    func `openssl s_client agrees on h2 and trusts the server`(
        flag: String,
        version: String
    )
        async throws
    {
        try await TLSFleet.with { fleet in
            let output = try await openssl(fleet, [flag, "-alpn", "h2"])
            #expect(output.contains("Verify return code: 0 (ok)"), "\(output)")
            #expect(output.contains("ALPN protocol: h2"))
            #expect(output.contains("New, \(version), Cipher is "))
            #expect(output.contains("Secure Renegotiation IS") || version == "TLSv1.3")
            let counted = try await fleet.counter("tls_handshakes_completed", reaches: 1)
            #expect(counted == 1)
        }
    }

    @Test func `openssl s_client is refused without h2, with old versions and weak ciphers`()
        async throws
    {
        try await TLSFleet.with { fleet in
            let none = try await openssl(fleet, [])
            let http1 = try await openssl(fleet, ["-alpn", "http/1.1"])
            let old = try await openssl(
                fleet,
                ["-alpn", "h2", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]
            )
            let weak = try await openssl(
                fleet,
                ["-alpn", "h2", "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"]
            )
            #expect(none.contains("no application protocol"), "\(none)")
            #expect(http1.contains("no application protocol"), "\(http1)")
            #expect(old.contains("alert protocol version"), "\(old)")
            #expect(weak.contains("handshake failure"), "\(weak)")
            #expect(fleet.server.counters["tls_failures_no_common_protocol"] == 2)
            #expect(fleet.server.counters["tls_failures_no_common_version"] == 1)
            #expect(fleet.server.counters["tls_failures_no_common_cipher"] == 1)
        }
    }

    @Test func `openssl s_client resumes its session with both versions`() async throws {
        try await TLSFleet.with { fleet in
            for version in ["-tls1_2", "-tls1_3"] {
                let file = fleet.path("session\(version)")
                let arguments = [version, "-alpn", "h2"]
                // The ticket of TLS 1.3 comes after the handshake: there has to be time to read it.
                let path = try #require(PeerProgram.installed("openssl"))
                let first = try PeerProgram(
                    path,
                    [
                        "s_client", "-connect", "\(fleet.address)", "-CAfile",
                        fleet.path("ca.pem"), "-sess_out", file,
                    ] + arguments
                )
                for _ in 0..<500 where !FileManager.default.fileExists(atPath: file) {
                    try await Task.sleep(for: .milliseconds(10))
                }
                first.endInput()
                _ = try await first.run()
                let second = try await openssl(fleet, arguments + ["-sess_in", file])
                #expect(second.contains("Reused, TLSv1."), "\(second)")
            }
            let counted = try await fleet.counter("tls_handshakes_resumed", reaches: 2)
            #expect(counted == 2)
        }
    }

    @Test func `openssl s_client may not renegotiate`() async throws {
        try await TLSFleet.with { fleet in
            _ = try await openssl(fleet, ["-tls1_2", "-alpn", "h2"], input: "R\n")
            let counted = try await fleet.counter("tls_failures_renegotiation", reaches: 1)
            #expect(counted == 1)
        }
    }

    // MARK: - HTTP/2 clients

    @Test(.enabled(if: PeerProgram.installed("h2load") != nil))
    func `h2load gets all its answers over TLS`() async throws {
        let path = try #require(PeerProgram.installed("h2load"))
        try await TLSFleet.with { fleet in
            let body = fleet.path("body")
            try Data([0, 0, 0, 0, 5] + Array("hello".utf8)).write(to: URL(filePath: body))
            let output = try await PeerProgram(
                path,
                [
                    "-n", "3000", "-c", "5", "-m", "20", "-d", body, "-H", "te: trailers", "-H",
                    "content-type: application/grpc", "https://\(fleet.address)/test.Echo/Echo",
                ]
            )
            .run()
            #expect(output.contains("3000 succeeded, 0 failed"), "\(output)")
            #expect(output.contains("TLSv1.3"))
            #expect(fleet.server.counters["grpc_calls_ok"] == 3000)
        }
    }

    @Test func `curl is known by its certificate`() async throws {
        let path = try #require(PeerProgram.installed("curl"))
        try await TLSFleet.with(clients: .required) { fleet in
            let body = fleet.path("body")
            try Data([0, 0, 0, 0, 0]).write(to: URL(filePath: body))
            let arguments = [
                "-sS", "--http2", "--cacert", fleet.path("ca.pem"), "-H", "te: trailers", "-H",
                "content-type: application/grpc", "--data-binary", "@\(body)", "--output", "-",
                "-w", " %{http_version} %{http_code}", "https://\(fleet.address)/test.Echo/Who",
            ]
            let identity = [
                "--cert", fleet.path("client.pem"), "--key", fleet.path("client.key"),
            ]
            let known = try await PeerProgram(path, identity + arguments).run()
            let unknown = try await PeerProgram(path, arguments).run()
            #expect(known.contains("spiffe://test.example/client 2 200"), "\(known)")
            #expect(unknown.contains("certificate required"), "\(unknown)")
            #expect(fleet.server.counters["tls_failures_no_client_certificate"] == 1)
        }
    }

    // MARK: - grpcio

    @Test func `grpcio calls our server with and without a certificate`() async throws {
        try await TLSFleet.with(clients: .optional) { fleet in
            func run(_ identity: [String]) async throws -> [String] {
                try await PeerProgram(
                    PeerProgram.python,
                    [
                        PeerProgram.fixture("grpcio_tls.py"), "client", "\(fleet.address)",
                        fleet.directory,
                    ] + identity
                )
                .run().split(separator: "\n").map(String.init)
            }
            let named = try await run(["client"])
            let nameless = try await run([])
            #expect(
                named == [
                    "spiffe://test.example/client", "True", "abc", "spiffe://test.example/client",
                    "True", "abc",
                ]
            )
            #expect(nameless == ["nobody", "True", "abc", "nobody", "True", "abc"])
        }
    }

    @Test func `grpcio is refused without the certificate that is required`() async throws {
        try await TLSFleet.with(clients: .required) { fleet in
            let output = try await PeerProgram(
                PeerProgram.python,
                [
                    PeerProgram.fixture("grpcio_tls.py"), "client", "\(fleet.address)",
                    fleet.directory,
                ]
            )
            .run()
            #expect(output.contains("UNAVAILABLE"), "\(output)")
            #expect(fleet.server.counters["grpc_calls_started"] == 0)
            let counted = try await fleet.counter("tls_failures_no_client_certificate", reaches: 1)
            #expect(counted >= 1)
        }
    }

    @Test func `our client calls a grpcio server that wants its certificate`() async throws {
        try await TLSFleet.with { fleet in
            let program = try PeerProgram(
                PeerProgram.python,
                [PeerProgram.fixture("grpcio_tls.py"), "server", fleet.directory]
            )
            defer { program.stop() }
            try await program.wait(for: "\n")
            let number = program.output.split(separator: "\n").first?.split(separator: " ").last
            let port = try #require(number.flatMap { UInt16($0) })
            let address = EndpointAddress(host: "127.0.0.1", port: port)
            let named = try fleet.client(address, identity: fleet.credentials.client)
            let nameless = try fleet.client(address)
            let wrong = try fleet.client(address, .spiffeTrustDomain("elsewhere"))
            let who = try await TLSFleet.call(named, "Who")
            let large = String(repeating: "0123456789", count: 300_000)
            let echo = try await TLSFleet.call(named, "Echo", large)
            let refused = await #expect(throws: GRPCError.self) {
                try await TLSFleet.call(nameless, "Who")
            }
            let mismatch = await #expect(throws: GRPCError.self) {
                try await TLSFleet.call(wrong, "Who")
            }
            for client in [named, nameless, wrong] { await client.close() }
            program.endInput()
            #expect(who == "spiffe://test.example/client")
            #expect(echo == large)
            #expect(refused?.code == .unavailable)
            #expect(mismatch?.message.contains("trust domain elsewhere") == true)
        }
    }

    // MARK: - Envoy

    @Test func `Envoy speaks mutual TLS with our server and our client`() async throws {
        try await TLSFleet.with(clients: .required) { fleet in
            let plaintext = try await freePort(fleet.group)
            let tls = try await freePort(fleet.group)
            let values = [
                "@DIRECTORY@": fleet.directory, "@PLAINTEXT_PORT@": "\(plaintext)",
                "@TLS_PORT@": "\(tls)", "@SERVER_PORT@": "\(fleet.address.port)",
            ]
            var text = try String(
                contentsOfFile: PeerProgram.fixture("envoy.yaml"),
                encoding: .utf8
            )
            for (name, value) in values { text = text.replacingOccurrences(of: name, with: value) }
            let envoy = try PeerProgram(
                PeerProgram.envoy,
                [
                    "-c", try fleet.write(text, to: "envoy.yaml"), "--concurrency", "1",
                    "--disable-hot-restart", "-l", "info",
                ]
            )
            defer { envoy.stop() }
            try await envoy.wait(for: "starting main dispatch loop")

            // In by plaintext: Envoy is the TLS client of our server.
            let direct = GRPCClient(
                addresses: [EndpointAddress(host: "127.0.0.1", port: plaintext)],
                eventLoop: fleet.group.next()
            )
            let who = try await TLSFleet.call(direct, "Who")
            let large = String(repeating: "0123456789", count: 200_000)
            let echo = try await TLSFleet.call(direct, "Echo", large)

            // In by TLS: it is the TLS server of our client, and wants its certificate.
            let address = EndpointAddress(host: "127.0.0.1", port: tls)
            let id = try #require(SPIFFEID("spiffe://test.example/server"))
            let secure = try fleet.client(
                address,
                identity: fleet.credentials.client,
                .spiffeID(id)
            )
            let chat = try await TLSFleet.call(secure, "Chat", large)
            let nameless = try fleet.client(address, .spiffeID(id))
            let refused = await #expect(throws: GRPCError.self) {
                try await TLSFleet.call(nameless, "Who")
            }
            for client in [direct, secure, nameless] { await client.close() }
            #expect(who == "spiffe://test.example/client")
            #expect(echo == large)
            #expect(chat == large)
            #expect(refused?.code == .unavailable)
            #expect(fleet.server.counters["tls_handshakes_completed"] == 1)
        }
    }

    private func freePort(_ group: MultiThreadedEventLoopGroup) async throws -> UInt16 {
        let channel = try await ServerBootstrap(group: group).bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(channel.localAddress?.port)
        try await channel.close()
        return UInt16(port)
    }
}
