import Translation
import XDSCore
import XDSServer

/// The views by what decides them.
///
/// A scope's view stays. A view with an overlay is kept by the streams that have it: when the last
/// one has gone it is forgotten, and made again for the next.
struct ViewTable: Sendable {
    private struct Overlaid {
        weak var view: PublishedView?
    }

    /// Views at one time; a node that needs one more is refused.
    ///
    /// A scope is a region, a zone and a listen address, so a mesh has a few; an overlay is at most
    /// one for each node.
    let maximumViews: Int

    private var shared: [Scope: PublishedView] = [:]
    private var overlaid: [ViewKey: Overlaid] = [:]
    private var lastID: UInt64 = 0

    init(maximumViews: Int = 20_000) {
        self.maximumViews = maximumViews
    }

    /// The views that there are.
    var all: [(key: ViewKey, view: PublishedView)] {
        var all = shared.map { (key: ViewKey($0.key), view: $0.value) }
        // Nothing more for who has no overlays.
        if overlaid.isEmpty { return all }
        for (key, entry) in overlaid {
            if let view = entry.view { all.append((key, view)) }
        }
        return all
    }

    /// The views with an overlay that there are.
    var withOverlay: [(key: ViewKey, view: PublishedView)] {
        overlaid.compactMap { key, entry in entry.view.map { (key, $0) } }
    }

    subscript(key: ViewKey) -> PublishedView? {
        key.overlay.isEmpty ? shared[key.scope] : overlaid[key]?.view
    }

    /// A new and empty view for a key that has none; nil when there are as many as there may be.
    mutating func add(_ key: ViewKey) -> PublishedView? {
        if shared.count + overlaid.count >= maximumViews { forgetUnused() }
        guard shared.count + overlaid.count < maximumViews else { return nil }
        lastID += 1
        let view = PublishedView(id: ViewID(lastID))
        if key.overlay.isEmpty {
            shared[key.scope] = view
        } else {
            overlaid[key] = Overlaid(view: view)
        }
        return view
    }

    /// Forgets the keys whose views no stream has any more; call it when views change anyway.
    mutating func forgetUnused() {
        if overlaid.isEmpty { return }
        overlaid = overlaid.filter { $0.value.view != nil }
    }
}
