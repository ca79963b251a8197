import Foundation
import GRPC
import Glibc
import Logging
import NIOCore
import NIOPosix
import Primitives
import TLSTestSupport

@testable import TLS

/// A TLS server of ours on the loopback interface, with the files that other programs need.
struct TLSFleet {
    let credentials: TestCredentials
    let server: GRPCServer
    let configuration: TLSServerConfiguration
    let address: EndpointAddress
    let directory: String
    let group: MultiThreadedEventLoopGroup

    /// Runs `body` between start and shutdown.
    static func with(
        clients: ClientCertificatePolicy = .none,
        _ configure: (inout TLSServerConfiguration) -> Void = { _ in },
        _ body: (TLSFleet) async throws -> Void
    ) async throws {
        let credentials = try TestCredentials()
        var tls = try credentials.serverConfiguration(clients: clients)
        configure(&tls)
        var configuration = GRPCServerConfiguration()
        configuration.http2.drainTimeout = .milliseconds(200)
        configuration.tls = tls
        var methods = MethodTable()
        methods.add("test.Echo", "Echo", .unary { message, _ in GRPCFrame(message: message) })
        methods.add(
            "test.Echo",
            "Chat",
            .streaming { call in
                while let message = try await call.next() {
                    try await call.write(GRPCFrame(message: message))
                }
            }
        )
        methods.add(
            "test.Echo",
            "Who",
            .inlineUnary { _, call in
                GRPCFrame(bytes: Array((call.peerIdentity?.description ?? "nobody").utf8))
            }
        )
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let server = GRPCServer(
            address: EndpointAddress(host: "127.0.0.1", port: 0),
            methods: methods,
            configuration: configuration,
            group: group,
            logger: .silent
        )
        let directory = try makeDirectory()
        let fleet = TLSFleet(
            credentials: credentials,
            server: server,
            configuration: tls,
            address: try await server.start(),
            directory: directory,
            group: group
        )
        try fleet.writeFiles()
        let result: Result<Void, any Error>
        do {
            result = .success(try await body(fleet))
        } catch {
            result = .failure(error)
        }
        await server.shutDown()
        try await group.shutdownGracefully()
        try? FileManager.default.removeItem(atPath: directory)
        try result.get()
    }

    static func makeDirectory() throws -> String {
        let directory = FileManager.default.temporaryDirectory.appending(
            path: "meridian-tls-\(UUID().uuidString)"
        )
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        return directory.path
    }

    private func writeFiles() throws {
        try write(credentials.authority.certificate, to: "ca.pem")
        for (name, identity) in [("server", credentials.server), ("client", credentials.client)] {
            try write(identity.certificate, to: "\(name).pem")
            try write(identity.privateKey, to: "\(name).key")
        }
    }

    @discardableResult
    func write(_ text: String, to name: String) throws -> String {
        try text.write(toFile: path(name), atomically: true, encoding: .utf8)
        return path(name)
    }

    func path(_ name: String) -> String { "\(directory)/\(name)" }

    /// The counter's value once it is at least `minimum`.
    func counter(_ name: String, reaches minimum: UInt64) async throws -> UInt64 {
        for _ in 0..<1000 {
            let value = server.counters[name] ?? 0
            if value >= minimum { return value }
            try await Task.sleep(for: .milliseconds(10))
        }
        return server.counters[name] ?? 0
    }

    // MARK: - A client of ours

    func client(
        _ address: EndpointAddress? = nil,
        identity: CertificateAuthority.Identity? = nil,
        _ verification: ServerVerification = .hostname(nil)
    ) throws -> GRPCClient {
        var configuration = GRPCClientConfiguration()
        configuration.connectTimeout = .seconds(30)
        configuration.tls = try credentials.clientConfiguration(identity: identity, verification)
        return GRPCClient(
            addresses: [address ?? self.address],
            configuration: configuration,
            eventLoop: group.next()
        )
    }

    /// One message there and one back.
    static func call(
        _ client: GRPCClient,
        _ method: String,
        _ text: String = ""
    ) async throws -> String {
        let call = try await client.open("/test.Echo/\(method)", timeout: .seconds(60))
        try await call.write(GRPCFrame(bytes: Array(text.utf8)))
        await call.finishWriting()
        var answer = ""
        while let message = try await call.next() { answer += String(buffer: message) }
        return answer
    }
}

extension Logger {
    /// Failures that a test brings about are no news.
    static let silent = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
}
