import NIOCore

/// A host that is an IP address in text form, which needs no resolution.
struct IPText: Sendable {
    let isIPv6: Bool

    init?(_ text: String) {
        guard let address = try? SocketAddress(ipAddress: text, port: 0) else { return nil }
        switch address {
        case .v4: isIPv6 = false
        case .v6: isIPv6 = true
        case .unixDomainSocket: return nil
        }
    }
}
