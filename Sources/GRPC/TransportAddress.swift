package import Primitives

/// Where a server is reached: a TCP port, or a socket in the file system.
package enum TransportAddress: Hashable, Sendable {
    case ip(EndpointAddress)
    /// A Unix domain socket; the system takes paths of up to 107 bytes.
    case unix(path: String)

    /// Bytes of a socket's path (`sun_path` less its final zero).
    package static let maximumPathBytes = 107
}

extension TransportAddress: CustomStringConvertible {
    package var description: String {
        switch self {
        case .ip(let address): address.description
        case .unix(let path): "unix:\(path)"
        }
    }

    /// What `:authority` is when nobody says otherwise: a path is no host name.
    package var defaultAuthority: String {
        switch self {
        case .ip(let address): address.description
        case .unix: "localhost"
        }
    }
}

extension TransportAddress {
    /// Whom a TLS server is expected to be when nobody says otherwise.
    var defaultHost: String {
        switch self {
        case .ip(let address): address.host
        case .unix: "localhost"
        }
    }
}

extension TransportAddress: Comparable {
    package static func < (lhs: Self, rhs: Self) -> Bool {
        switch (lhs, rhs) {
        case (.ip(let lhs), .ip(let rhs)): lhs < rhs
        case (.unix(let lhs), .unix(let rhs)): lhs < rhs
        case (.ip, .unix): true
        case (.unix, .ip): false
        }
    }
}
