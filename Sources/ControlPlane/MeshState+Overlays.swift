import XDSServer

extension MeshState {
    /// Which connected nodes a change of overlays may give another view.
    enum AffectedNodes: Equatable {
        case none
        case these(Set<String>)
        case all
    }

    /// Replaces what a selector's nodes get; nothing takes the selector away.
    ///
    /// The streams of views that there are hear of it at once. The nodes that are returned may have
    /// another view now: have `DiscoveryService` ask for it.
    func rawChanged(
        of selector: NodeSelector,
        to resources: RawResources.Resources
    ) -> AffectedNodes {
        var affected = AffectedNodes.none
        publish { state in
            let hadSome = !state.raw[selector].isEmpty
            state.raw[selector] = resources
            if hadSome == resources.isEmpty {
                affected = selector.nodeID.map { .these([$0]) } ?? .all
            }
            return state.replaceViews { $0.overlay.raw.contains(selector) }
        }
        return affected
    }
}

extension DiscoveryService {
    /// Moves the streams of nodes whose overlay has changed.
    func overlaysChanged(of nodes: MeshState.AffectedNodes) {
        switch nodes {
        case .none: break
        case .these(let nodeIDs): viewsMayHaveChanged(of: nodeIDs)
        case .all: viewsMayHaveChanged()
        }
    }
}
