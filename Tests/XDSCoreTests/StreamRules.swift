import Primitives
import XDSCore

/// What must hold of everything that one stream sends, whatever its client does.
///
/// It knows only what went over the wire, and has none of the stream's own words.
struct StreamRules {
    private let variant: ProtocolVariant
    private let limits = StreamLimits()
    /// Responses without an answer, oldest first.
    private var unanswered: [TypeURL: [Push]] = [:]
    private var nonces: [TypeURL: Set<String>] = [:]
    /// The newest version that was sent of each resource.
    private var newest: [ResourceReference: Int] = [:]
    /// What was refused alone, so that there is no doubt of it.
    private var refused: [ResourceReference: Version] = [:]
    /// The clusters that were sent last (state of the world).
    private var clusters: Set<ResourceName> = []
    /// The routes that the client has or may have: since the last one that it accepted.
    private var routes: [ResourceName: [EncodedResource]] = [:]

    init(_ variant: ProtocolVariant) {
        self.variant = variant
    }

    // MARK: What comes in

    /// A client that asks again is sent again, also what it refused.
    mutating func receives(_ request: FakeClient.Request) {
        switch request {
        case .delta(let request):
            for name in request.subscribe where name != .wildcard {
                refused[ResourceReference(request.typeURL, name)] = nil
            }
            if request.subscribe.contains(.wildcard) { forgetRefusals(of: request.typeURL) }
        case .stateOfTheWorld(let request):
            // It names all of them each time; one that answers nothing may ask for them again.
            let isAnswer = unanswered[request.typeURL]?.last?.nonce.text == request.nonce
            if !isAnswer { forgetRefusals(of: request.typeURL) }
        }
    }

    private mutating func forgetRefusals(of typeURL: TypeURL) {
        refused = refused.filter { $0.key.typeURL != typeURL }
    }

    /// The stream took a request for the answer to this response.
    mutating func isAnswered(_ typeURL: TypeURL, _ nonce: Nonce, isRefused: Bool) {
        guard let index = unanswered[typeURL]?.firstIndex(where: { $0.nonce == nonce }) else {
            return
        }
        let push = unanswered[typeURL]?[index]
        unanswered[typeURL]?.removeFirst(index + 1)
        if typeURL == .routeConfiguration, let push { settleRoutes(of: push, isRefused: isRefused) }
        guard isRefused, let push, push.resources.count == 1, push.removedNames.isEmpty,
            variant == .delta || !typeURL.isFullStateInSotw
        else { return }
        for resource in push.resources { refused[resource.reference] = resource.version }
    }

    /// The client has the accepted version of a route; of a refused response it may have any part.
    private mutating func settleRoutes(of push: Push, isRefused: Bool) {
        guard !isRefused else { return }
        for route in push.resources {
            guard let index = routes[route.name]?.firstIndex(of: route) else { continue }
            routes[route.name]?.removeFirst(index)
        }
    }

    // MARK: What goes out

    /// The rules that a response breaks.
    mutating func sends(_ push: Push, view: View) -> [String] {
        var problems = [String]()
        if !nonces[push.typeURL, default: []].insert(push.nonce.text).inserted {
            problems.append("the nonce \(push.nonce.text) is used twice")
        }
        if push.typeURL.refersToClusters, isUnderWay(.cluster) {
            problems.append("\(push.summary) doesn't wait for the clusters")
        }
        problems += removalProblems(of: push, view: view)
        for resource in push.resources where !push.isHeartbeat {
            let version = Int(resource.version.rawValue) ?? 0
            if version < newest[resource.reference, default: 0] {
                problems.append("\(resource.reference) goes back to \(version)")
            }
            newest[resource.reference] = version
            if refused[resource.reference] == resource.version {
                problems.append("\(resource.reference) \(version) was refused")
            }
        }
        note(push)
        problems += boundProblems(of: push.typeURL)
        return problems
    }

    /// Removals of what others refer to go last and alone, when no route leads there any more.
    private func removalProblems(of push: Push, view: View) -> [String] {
        guard push.typeURL.isReferredTo else { return [] }
        var gone = Set(push.removedNames)
        if variant == .stateOfTheWorld, push.typeURL == .cluster {
            gone = clusters.subtracting(push.resources.map(\.name))
        }
        // A name that was asked for and isn't there is answered at once, and says why.
        gone.subtract(push.absences.map(\.name))
        guard !gone.isEmpty else { return [] }
        var problems = [String]()
        if variant == .delta, !push.resources.isEmpty, push.absences.isEmpty {
            problems.append("removals go with others: \(push.summary)")
        }
        for typeURL in TypeURL.standard where typeURL.refersToClusters {
            if isUnderWay(typeURL) {
                problems.append("\(push.summary) doesn't wait for \(typeURL.shortName)")
            }
        }
        let journal = view.journal(of: .routeConfiguration)
        for (name, versions) in routes where journal.contains(name) {
            for cluster in versions.flatMap({ FakeConfiguration.clusters(of: $0) })
            where gone.contains(cluster) {
                problems.append("\(push.summary), where route \(name) leads to")
            }
        }
        return problems
    }

    private mutating func note(_ push: Push) {
        unanswered[push.typeURL, default: []].append(push)
        if push.typeURL == .cluster { clusters = Set(push.resources.map(\.name)) }
        guard push.typeURL == .routeConfiguration else { return }
        for route in push.resources { routes[route.name, default: []].append(route) }
        for name in push.removedNames { routes[name] = nil }
    }

    private func boundProblems(of typeURL: TypeURL) -> [String] {
        let count = unanswered[typeURL, default: []].count
        let bound = variant == .delta ? limits.maximumOutstandingResponsesPerType : 1
        guard count > bound else { return [] }
        return ["\(count) responses of \(typeURL.shortName) are under way, \(bound) may be"]
    }

    private func isUnderWay(_ typeURL: TypeURL) -> Bool {
        !unanswered[typeURL, default: []].isEmpty
    }
}
