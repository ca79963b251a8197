import XDSCore

/// Why a set of resources doesn't hold together.
package struct ResourceProblem: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let description: String

    init(_ description: String) {
        self.description = description
    }

    package static func < (left: Self, right: Self) -> Bool {
        left.description < right.description
    }
}

/// Checks that what the resources of one node refer to is there.
///
/// The model is go-control-plane's `Snapshot.Consistent`, which compares the names of clusters with
/// those of endpoints, and of listeners with those of routes; this also follows routes to their
/// clusters.
package struct ResourceSetCheck {
    private var namesByType: [TypeURL: Set<ResourceName>] = [:]
    private var problems: Set<ResourceProblem> = []

    /// What is wrong with the set; sorted, and empty when nothing is.
    package static func problems(of set: [ResourceFacts]) -> [ResourceProblem] {
        var check = Self()
        check.checkNames(of: set)
        check.checkNeeds(of: set)
        check.checkAssignments(of: set)
        check.checkAddresses(of: set)
        return check.problems.sorted()
    }

    private mutating func add(_ resource: ResourceReference, _ text: String) {
        problems.insert(ResourceProblem("\(resource.typeURL.noun) \"\(resource.name)\": \(text)"))
    }

    private mutating func checkNames(of set: [ResourceFacts]) {
        for facts in set {
            let (type, name) = (facts.reference.typeURL, facts.reference.name)
            if !namesByType[type, default: []].insert(name).inserted {
                add(facts.reference, "it is there twice")
            }
            for duplicate in facts.duplicates { add(facts.reference, duplicate) }
        }
    }

    private func has(_ reference: ResourceReference) -> Bool {
        namesByType[reference.typeURL]?.contains(reference.name) ?? false
    }

    private mutating func checkNeeds(of set: [ResourceFacts]) {
        let onDemand = set.reduce(into: Set<ResourceName>()) { $0.formUnion($1.onDemandRoutes) }
        for facts in set {
            let areClustersOnDemand =
                facts.reference.typeURL == .routeConfiguration
                && onDemand.contains(facts.reference.name)
            for need in facts.needs where !has(need.resource) {
                if need.isOnDemand || (areClustersOnDemand && need.resource.typeURL == .cluster) {
                    continue
                }
                add(
                    facts.reference,
                    "\(need.place) refers to the \(need.resource.typeURL.noun) "
                        + "\"\(need.resource.name)\", which is not there"
                )
            }
        }
    }

    /// Endpoints are of exactly one cluster: Envoy asks for no others, and warms a second one in
    /// vain.
    private mutating func checkAssignments(of set: [ResourceFacts]) {
        var users: [ResourceName: ResourceName] = [:]
        for facts in set where facts.reference.typeURL == .cluster {
            for need in facts.needs where need.resource.typeURL == .clusterLoadAssignment {
                if let other = users[need.resource.name], other != facts.reference.name {
                    add(
                        facts.reference,
                        "\(need.place) names the endpoints \"\(need.resource.name)\" "
                            + "as the Cluster \"\(other)\" does"
                    )
                }
                users[need.resource.name] = facts.reference.name
            }
        }
        for facts in set
        where facts.reference.typeURL == .clusterLoadAssignment
            && users[facts.reference.name] == nil
        {
            add(facts.reference, "no Cluster that is there takes its endpoints from it")
        }
    }

    private mutating func checkAddresses(of set: [ResourceFacts]) {
        var bound: [String: ResourceName] = [:]
        for facts in set.sorted(by: { $0.reference < $1.reference }) {
            guard let address = facts.boundAddress else { continue }
            if let other = bound[address], other != facts.reference.name {
                add(facts.reference, "it is bound to \(address) as the Listener \"\(other)\" is")
            }
            bound[address] = facts.reference.name
        }
    }
}

extension TypeURL {
    /// The message's name without its package.
    fileprivate var noun: String {
        rawValue.split(separator: ".").last.map(String.init) ?? rawValue
    }
}
