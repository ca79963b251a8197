/// The bounds of the quarantine.
package struct QuarantineLimits: Hashable, Sendable {
    /// Nodes that refuse something; of more the oldest is forgotten, and is found out again.
    ///
    /// A fleet of one version refuses the same, so it is above the number of proxies of one control
    /// plane.
    package var maximumNodes: Int
    /// Probes of one node and aggregate between two changes by operators.
    package var maximumProbesPerChange: Int
    /// How often a node may refuse what it has accepted before, until operators change something.
    package var maximumRestartsPerChange: Int
    /// Bytes that are kept of a node's own words.
    package var maximumErrorTextBytes: Int
    /// Nodes that a report names for one culprit; the others are counted.
    package var maximumNodesPerReport: Int

    package init(
        maximumNodes: Int = 20_000,
        maximumProbesPerChange: Int = 256,
        maximumRestartsPerChange: Int = 3,
        maximumErrorTextBytes: Int = 1_024,
        maximumNodesPerReport: Int = 10
    ) {
        self.maximumNodes = maximumNodes
        self.maximumProbesPerChange = maximumProbesPerChange
        self.maximumRestartsPerChange = maximumRestartsPerChange
        self.maximumErrorTextBytes = maximumErrorTextBytes
        self.maximumNodesPerReport = maximumNodesPerReport
    }
}
