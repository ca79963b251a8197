package import GRPC
package import Primitives

/// What a channel is made for, as gRPC's naming.md writes it.
///
/// `dns:///host:port` and `dns:host:port`, also without the scheme; `unix:path` and
/// `unix:///absolute/path`; `ipv4:address:port,…` and `ipv6:[address]:port,…`.
package enum ChannelTarget: Hashable, Sendable {
    /// Addresses that don't change.
    case addresses([TransportAddress])
    /// A name and a port, resolved again and again.
    case dns(host: String, port: UInt16)

    /// The port of a target without one.
    package static let defaultPort: UInt16 = 443

    package static func endpoints(_ addresses: [EndpointAddress]) -> Self {
        .addresses(addresses.map { .ip($0) })
    }

    /// Throws `ChannelTargetError`, which names what was expected.
    package init(_ text: String) throws(ChannelTargetError) {
        guard let colon = text.firstIndex(of: ":") else {
            self = try Self.dns(text[...], in: text)
            return
        }
        let rest = text[text.index(after: colon)...]
        switch text[..<colon] {
        case "dns": self = try Self.dns(Self.path(of: rest, in: text), in: text)
        case "unix": self = try Self.unix(rest, in: text)
        case "ipv4", "ipv6":
            self = try Self.list(rest, isIPv6: text.hasPrefix("ipv6"), in: text)
        case "unix-abstract", "vsock":
            throw ChannelTargetError(text, "abstract and vsock sockets are not supported")
        default: self = try Self.dns(text[...], in: text)
        }
    }

    /// The name that the server is called by, when the channel's owner gives no other.
    package var authority: String {
        switch self {
        case .addresses(let addresses): addresses.first?.defaultAuthority ?? "localhost"
        case .dns(let host, let port): EndpointAddress(host: host, port: port).description
        }
    }

    /// What follows `//authority/`, or all of it.
    ///
    /// The authority of `dns://` would be a DNS server: the system's resolver takes none.
    private static func path(
        of rest: Substring,
        in text: String
    ) throws(ChannelTargetError) -> Substring {
        guard rest.hasPrefix("//") else { return rest }
        let afterSlashes = rest.dropFirst(2)
        guard let slash = afterSlashes.firstIndex(of: "/") else {
            throw ChannelTargetError(text, "expected dns:///host:port")
        }
        guard slash == afterSlashes.startIndex else {
            throw ChannelTargetError(text, "a DNS server can't be named, write dns:///host:port")
        }
        return afterSlashes.dropFirst()
    }

    private static func dns(
        _ name: Substring,
        in text: String
    ) throws(ChannelTargetError) -> Self {
        var host = name
        var port = defaultPort
        if name.first == "[", let end = name.firstIndex(of: "]") {
            host = name[name.index(after: name.startIndex)..<end]
            let rest = name[name.index(after: end)...]
            guard rest.isEmpty || rest.first == ":" else {
                throw ChannelTargetError(text, "expected [address]:port")
            }
            if !rest.isEmpty { port = try self.port(rest.dropFirst(), in: text) }
        } else if let colon = name.lastIndex(of: ":"), !name[..<colon].contains(":") {
            host = name[..<colon]
            port = try self.port(name[name.index(after: colon)...], in: text)
        }
        guard !host.isEmpty, !host.contains("/") else {
            throw ChannelTargetError(text, "expected a host and a port")
        }
        return .dns(host: String(host), port: port)
    }

    private static func port(
        _ text: Substring,
        in target: String
    ) throws(ChannelTargetError) -> UInt16 {
        guard let port = UInt16(text), port > 0 else {
            throw ChannelTargetError(target, "expected a port from 1 to 65535, not \(text)")
        }
        return port
    }

    private static func unix(
        _ rest: Substring,
        in text: String
    ) throws(ChannelTargetError) -> Self {
        var path = rest
        if rest.hasPrefix("//") {
            path = rest.dropFirst(2)
            guard path.first == "/" else {
                throw ChannelTargetError(text, "expected unix:///absolute/path or unix:path")
            }
        }
        let limit = TransportAddress.maximumPathBytes
        guard !path.isEmpty, path.utf8.count <= limit else {
            throw ChannelTargetError(text, "expected a path of 1 to \(limit) bytes")
        }
        return .addresses([.unix(path: String(path))])
    }

    private static func list(
        _ rest: Substring,
        isIPv6: Bool,
        in text: String
    ) throws(ChannelTargetError) -> Self {
        let body = rest.hasPrefix("///") ? rest.dropFirst(3) : rest
        var addresses: [TransportAddress] = []
        for part in body.split(separator: ",", omittingEmptySubsequences: false) {
            guard case .dns(let host, let port) = try dns(part, in: text),
                let address = IPText(host), address.isIPv6 == isIPv6
            else {
                throw ChannelTargetError(text, "\(part) is no \(isIPv6 ? "IPv6" : "IPv4") address")
            }
            addresses.append(.ip(EndpointAddress(host: host, port: port)))
        }
        return .addresses(addresses)
    }
}

extension ChannelTarget: CustomStringConvertible {
    package var description: String {
        switch self {
        case .addresses(let addresses):
            addresses.map { $0.description }.joined(separator: ",")
        case .dns: "dns:///\(authority)"
        }
    }
}

/// A target that can't be understood.
package struct ChannelTargetError: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String

    init(_ target: String, _ reason: String) {
        self.description = "the target \(target): \(reason)"
    }
}
