import Glibc
import Primitives
import Testing

/// An address that refuses connections for as long as this lives.
///
/// The port is bound but nobody listens there, so no other test can be given it meanwhile.
final class RefusingAddress {
    let address: EndpointAddress
    private let descriptor: CInt

    init() throws {
        descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        try #require(descriptor >= 0)
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = descriptor
        let result = withUnsafeMutablePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                bind(descriptor, generic, length) == 0
                    ? getsockname(descriptor, generic, &length) : -1
            }
        }
        address = EndpointAddress(host: "127.0.0.1", port: UInt16(bigEndian: name.sin_port))
        try #require(result == 0)
    }

    deinit {
        close(descriptor)
    }
}
