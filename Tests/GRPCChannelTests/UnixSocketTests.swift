import Foundation
import GRPC
import GRPCChannel
import NIOCore
import NIOPosix
import Testing

@Suite(.timeLimit(.minutes(10)))
struct UnixSocketTests {
    /// Runs `body` with a path in a folder of its own.
    private func withPath(_ body: (String) async throws -> Void) async throws {
        let folder = URL(filePath: "/tmp").appending(path: "grpc-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        do {
            try await body(folder.appending(path: "socket").path)
        } catch {
            try? FileManager.default.removeItem(at: folder)
            throw error
        }
        try? FileManager.default.removeItem(at: folder)
    }

    private func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

    @Test func `calls go over a socket in the file system, which goes with its server`()
        async throws
    {
        try await withPath { path in
            let server = try await TestServer.start("unix", at: .unix(path: path))
            let answer = try await ask(path)
            let whileUp = exists(path)
            await server.stop()
            #expect(answer == "unix")
            #expect(whileUp)
            #expect(!exists(path))
        }
    }

    private func ask(_ path: String) async throws -> String {
        let channel = ClientChannel(
            try ChannelTarget("unix:\(path)"),
            configuration: .testing,
            group: MultiThreadedEventLoopGroup.singleton,
            logger: .silent
        )
        defer { channel.close() }
        return try await channel.ask(waitForReady: true)
    }

    @Test func `a socket that a dead server left behind is replaced`() async throws {
        try await withPath { path in
            leaveSocket(at: path)
            let leftBehind = exists(path)
            let server = try await TestServer.start("new", at: .unix(path: path))
            let answer = try await ask(path)
            await server.stop()
            #expect(leftBehind)
            #expect(answer == "new")
        }
    }

    /// A bound socket that is closed without removing its file, as a killed server does.
    private func leaveSocket(at path: String) {
        let descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let length = socklen_t(MemoryLayout<sockaddr_un>.size)
        withUnsafePointer(to: &address) { pointer in
            _ = pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length)
            }
        }
        listen(descriptor, 1)
        close(descriptor)
    }

    @Test func `a socket that somebody listens on is not replaced`() async throws {
        try await withPath { path in
            let server = try await TestServer.start("first", at: .unix(path: path))
            await #expect(throws: ServerStartError.self) {
                try await TestServer.start("second", at: .unix(path: path))
            }
            let answer = try await ask(path)
            await server.stop()
            #expect(answer == "first")
        }
    }

    @Test func `a file that is no socket is not replaced`() async throws {
        try await withPath { path in
            try Data("precious".utf8).write(to: URL(filePath: path))
            await #expect(throws: ServerStartError.self) {
                try await TestServer.start("server", at: .unix(path: path))
            }
            #expect(exists(path))
        }
    }

    @Test func `a path that the system can't take is refused with its limit`() async throws {
        let path = "/tmp/" + String(repeating: "x", count: 110)
        let error = await #expect(throws: ServerStartError.self) {
            try await TestServer.start("server", at: .unix(path: path))
        }
        #expect(error?.description.contains("107") == true)
    }
}
