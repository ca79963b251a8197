import Glibc

/// An IPv4 address and a port.
struct IPv4Endpoint {
    /// In host order.
    var address: UInt32
    var port: UInt16

    static func loopback(_ port: UInt16) -> Self { Self(address: 0x7f00_0001, port: port) }

    func withSocketAddress<Result>(
        _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = self.address.bigEndian
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}
