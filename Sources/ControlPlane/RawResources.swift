import XDSCore

/// The resources that operators set themselves, by the nodes that get them.
struct RawResources: Sendable {
    typealias Resources = [ResourceReference: EncodedResource]

    private(set) var bySelector: [NodeSelector: Resources] = [:]
    /// The selectors with a node's id, so that a node's are found however many other nodes have
    /// some.
    private var byNodeID: [String: Set<NodeSelector>] = [:]
    /// The others, in their order.
    private var general: [NodeSelector] = []

    var isEmpty: Bool { bySelector.isEmpty }
    var selectors: [NodeSelector] { bySelector.keys.sorted() }

    /// What the selector's nodes get; nothing if they never got any.
    subscript(selector: NodeSelector) -> Resources {
        get { bySelector[selector] ?? [:] }
        set { set(newValue, for: selector) }
    }

    /// The selectors of what the node gets, in their order.
    func selectors(of node: NodeAttributes) -> [NodeSelector] {
        let own = byNodeID[node.id, default: []].filter { $0.selects(node) }.sorted()
        // Those with a node's id are after all others.
        return general.filter { $0.selects(node) } + own
    }

    /// The resources of some selectors; of several with one type and name the last one's.
    func resources(of selectors: [NodeSelector]) -> Resources {
        selectors.reduce(into: [:]) { all, selector in
            all.merge(self[selector]) { _, later in later }
        }
    }

    private mutating func set(_ resources: Resources, for selector: NodeSelector) {
        let isNew = bySelector[selector] == nil
        bySelector[selector] = resources.isEmpty ? nil : resources
        guard isNew != resources.isEmpty else { return }
        if let nodeID = selector.nodeID {
            var selectors = byNodeID[nodeID, default: []]
            if isNew { selectors.insert(selector) } else { selectors.remove(selector) }
            byNodeID[nodeID] = selectors.isEmpty ? nil : selectors
        } else if isNew {
            general = (general + [selector]).sorted()
        } else {
            general.removeAll { $0 == selector }
        }
    }
}
