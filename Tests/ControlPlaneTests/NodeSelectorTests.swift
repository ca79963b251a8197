import Testing
import XDSCore

@testable import ControlPlane

@Suite struct NodeSelectorTests {
    private static let node = NodeAttributes(
        id: "n1",
        cluster: "shop",
        region: "east",
        zone: "east-1",
        role: "sidecar"
    )

    @Test func `an empty selector selects every node`() {
        #expect(NodeSelector().selects(Self.node))
    }

    @Test(
        arguments: [
            (NodeSelector(nodeID: "n1"), true),
            (NodeSelector(nodeID: "n2"), false),
            (NodeSelector(cluster: "shop", region: "east"), true),
            (NodeSelector(cluster: "shop", region: "west"), false),
            (NodeSelector(zone: "east-1", role: "sidecar"), true),
            (NodeSelector(role: "gateway"), false),
            // Given and empty is not the same as not given.
            (NodeSelector(cluster: ""), false),
        ]
    )
    func `a selector selects the nodes that have all of it`(
        selector: NodeSelector,
        expected: Bool
    ) {
        #expect(selector.selects(Self.node) == expected)
    }

    @Test func `selectors overlap unless they differ in what both give`() {
        let east = NodeSelector(region: "east")
        #expect(east.overlaps(NodeSelector(nodeID: "n1")))
        #expect(east.overlaps(NodeSelector()))
        #expect(!east.overlaps(NodeSelector(nodeID: "n1", region: "west")))
        #expect(!NodeSelector(nodeID: "n1").overlaps(NodeSelector(nodeID: "n2")))
    }

    @Test func `who says more of a node comes later`() {
        let sorted = [
            NodeSelector(nodeID: "n1"), NodeSelector(cluster: "shop"), NodeSelector(),
            NodeSelector(role: "sidecar"), NodeSelector(region: "east"),
            NodeSelector(cluster: "shop", region: "east"), NodeSelector(zone: "east-1"),
        ].sorted()
        #expect(
            sorted == [
                NodeSelector(), NodeSelector(role: "sidecar"), NodeSelector(region: "east"),
                NodeSelector(zone: "east-1"), NodeSelector(cluster: "shop"),
                NodeSelector(cluster: "shop", region: "east"), NodeSelector(nodeID: "n1"),
            ]
        )
    }

    @Test func `of two resources with one name that of the later selector is given`() {
        var raw = RawResources()
        let (general, own) = (NodeSelector(), NodeSelector(nodeID: "n1"))
        let name = ResourceReference(.cluster, "a")
        raw[own] = [name: EncodedResource(typeURL: .cluster, name: "a", version: "own", bytes: [])]
        raw[general] = [
            name: EncodedResource(typeURL: .cluster, name: "a", version: "general", bytes: [])
        ]
        let selectors = raw.selectors(of: Self.node)
        #expect(selectors == [general, own])
        #expect(raw.resources(of: selectors)[name]?.version == "own")
    }

    @Test func `a selector without resources is gone`() {
        var raw = RawResources()
        for selector in [NodeSelector(nodeID: "n1"), NodeSelector(cluster: "shop")] {
            raw[selector] = [
                ResourceReference(.cluster, "a"): EncodedResource(
                    typeURL: .cluster,
                    name: "a",
                    bytes: []
                )
            ]
            raw[selector] = [:]
        }
        #expect(raw.isEmpty)
        #expect(raw.selectors(of: Self.node).isEmpty)
    }
}
