import GRPC
import Primitives
import Store
import XDSCore

/// What is known of one resource that an operator set.
struct RawEntry: Hashable, Sendable {
    /// What a version stood for.
    struct UsedVersion: Hashable, Sendable {
        let version: Version
        /// The hash of the content.
        let content: String
    }

    /// Nil when it was removed, and only its versions are remembered.
    var resource: EncodedResource?
    /// The newest last.
    var versions: [UsedVersion]
    /// When it became what it is.
    var revision = StoreRevision.zero
}

/// What is set for one selector, as it is stored.
struct RawSet: Sendable {
    /// Tells the records of one snapshot from those of the next.
    var generation: UInt64
    /// When anything of it changed last; zero for a set that isn't stored yet.
    var revision: StoreRevision
    var entries: [ResourceReference: RawEntry]

    static let empty = RawSet(generation: 0, revision: .zero, entries: [:])

    var resources: RawResources.Resources { entries.compactMapValues(\.resource) }
    /// Nothing is set, and only versions are remembered.
    var isForgettable: Bool { entries.values.allSatisfy { $0.resource == nil } }
}

/// A change that was found right: what has to be stored.
struct RawChange: Sendable {
    let selector: NodeSelector
    /// The entries that are another.
    let changed: [ResourceReference: RawEntry]
    /// The selector's set after it.
    var next: RawSet
}

/// All that operators set, with the rules for changing it; values only.
///
/// **Versions.** A client that has a version is not sent it again, nor after a reconnect, so to a
/// client a version is the content. A version that any node of the selector may have seen with
/// other content is therefore refused: the versions of each resource are remembered with the hashes
/// of their contents, also after it was removed, and those of selectors that can select the same
/// node count too.
struct RawCatalog: Sendable {
    let limits: RawLimits
    private(set) var sets: [NodeSelector: RawSet]
    private var count = 0
    private var bytes = 0

    init(limits: RawLimits = RawLimits(), sets: [NodeSelector: RawSet] = [:]) {
        self.limits = limits
        self.sets = sets
        for set in sets.values { account(set, 1) }
    }

    subscript(selector: NodeSelector) -> RawSet { sets[selector] ?? .empty }

    /// What the nodes get of it.
    var resources: RawResources {
        var resources = RawResources()
        for (selector, set) in sets { resources[selector] = set.resources }
        return resources
    }

    // MARK: - Changes

    /// Adds or replaces these resources.
    func putting(
        _ resources: [EncodedResource],
        for selector: NodeSelector
    ) throws(GRPCError) -> RawChange {
        let size = resources.reduce(0) { $0 + $1.bytes.count }
        guard resources.count <= limits.maximumResourcesPerChange, size <= limits.maximumChangeBytes
        else {
            throw GRPCError(
                .invalidArgument,
                """
                resources: \(resources.count) with \(size) bytes, expected at most \
                \(limits.maximumResourcesPerChange) with \(limits.maximumChangeBytes); \
                SetRawSnapshot takes more
                """
            )
        }
        return try change(resources, removed: [], for: selector)
    }

    func removing(
        _ references: [ResourceReference],
        for selector: NodeSelector
    ) throws(GRPCError) -> RawChange {
        guard references.count <= limits.maximumResourcesPerChange else {
            throw GRPCError(
                .invalidArgument,
                """
                resources: \(references.count), expected at most \
                \(limits.maximumResourcesPerChange); SetRawSnapshot takes more
                """
            )
        }
        for (index, reference) in references.enumerated() {
            guard self[selector].entries[reference]?.resource != nil else {
                throw GRPCError(
                    .notFound,
                    "resources[\(index)]: \(reference.typeURL) \"\(reference.name)\" is not set for \(selector)"
                )
            }
        }
        return try change([], removed: references, for: selector)
    }

    /// Replaces all that the selector has.
    ///
    /// - Parameter generation: of its records.
    func replacing(
        with resources: [EncodedResource],
        for selector: NodeSelector,
        generation: UInt64
    ) throws(GRPCError) -> RawChange {
        let kept = Set(resources.map(\.reference))
        let removed = self[selector].entries.filter { $0.value.resource != nil }.keys
        var change = try change(
            resources,
            removed: removed.filter { !kept.contains($0) },
            for: selector
        )
        change.next.generation = generation
        return change
    }

    private func change(
        _ resources: [EncodedResource],
        removed: [ResourceReference],
        for selector: NodeSelector
    ) throws(GRPCError) -> RawChange {
        var next = self[selector]
        // Once for all resources: there may be thousands of both.
        let overlapping = sets.filter { $0.key.overlaps(selector) }
        var changed: [ResourceReference: RawEntry] = [:]
        for (index, resource) in resources.enumerated() {
            guard changed[resource.reference] == nil else {
                throw GRPCError(
                    .invalidArgument,
                    "resources[\(index)]: \(resource.typeURL) \"\(resource.name)\" is there twice"
                )
            }
            changed[resource.reference] = try entry(
                for: resource,
                at: index,
                of: selector,
                among: overlapping
            )
        }
        for reference in removed {
            changed[reference] = RawEntry(
                resource: nil,
                versions: next.entries[reference]?.versions ?? []
            )
        }
        next.entries.merge(changed) { _, new in new }
        try checkBounds(of: next, for: selector)
        return RawChange(selector: selector, changed: changed, next: next)
    }

    private func entry(
        for resource: EncodedResource,
        at index: Int,
        of selector: NodeSelector,
        among overlapping: [NodeSelector: RawSet]
    ) throws(GRPCError) -> RawEntry {
        let content = RawEntry.content(of: resource)
        for (other, set) in overlapping {
            guard let entry = set.entries[resource.reference],
                let used = entry.versions.last(where: { $0.version == resource.version }),
                used.content != content
            else { continue }
            let whose = other == selector ? "" : " for \(other)"
            throw GRPCError(
                .failedPrecondition,
                """
                resources[\(index)].version: "\(resource.version)" of \(resource.typeURL) \
                "\(resource.name)" stood for another content\(whose); clients that have it would not \
                be sent the new one: give it a new version
                """
            )
        }
        var versions = self[selector].entries[resource.reference]?.versions ?? []
        versions.removeAll { $0.version == resource.version }
        versions.append(RawEntry.UsedVersion(version: resource.version, content: content))
        return RawEntry(
            resource: resource,
            versions: Array(versions.suffix(limits.maximumRememberedVersions))
        )
    }

    private func checkBounds(of next: RawSet, for selector: NodeSelector) throws(GRPCError) {
        let (before, after) = (self[selector].size, next.size)
        func check(_ name: String, _ limit: Int, _ value: Int) throws(GRPCError) {
            guard value > limit else { return }
            throw GRPCError(.resourceExhausted, "\(name) is \(limit), and this makes \(value)")
        }
        try check(
            "maximumResourcesPerSelector",
            limits.maximumResourcesPerSelector,
            after.count
        )
        try check("maximumResources", limits.maximumResources, count - before.count + after.count)
        try check("maximumTotalBytes", limits.maximumTotalBytes, bytes - before.bytes + after.bytes)
        let isNew = sets[selector] == nil
        let kept = sets.values.filter { !$0.isForgettable }.count
        try check("maximumSelectors", limits.maximumSelectors, isNew ? kept + 1 : kept)
    }

    // MARK: - What was stored

    /// The change is stored; what is forgotten for it has to go from the store too.
    mutating func committed(_ change: RawChange, at revision: StoreRevision) {
        var next = change.next
        next.revision = revision
        for reference in change.changed.keys { next.entries[reference]?.revision = revision }
        account(self[change.selector], -1)
        account(next, 1)
        sets[change.selector] = next
    }

    /// The oldest of the selectors without resources, when there is no room for another one.
    var forgettable: NodeSelector? {
        guard sets.count >= limits.maximumSelectors else { return nil }
        return sets.filter(\.value.isForgettable).min { $0.value.revision < $1.value.revision }?.key
    }

    mutating func forget(_ selector: NodeSelector) {
        sets[selector] = nil
    }

    /// The removed resources that are one too many to remember, the oldest first.
    func removalsToForget(of selector: NodeSelector) -> [ResourceReference] {
        let removed = self[selector].entries.filter { $0.value.resource == nil }
        guard removed.count > limits.maximumRememberedRemovals else { return [] }
        return removed.sorted { left, right in
            (left.value.revision, left.key) < (right.value.revision, right.key)
        }

        .prefix(removed.count - limits.maximumRememberedRemovals).map(\.key)
    }

    mutating func forget(_ removals: [ResourceReference], of selector: NodeSelector) {
        for reference in removals { sets[selector]?.entries[reference] = nil }
    }

    private mutating func account(_ set: RawSet, _ sign: Int) {
        let size = set.size
        count += sign * size.count
        bytes += sign * size.bytes
    }
}

extension RawSet {
    fileprivate var size: (count: Int, bytes: Int) {
        entries.values.reduce(into: (0, 0)) { size, entry in
            guard let resource = entry.resource else { return }
            size.0 += 1
            size.1 += resource.bytes.count
        }
    }
}

extension RawEntry {
    /// What a version stands for.
    ///
    /// The bytes alone: a time to live that changes is sent at any version.
    static func content(of resource: EncodedResource) -> String {
        StableHash(resource.bytes).hexadecimal
    }
}
