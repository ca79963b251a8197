/// The versions of one key, the newest first.
package struct KeyHistory: Hashable, Sendable {
    package let versions: [StoreEntry]
    /// Whether the last of them is the first that there was; otherwise the limit or a compaction
    /// ended the list.
    package let isComplete: Bool

    package init(versions: [StoreEntry], isComplete: Bool) {
        self.versions = versions
        self.isComplete = isComplete
    }
}

extension Store {
    /// What was under a key, from a revision (or now) back to when the key came into being.
    ///
    /// A key that is absent then has no versions: to see what was deleted, ask at a revision before
    /// the delete. Each version is a read of its own, at the revision before the newer one: etcd has
    /// no other way back.
    package func history(
        of key: StoreKey,
        at revision: Revision? = nil,
        limit: Int = 100
    ) async throws(StoreError) -> KeyHistory {
        var versions: [StoreEntry] = []
        var next = revision
        while versions.count < limit {
            let read: RangeResult
            do throws(StoreError) {
                read = try await get(key, at: next)
            } catch {
                guard error.code == .compacted, !versions.isEmpty else { throw error }
                return KeyHistory(versions: versions, isComplete: false)
            }
            guard let entry = read.entries.first else { break }
            versions.append(entry)
            if entry.version == 1 { return KeyHistory(versions: versions, isComplete: true) }
            next = entry.modRevision.previous
        }
        return KeyHistory(versions: versions, isComplete: versions.isEmpty)
    }
}
