/// What one document may cost, so that a hostile or broken file can't take the process down.
package struct YAMLLimits: Sendable {
    /// The size of the text in bytes.
    package var maximumBytes: Int
    /// How deep sequences and mappings may nest; the root is level 1.
    package var maximumDepth: Int
    /// Scalars, sequences, mappings and keys together.
    package var maximumNodes: Int

    package init(
        maximumBytes: Int = 4 * 1024 * 1024,
        maximumDepth: Int = 32,
        maximumNodes: Int = 200_000
    ) {
        self.maximumBytes = maximumBytes
        self.maximumDepth = maximumDepth
        self.maximumNodes = maximumNodes
    }
}
