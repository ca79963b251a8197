import Primitives
import Quarantine
import Testing
import Translation
import XDSCore
import XDSServer

@testable import ControlPlane

/// The views by what decides them.
@Suite struct ViewTableTests {
    private static let scope = Scope(
        region: "east",
        listen: EndpointAddress(host: "127.0.0.1", port: 15_001)
    )
    private static func without(_ object: String) -> ViewOverlay {
        let routes = ResourceReference(.routeConfiguration, "egress")
        return ViewOverlay(
            quarantined: [routes: [Substitution(object: object, standIn: nil)]]
        )
    }

    private static let overlaid = ViewKey(scope, without("service reports"))

    @Test func `equal keys share a view`() throws {
        var table = ViewTable()
        let added = table.add(Self.overlaid)
        let view = try #require(added)
        let again = ViewKey(Self.scope, Self.without("service reports"))
        #expect(table[again] === view)
        #expect(table[ViewKey(Self.scope)] == nil)
    }

    @Test func `a scope's view stays without a stream`() {
        var table = ViewTable()
        let id = table.add(ViewKey(Self.scope))?.id
        table.forgetUnused()
        #expect(table[ViewKey(Self.scope)]?.id == id)
        #expect(table.all.count == 1)
    }

    @Test func `a view with an overlay is forgotten when nobody has it`() {
        var table = ViewTable()
        var view = table.add(Self.overlaid)
        let whileHeld = table.all.count
        view = nil
        #expect(view == nil)
        #expect(whileHeld == 1)
        #expect(table[Self.overlaid] == nil)
        #expect(table.all.isEmpty)
    }

    @Test func `there are so many views and no more`() {
        var table = ViewTable(maximumViews: 2)
        let shared = table.add(ViewKey(Self.scope))
        var overlaid = table.add(Self.overlaid)
        let other = ViewKey(Self.scope, Self.without("service billing"))
        let tooMany = table.add(other)
        #expect(shared != nil && overlaid != nil)
        #expect(tooMany == nil)
        overlaid = nil
        let afterwards = table.add(other)
        #expect(afterwards != nil)
    }
}
