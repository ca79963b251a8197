/// The kind of an xDS resource: `type.googleapis.com/envoy.config.cluster.v3.Cluster` and the like.
///
/// The types that the engine knows are told apart by one byte, so that a hot loop compares and hashes an
/// integer. A type that nobody here knows is carried as it is, and served like any other.
package struct TypeURL: Hashable, Sendable {
    /// The types that have rules of their own: an order, a wildcard or a companion.
    private enum Known: UInt8, CaseIterable {
        case cluster
        case clusterLoadAssignment
        case secret
        case listener
        case routeConfiguration
        case scopedRouteConfiguration
        case virtualHost
        case extensionConfiguration
        case runtime
    }

    private enum Kind: Hashable {
        case known(Known)
        case other(String)
    }

    private let kind: Kind

    private init(_ known: Known) {
        self.kind = .known(known)
    }

    /// Any type URL, as it stands in `Any.type_url` and `DiscoveryRequest.type_url`.
    package init(_ rawValue: String) {
        if let known = Self.byText[rawValue] {
            self.kind = .known(known)
        } else {
            self.kind = .other(rawValue)
        }
    }

    /// One of the standard types from bytes as they came in; nil for any other text.
    package init?(standardUTF8 text: UnsafeRawBufferPointer) {
        for (known, expected) in Self.byUTF8 where expected.count == text.count {
            // The words that tell the types apart stand at the end.
            var index = text.count
            while index > 0, text[index - 1] == expected[index - 1] { index -= 1 }
            if index == 0 {
                self.kind = .known(known)
                return
            }
        }
        return nil
    }

    package static let cluster = Self(.cluster)
    package static let clusterLoadAssignment = Self(.clusterLoadAssignment)
    package static let secret = Self(.secret)
    package static let listener = Self(.listener)
    package static let routeConfiguration = Self(.routeConfiguration)
    package static let scopedRouteConfiguration = Self(.scopedRouteConfiguration)
    package static let virtualHost = Self(.virtualHost)
    package static let extensionConfiguration = Self(.extensionConfiguration)
    package static let runtime = Self(.runtime)

    /// The types that have a static let, in the order in which they are sent.
    package static let standard: [Self] = Known.allCases.map { Self($0) }.sorted()

    /// The place of the type among `standard`; nil for a type that isn't one of them.
    var standardIndex: Int? {
        guard case .known(let known) = kind else { return nil }
        return Self.standardIndices[Int(known.rawValue)]
    }

    /// By the raw values of `Known`.
    private static let standardIndices: [Int] = Known.allCases.map { known in
        standard.firstIndex(of: Self(known)) ?? 0
    }

    /// One of the types that have a static let.
    package var isStandard: Bool { standardIndex != nil }

    /// The text that goes on the wire.
    package var rawValue: String {
        switch kind {
        case .known(let known): Self.text(known)
        case .other(let text): text
        }
    }

    /// The short name that operators say, such as `cds`; an unknown type has its whole text.
    package var shortName: String {
        switch kind {
        case .known(.cluster): "cds"
        case .known(.clusterLoadAssignment): "eds"
        case .known(.secret): "sds"
        case .known(.listener): "lds"
        case .known(.routeConfiguration): "rds"
        case .known(.scopedRouteConfiguration): "srds"
        case .known(.virtualHost): "vhds"
        case .known(.extensionConfiguration): "ecds"
        case .known(.runtime): "rtds"
        case .other(let text): text
        }
    }

    /// Lower ranks are sent first when several types are due.
    ///
    /// What is referred to goes before what refers to it within a phase: secrets and endpoints before the
    /// cluster's ACK can come, extensions before the listeners that use them. Unknown types go last.
    package var rank: Int {
        switch kind {
        case .known(.runtime): 0
        case .known(.cluster): 1
        case .known(.clusterLoadAssignment): 2
        case .known(.secret): 3
        case .known(.extensionConfiguration): 4
        case .known(.listener): 5
        case .known(.scopedRouteConfiguration): 6
        case .known(.routeConfiguration): 7
        case .known(.virtualHost): 8
        case .other: 9
        }
    }

    /// Whether a first request without names asks for everything.
    ///
    /// "Legacy wildcard" of the xDS protocol: only for the types whose names a client can't know. All other
    /// types are wildcards only when asked with an explicit `*`.
    package var hasLegacyWildcard: Bool {
        switch kind {
        case .known(.cluster), .known(.listener), .known(.scopedRouteConfiguration): true
        case .known(.clusterLoadAssignment), .known(.secret), .known(.routeConfiguration),
            .known(.virtualHost), .known(.extensionConfiguration), .known(.runtime), .other:
            false
        }
    }

    /// Whether a state-of-the-world response has to hold the full state, because what is absent is deleted.
    ///
    /// The protocol says it of listeners and clusters; Envoy does the same with scoped routes.
    package var isFullStateInSotw: Bool { hasLegacyWildcard }

    /// Whether other resources refer to those of this type, so that removals have to wait for the referrers.
    package var isReferredTo: Bool {
        switch kind {
        case .known(.cluster), .known(.clusterLoadAssignment), .known(.secret),
            .known(.extensionConfiguration):
            true
        case .known(.listener), .known(.scopedRouteConfiguration), .known(.routeConfiguration),
            .known(.virtualHost), .known(.runtime), .other:
            false
        }
    }

    /// Whether resources of this type send traffic to clusters, so that they have to wait for those.
    package var refersToClusters: Bool {
        switch kind {
        case .known(.listener), .known(.scopedRouteConfiguration), .known(.routeConfiguration),
            .known(.virtualHost):
            true
        case .known(.cluster), .known(.clusterLoadAssignment), .known(.secret),
            .known(.extensionConfiguration), .known(.runtime), .other:
            false
        }
    }

    /// Whether each name that a new stream subscribes to is sent, also at a version that the client has.
    ///
    /// A cluster that was warming when the old stream broke waits for its endpoints *again*; without them
    /// Envoy stays in warming until its timeout and sends no CDS request before.
    package var isAlwaysSentOnNewStream: Bool { self == .clusterLoadAssignment }

    /// Whether a name that doesn't exist is answered with an alias and no resource instead of a removal.
    ///
    /// Virtual hosts on demand: Envoy holds a request until its host is answered, and takes nothing else for
    /// an answer ("On-demand VHDS").
    var isAbsenceSaidByAlias: Bool { self == .virtualHost }

    private static let byText: [String: Known] = Dictionary(
        uniqueKeysWithValues: Known.allCases.map { (text($0), $0) }
    )

    private static let byUTF8: [(Known, [UInt8])] = Known.allCases.map {
        ($0, Array(text($0).utf8))
    }

    private static func text(_ known: Known) -> String {
        switch known {
        case .cluster: "type.googleapis.com/envoy.config.cluster.v3.Cluster"
        case .clusterLoadAssignment:
            "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
        case .secret: "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
        case .listener: "type.googleapis.com/envoy.config.listener.v3.Listener"
        case .routeConfiguration: "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
        case .scopedRouteConfiguration:
            "type.googleapis.com/envoy.config.route.v3.ScopedRouteConfiguration"
        case .virtualHost: "type.googleapis.com/envoy.config.route.v3.VirtualHost"
        case .extensionConfiguration:
            "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig"
        case .runtime: "type.googleapis.com/envoy.service.runtime.v3.Runtime"
        }
    }
}

extension TypeURL: Comparable {
    /// The sending order; unknown types follow in the order of their text.
    package static func < (lhs: Self, rhs: Self) -> Bool {
        if lhs.rank != rhs.rank { return lhs.rank < rhs.rank }
        guard case .other(let left) = lhs.kind, case .other(let right) = rhs.kind else {
            return false
        }
        return left < right
    }
}

extension TypeURL: CustomStringConvertible {
    package var description: String { rawValue }
}

extension TypeURL: ExpressibleByStringLiteral {
    package init(stringLiteral value: String) {
        self.init(value)
    }
}
