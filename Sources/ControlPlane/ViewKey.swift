import Quarantine
import Translation
import XDSCore

/// What decides which view a node gets: its scope, and what holds for it beside.
///
/// Nodes with equal keys share one view. Nearly all have no overlay, and share their scope's view.
struct ViewKey: Hashable, Sendable {
    let scope: Scope
    let overlay: ViewOverlay

    init(_ scope: Scope, _ overlay: ViewOverlay = ViewOverlay()) {
        self.scope = scope
        self.overlay = overlay
    }
}

/// What makes a node's view another than its scope's.
struct ViewOverlay: Hashable, Sendable {
    /// The selectors of the raw resources that the node gets; of two with the same resource the
    /// later wins.
    var raw: [NodeSelector] = []
    /// What the node gets in place of objects that spoil an aggregate for it.
    var quarantined: [ResourceReference: [Substitution]] = [:]

    var isEmpty: Bool { raw.isEmpty && quarantined.isEmpty }
}
