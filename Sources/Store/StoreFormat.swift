/// Which version of our records a store holds, whatever keeps it.
///
/// A SQLite file has a version of its own tables beside it. This is for what is in the values, and so
/// for a store that several releases share: a replica refuses what a newer one has begun to write.
package struct StoreFormat: Hashable, Sendable {
    package static let key: StoreKey = "/meridian/format"

    /// The version that this program writes.
    package static let current = 1

    /// Marks an empty store, and refuses one that a newer program has marked.
    package static func prepare(
        _ store: some Store,
        version: Int = current
    ) async throws(StoreError) {
        guard let entry = try await store.get(key).entries.first else {
            let mark = Transaction(
                compares: [.isAbsent(key)],
                success: [.put(key, Array("\(version)".utf8))]
            )
            // Another replica that was first has marked it, perhaps with another version.
            guard try await store.commit(mark).succeeded else {
                return try await prepare(store, version: version)
            }
            return
        }
        let text = String(decoding: entry.value, as: UTF8.self)
        guard let found = Int(text), found > 0 else {
            throw StoreError(.notAStore, "\(key) holds \"\(text.prefix(40))\", expected a version")
        }
        guard found <= version else {
            throw StoreError(
                .newerSchema,
                """
                the store's records have version \(found), expected at most \(version): a newer \
                program wrote them
                """
            )
        }
    }
}
