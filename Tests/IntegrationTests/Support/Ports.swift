import Glibc
import Primitives
import Synchronization

/// Free ports for programs that have to be told theirs, each given once.
enum Ports {
    struct Exhausted: Error {}

    // Below the range that Linux takes for outgoing connections: none of those gets in between.
    private static let range: Range<UInt16> = 16_000..<32_000
    private static let attempts = 200
    private static let given = Mutex<Set<UInt16>>([])

    static func next() throws -> EndpointAddress {
        try given.withLock { given in
            for _ in 0..<attempts {
                let port = UInt16.random(in: range)
                guard isFree(port), given.insert(port).inserted else { continue }
                return EndpointAddress(host: "127.0.0.1", port: port)
            }
            throw Exhausted()
        }
    }

    private static func isFree(_ port: UInt16) -> Bool {
        let probe = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)
        defer { close(probe) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr = in_addr(s_addr: UInt32(0x7F00_0001).bigEndian)
        return withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(probe, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        } == 0
    }
}
