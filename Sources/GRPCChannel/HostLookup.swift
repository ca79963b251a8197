import GRPC
import Glibc
import NIOPosix
package import Primitives

/// Turns a host name into addresses; DNS, or whatever the system is told to ask.
package protocol HostLookup: Sendable {
    /// Throws `GRPCError` with UNAVAILABLE when the name has no address.
    func addresses(of host: String, port: UInt16) async throws -> [EndpointAddress]
}

/// `getaddrinfo`, which blocks, on threads of its own.
package struct SystemLookup: HostLookup {
    /// Lookups in flight in the whole process; more wait their turn.
    ///
    /// A name server that is silent holds a thread for half a minute, so a resolver's lookups must
    /// not run on threads that others need.
    package static let maximumInFlight = 4

    private static let threads: NIOThreadPool = {
        let threads = NIOThreadPool(numberOfThreads: maximumInFlight)
        threads.start()
        return threads
    }()

    package init() {}

    package func addresses(of host: String, port: UInt16) async throws -> [EndpointAddress] {
        if IPText(host) != nil { return [EndpointAddress(host: host, port: port)] }
        let found = try await Self.threads.runIfActive { try Self.lookUp(host) }
        return Self.interleaved(found).map { EndpointAddress(host: $0.text, port: port) }
    }

    struct Found: Hashable, Comparable {
        let isIPv6: Bool
        let text: String

        static func < (lhs: Self, rhs: Self) -> Bool { lhs.text < rhs.text }
    }

    /// The families take turns, beginning with the one that the system prefers (RFC 8305, section
    /// 4): a family without a route costs one failed attempt, not all.
    ///
    /// Sorted within each family, so that the order of the answers, which name servers rotate, is
    /// no change.
    static func interleaved(_ found: [Found]) -> [Found] {
        guard let first = found.first else { return [] }
        let preferred = Set(found.filter { $0.isIPv6 == first.isIPv6 }).sorted()
        let others = Set(found.filter { $0.isIPv6 != first.isIPv6 }).sorted()
        var result: [Found] = []
        for index in 0..<max(preferred.count, others.count) {
            result += preferred.dropFirst(index).prefix(1)
            result += others.dropFirst(index).prefix(1)
        }
        return result
    }

    private static func lookUp(_ host: String) throws -> [Found] {
        var hints = addrinfo()
        hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, nil, &hints, &list)
        guard code == 0 else {
            throw GRPCError(
                .unavailable,
                "the name \(host) does not resolve: \(String(cString: gai_strerror(code)))"
            )
        }
        defer { freeaddrinfo(list) }
        return sequence(first: list, next: { $0?.pointee.ai_next }).compactMap { entry in
            entry.flatMap { text(of: $0.pointee) }
        }
    }

    private static func text(of info: addrinfo) -> Found? {
        var buffer = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        guard info.ai_family == AF_INET || info.ai_family == AF_INET6,
            getnameinfo(
                info.ai_addr,
                info.ai_addrlen,
                &buffer,
                socklen_t(buffer.count),
                nil,
                0,
                NI_NUMERICHOST
            ) == 0
        else { return nil }
        let bytes = buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return Found(
            isIPv6: info.ai_family == AF_INET6,
            text: String(decoding: bytes, as: UTF8.self)
        )
    }
}
