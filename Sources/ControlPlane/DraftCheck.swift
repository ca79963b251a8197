import EnvoyAPI
import GRPC
import Mesh
import Primitives
import Translation
import XDSCore

/// What would be served: the mesh and the raw resources without the views.
struct Draft: Sendable {
    var translator: Translator
    var raw: RawResources

    fileprivate func key(of node: Envoy_Config_Core_V3_Node) -> ViewKey? {
        guard let scope = try? Scope(node: node, mesh: translator.mesh) else { return nil }
        return key(of: NodeAttributes(node, scope), scope)
    }

    fileprivate func key(of attributes: NodeAttributes, _ scope: Scope) -> ViewKey {
        ViewKey(scope, ViewOverlay(raw: raw.selectors(of: attributes)))
    }

    /// A node for each region that has what the selector gives and nothing else.
    ///
    /// So a set is checked before the first of its nodes has connected.
    fileprivate func keys(of selector: NodeSelector) -> [ViewKey] {
        guard let role = Scope.Role(rawValue: selector.role ?? Scope.Role.sidecar.rawValue) else {
            return []
        }
        let regions = translator.mesh.regions.map(\.name).filter {
            selector.region == nil || selector.region == $0.rawValue
        }
        return regions.map { region in
            let scope = Scope(
                region: region,
                role: role,
                listen: translator.mesh.sidecarListenAddress
            )
            let attributes = NodeAttributes(
                id: selector.nodeID ?? "",
                cluster: selector.cluster ?? "",
                region: region.rawValue,
                zone: selector.zone ?? "",
                role: role.rawValue
            )
            return key(of: attributes, scope)
        }
    }
}

/// Finds what a change would break before it is published.
///
/// Only what is new counts: what was taken although it doesn't hold together must not stop every
/// change after it.
struct DraftCheck {
    /// Problems that one refusal names.
    private static let maximumNamedProblems = 20

    private var before: Draft
    private var after: Draft
    /// What was read already; most resources are in many views.
    private var known: [ResourceReference: [Version: ResourceFacts]] = [:]

    init(from before: Draft, to after: Draft) {
        self.before = before
        self.after = after
    }

    /// Throws when nodes that get what was changed would get what doesn't hold together.
    ///
    /// - Parameters:
    ///   - selectors: of the raw resources that may be concerned.
    ///   - nodes: the connected nodes that may be.
    mutating func run(
        _ selectors: [NodeSelector],
        _ nodes: [Envoy_Config_Core_V3_Node]
    ) throws(GRPCError) {
        var found = Set<ResourceProblem>()
        var checked = Set<ViewKey>()
        let pairs =
            nodes.map { (before.key(of: $0), after.key(of: $0)) }
            + selectors.flatMap { selector -> [(ViewKey?, ViewKey?)] in
                let olds = before.keys(of: selector)
                return after.keys(of: selector).map { key in
                    (olds.first { $0.scope == key.scope }, key)
                }
            }
        for (old, new) in pairs {
            // A node without a scope keeps what it has.
            guard let new, checked.insert(new).inserted else { continue }
            let problems = problems(in: \.after, new)
            if problems.isEmpty { continue }
            found.formUnion(problems)
            if let old { found.subtract(self.problems(in: \.before, old)) }
        }
        guard !found.isEmpty else { return }
        let named = found.sorted().prefix(Self.maximumNamedProblems).map(\.description)
        let more = found.count > named.count ? ["… and \(found.count - named.count) more"] : []
        throw GRPCError(
            .failedPrecondition,
            "the resources would not hold together: " + (named + more).joined(separator: "; ")
        )
    }

    private mutating func problems(
        in draft: WritableKeyPath<Self, Draft>,
        _ key: ViewKey
    ) -> [ResourceProblem] {
        let raw = self[keyPath: draft].raw.resources(of: key.overlay.raw)
        let translated = self[keyPath: draft].translator.resources(for: key.scope).filter {
            raw[$0.reference] == nil
        }
        return ResourceSetCheck.problems(
            of: (translated + raw.values).compactMap { facts(of: $0) }
        )
    }

    private mutating func facts(of resource: EncodedResource) -> ResourceFacts? {
        if let facts = known[resource.reference]?[resource.version] { return facts }
        // What can't be read was refused when it came.
        guard let facts = try? ResourceFacts(resource) else { return nil }
        known[resource.reference, default: [:]][resource.version] = facts
        return facts
    }
}

extension MeshState {
    /// What is served now.
    var draft: Draft {
        state.withLock { Draft(translator: $0.translator, raw: $0.raw) }
    }
}
