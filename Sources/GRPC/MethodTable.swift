import HTTP2
package import NIOCore

/// How one method is served.
package enum MethodHandler: Sendable {
    /// Async, one message each way; it starts when the whole request is there.
    case unary(@Sendable (MessageBytes, ServerCall) async throws -> GRPCFrame)
    /// On the event loop itself, without a task: for hot methods that never wait.
    case inlineUnary(@Sendable (MessageBytes, ServerCall) throws -> GRPCFrame)
    /// Async, messages read and written through the call.
    case streaming(@Sendable (ServerCall) async throws -> Void)
    /// On the event loop itself: events go to the object that the closure makes for each call.
    case inlineStreaming(@Sendable (ServerCall) throws -> any InlineStreamHandler)
}

/// A message's payload as received.
package typealias MessageBytes = ByteBuffer

/// What happens on one call, told on its event loop; nothing here may block.
package protocol InlineStreamHandler: AnyObject {
    /// False holds back the client's next message, and in the end its window.
    ///
    /// It may be false only while the call is not writable: when it became so, it is asked again.
    var wantsMessages: Bool { get }
    func received(_ message: MessageBytes) throws
    /// The client has half-closed.
    func receivedEnd() throws
    /// The call's queue has drained below its watermark.
    func becameWritable()
    /// The call is over, however it ended; nothing follows.
    func closed()
}

extension InlineStreamHandler {
    package var wantsMessages: Bool { true }
}

/// The methods of a server, found by path without making a string of it.
package struct MethodTable: Sendable {
    /// A method that was found, and the place at which `paths` has its name.
    struct Method {
        let index: Int
        let handler: MethodHandler
    }

    private struct Entry {
        let path: [UInt8]
        let handler: MethodHandler
    }

    private var entries: [Entry] = []
    private var services: Set<String> = []
    /// Open addressing: an index into `entries` + 1, or 0 for a free slot.
    ///
    /// The size is a power of two.
    private var slots: [UInt16] = Array(repeating: 0, count: 16)

    package init() {}

    /// The full service names, sorted.
    package var serviceNames: [String] { services.sorted() }

    /// `/package.Service/Method` of each method, in the order in which they were added.
    package var paths: [String] { entries.map { String(decoding: $0.path, as: UTF8.self) } }

    /// - Precondition: the method was not added before.
    package mutating func add(_ service: String, _ method: String, _ handler: MethodHandler) {
        let path = Array("/\(service)/\(method)".utf8)
        precondition(
            path.withUnsafeBytes { find($0) } == nil,
            "/\(service)/\(method) is registered twice"
        )
        precondition(entries.count < Int(UInt16.max) / 4, "a server has at most 16,383 methods")
        entries.append(Entry(path: path, handler: handler))
        services.insert(service)
        rebuildSlots()
    }

    func find(_ path: UnsafeRawBufferPointer) -> Method? {
        var slot = Self.hash(path) & (slots.count - 1)
        while slots[slot] != 0 {
            let index = Int(slots[slot]) - 1
            if entries[index].path.withUnsafeBytes({ $0.equals(path) }) {
                return Method(index: index, handler: entries[index].handler)
            }
            slot = (slot + 1) & (slots.count - 1)
        }
        return nil
    }

    /// Tells an unknown method from an unknown service, for the message of UNIMPLEMENTED.
    func unimplemented(_ path: String) -> GRPCError {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].isEmpty else {
            return GRPCError(.unimplemented, "malformed method path \(path)")
        }
        guard services.contains(String(parts[1])) else {
            return GRPCError(.unimplemented, "unknown service \(parts[1])")
        }
        return GRPCError(.unimplemented, "unknown method \(parts[2]) of service \(parts[1])")
    }

    private mutating func rebuildSlots() {
        var size = slots.count
        while size < entries.count * 4 { size *= 2 }
        slots = Array(repeating: 0, count: size)
        for (index, entry) in entries.enumerated() {
            var slot = entry.path.withUnsafeBytes { Self.hash($0) } & (size - 1)
            while slots[slot] != 0 { slot = (slot + 1) & (size - 1) }
            slots[slot] = UInt16(index + 1)
        }
    }

    /// FNV-1a; the paths are our own, so nobody can aim for collisions.
    private static func hash(_ bytes: UnsafeRawBufferPointer) -> Int {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in bytes {
            hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3
        }
        return Int(truncatingIfNeeded: hash ^ (hash >> 32))
    }
}
