import Primitives

/// The two forms of the xDS protocol.
package enum ProtocolVariant: Hashable, Sendable {
    /// `DeltaDiscoveryRequest` and `DeltaDiscoveryResponse`: what changed, and what is gone.
    case delta
    /// `DiscoveryRequest` and `DiscoveryResponse`: for listeners and clusters always everything.
    case stateOfTheWorld
}

/// `error_detail` of a request: the client refused the response with this nonce.
package struct ErrorDetail: Hashable, Sendable {
    package let code: Int32
    package let message: String

    package init(code: Int32, message: String) {
        self.code = code
        self.message = message
    }
}

/// A `DeltaDiscoveryRequest`, without the node.
package struct DeltaRequest: Hashable, Sendable {
    package var typeURL: TypeURL
    package var subscribe: [ResourceName]
    package var unsubscribe: [ResourceName]
    /// What the client has from an earlier stream; counts in the first request of a type only.
    package var initialVersions: [ResourceName: Version]
    /// `response_nonce`; empty in a request that answers nothing.
    package var nonce: String
    /// Makes the request a NACK.
    package var error: ErrorDetail?

    package init(
        typeURL: TypeURL,
        subscribe: [ResourceName] = [],
        unsubscribe: [ResourceName] = [],
        initialVersions: [ResourceName: Version] = [:],
        nonce: String = "",
        error: ErrorDetail? = nil
    ) {
        self.typeURL = typeURL
        self.subscribe = subscribe
        self.unsubscribe = unsubscribe
        self.initialVersions = initialVersions
        self.nonce = nonce
        self.error = error
    }
}

/// A `DiscoveryRequest`, without the node.
package struct SotwRequest: Hashable, Sendable {
    package var typeURL: TypeURL
    /// `version_info`: the last version that the client accepted, also on an earlier stream.
    package var version: Version
    /// All names that the client wants from now on.
    package var names: [ResourceName]
    /// `response_nonce`; empty in a request that answers nothing.
    package var nonce: String
    /// Makes the request a NACK.
    package var error: ErrorDetail?

    package init(
        typeURL: TypeURL,
        version: Version = "",
        names: [ResourceName] = [],
        nonce: String = "",
        error: ErrorDetail? = nil
    ) {
        self.typeURL = typeURL
        self.version = version
        self.names = names
        self.nonce = nonce
        self.error = error
    }
}
