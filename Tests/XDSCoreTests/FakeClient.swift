import Primitives
import XDSCore

/// A client that behaves as Envoy does where it matters for order and liveness.
///
/// - A new or changed cluster is warming until its endpoints arrive after it; the CDS ACK is withheld as long.
/// - Delta: nothing asks for the endpoints of a changed cluster. State of the world: the same request again.
/// - Endpoints are subscribed to for each cluster, routes for each listener (by its own name).
/// - Of a response with a bad resource the good ones are applied, and the response is refused.
struct FakeClient {
    enum Request {
        case delta(DeltaRequest)
        case stateOfTheWorld(SotwRequest)
    }

    /// What the client keeps of one type over a reconnect.
    private struct TypeState {
        var applied: [ResourceName: EncodedResource] = [:]
        /// What it names in `initial_resource_versions`: nothing of a response that it refused in part.
        var versions: [ResourceName: Version] = [:]
        var names: [ResourceName] = []
        var lastNonce = ""
        var acceptedVersion: Version = ""
        var hasAsked = false
    }

    static let types: [TypeURL] = [
        .cluster, .clusterLoadAssignment, .listener, .routeConfiguration,
    ]

    let variant: ProtocolVariant
    let refuses: @Sendable (EncodedResource) -> Bool
    /// In the order in which they go out.
    private(set) var outbox: [Request] = []
    private var states: [TypeURL: TypeState] = [:]
    /// Clusters that can serve; the others of `states[.cluster]` have never been warm.
    private(set) var active: Set<ResourceName> = []
    private var warming: Set<ResourceName> = []
    private var withheldClusterAnswers: [(nonce: String, version: Version, isRefused: Bool)] = []
    private var isClusterRequestDue = false

    init(_ variant: ProtocolVariant, refuses: @escaping @Sendable (EncodedResource) -> Bool) {
        self.variant = variant
        self.refuses = refuses
    }

    func applied(_ typeURL: TypeURL) -> [ResourceName: EncodedResource] {
        states[typeURL]?.applied ?? [:]
    }

    func names(_ typeURL: TypeURL) -> [ResourceName] {
        states[typeURL]?.names ?? []
    }

    var isWarming: Bool { !warming.isEmpty }

    mutating func takeOutbox() -> Request? {
        outbox.isEmpty ? nil : outbox.removeFirst()
    }

    // MARK: Connection

    mutating func connected() {
        outbox = []
        withheldClusterAnswers = []
        for typeURL in Self.types {
            states[typeURL, default: TypeState()].hasAsked = false
            states[typeURL]?.lastNonce = ""
        }
        // As seen: with a cluster in warming, the endpoints are asked for first, and the CDS request is
        // held until they have come.
        isClusterRequestDue = isWarming
        if !isWarming { ask(.cluster) }
        for typeURL in Self.types.dropFirst() where typeURL == .listener || !names(typeURL).isEmpty
        {
            ask(typeURL)
        }
    }

    /// The first request of a type on a stream, with all that the client wants and has.
    private mutating func ask(_ typeURL: TypeURL) {
        guard let state = states[typeURL] else { return }
        states[typeURL]?.hasAsked = true
        switch variant {
        case .delta:
            outbox.append(
                .delta(
                    DeltaRequest(
                        typeURL: typeURL,
                        subscribe: state.names,
                        initialVersions: state.versions
                    )
                )
            )
        case .stateOfTheWorld:
            outbox.append(
                .stateOfTheWorld(
                    SotwRequest(
                        typeURL: typeURL,
                        version: state.acceptedVersion,
                        names: state.names
                    )
                )
            )
        }
    }

    // MARK: Responses

    mutating func received(_ push: Push) {
        let typeURL = push.typeURL
        let resources = push.resources
        var state = states[typeURL, default: TypeState()]
        state.lastNonce = push.nonce.text
        let good = resources.filter { !refuses($0) && isWanted($0, state) }
        let removed = removedNames(by: push, state)
        for resource in good { state.applied[resource.name] = resource }
        for name in removed { state.applied[name] = nil }
        let isRefused = resources.contains { refuses($0) }
        if !isRefused { for resource in good { state.versions[resource.name] = resource.version } }
        for name in removed { state.versions[name] = nil }
        if !isRefused { state.acceptedVersion = push.version }
        let previous = states[typeURL]?.applied ?? [:]
        states[typeURL] = state

        switch typeURL {
        case .cluster:
            clustersChanged(good, removed: removed, previous)
            withheldClusterAnswers.append((push.nonce.text, push.version, isRefused))
        case .clusterLoadAssignment:
            warming.subtract(good.map(\.name))
            warming.subtract(removed)
            warming.subtract(push.emptiedNames)
            active.formUnion(Set(applied(.cluster).keys).subtracting(warming))
            // From within the update, so before its ACK.
            releaseClusterAnswers()
            answer(typeURL, push.nonce.text, isRefused: isRefused)
        case .listener:
            let listeners = applied(.listener).keys.sorted()
            answer(typeURL, push.nonce.text, isRefused: isRefused)
            want(listeners, of: .routeConfiguration)
        default:
            answer(typeURL, push.nonce.text, isRefused: isRefused)
        }
        releaseClusterAnswers()
    }

    private func isWanted(_ resource: EncodedResource, _ state: TypeState) -> Bool {
        resource.typeURL.hasLegacyWildcard || state.names.contains(resource.name)
    }

    private func removedNames(by push: Push, _ state: TypeState) -> [ResourceName] {
        switch variant {
        case .delta: return push.removedNames
        case .stateOfTheWorld:
            guard push.typeURL.isFullStateInSotw else { return [] }
            let present = Set(push.resources.map(\.name))
            return state.applied.keys.filter { !present.contains($0) }.sorted()
        }
    }

    private mutating func clustersChanged(
        _ resources: [EncodedResource],
        removed: [ResourceName],
        _ previous: [ResourceName: EncodedResource]
    ) {
        var isRepeatNeeded = false
        for resource in resources where previous[resource.name]?.version != resource.version {
            warming.insert(resource.name)
            isRepeatNeeded = isRepeatNeeded || previous[resource.name] != nil
        }
        warming.subtract(removed)
        active.subtract(removed)
        let before = names(.clusterLoadAssignment)
        want(applied(.cluster).keys.sorted(), of: .clusterLoadAssignment)
        if variant == .stateOfTheWorld, isRepeatNeeded, names(.clusterLoadAssignment) == before {
            request(.clusterLoadAssignment)
        }
    }

    private mutating func releaseClusterAnswers() {
        guard !isWarming else { return }
        for answer in withheldClusterAnswers {
            self.answer(.cluster, answer.nonce, isRefused: answer.isRefused)
        }
        withheldClusterAnswers = []
        if isClusterRequestDue {
            isClusterRequestDue = false
            ask(.cluster)
        }
    }

    // MARK: Requests

    private mutating func want(_ names: [ResourceName], of typeURL: TypeURL) {
        let before = self.names(typeURL)
        guard names != before else { return }
        states[typeURL, default: TypeState()].names = names
        let gone = before.filter { !names.contains($0) }
        for name in gone {
            states[typeURL]?.applied[name] = nil
            states[typeURL]?.versions[name] = nil
        }
        guard states[typeURL]?.hasAsked == true else { return ask(typeURL) }
        switch variant {
        case .delta:
            outbox.append(
                .delta(
                    DeltaRequest(
                        typeURL: typeURL,
                        subscribe: names.filter { !before.contains($0) },
                        unsubscribe: gone
                    )
                )
            )
        case .stateOfTheWorld:
            request(typeURL)
        }
    }

    private mutating func request(_ typeURL: TypeURL, error: ErrorDetail? = nil) {
        guard let state = states[typeURL] else { return }
        outbox.append(
            .stateOfTheWorld(
                SotwRequest(
                    typeURL: typeURL,
                    version: state.acceptedVersion,
                    names: state.names,
                    nonce: state.lastNonce,
                    error: error
                )
            )
        )
    }

    private mutating func answer(_ typeURL: TypeURL, _ nonce: String, isRefused: Bool) {
        let error = isRefused ? ErrorDetail(code: 13, message: "refused") : nil
        switch variant {
        case .delta:
            outbox.append(.delta(DeltaRequest(typeURL: typeURL, nonce: nonce, error: error)))
        case .stateOfTheWorld:
            request(typeURL, error: error)
        }
    }
}
