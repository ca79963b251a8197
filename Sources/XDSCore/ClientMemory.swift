import Primitives

/// What has to be known of a client beyond the end of its stream, for one type.
///
/// Empty nearly always: a client says on its next stream what it has, and only after a NACK is that not true.
/// Of a response that was refused in part Envoy applies the rest, and doesn't name it in
/// `initial_resource_versions`.
package struct ClientMemory: Hashable, Sendable {
    /// What the client refused and still would.
    package var rejections: [ResourceName: Subscription.Rejection] = [:]
    /// Names that were in refused responses, or in the last ones without an answer, and in none that was
    /// accepted since: the client may have them.
    package var uncertain = NameSet()
    /// State of the world: the version of the full state that was refused last.
    package var refusedVersion: Version?

    package init() {}

    package var isEmpty: Bool {
        rejections.isEmpty && uncertain.isEmpty && refusedVersion == nil
    }
}

extension Subscription {
    var memory: ClientMemory {
        var memory = ClientMemory()
        memory.rejections = rejections
        memory.uncertain = uncertain
        memory.refusedVersion = refusedVersion
        return memory
    }

    /// The same when the stream ends: what is outstanding may have been taken or refused.
    var memoryAtEnd: ClientMemory {
        var memory = self.memory
        guard !outstanding.isEmpty else { return memory }
        var names = [ResourceName]()
        for push in outstanding { push.forEachName { name, _ in names.append(name) } }
        var underWay = NameSet(names)
        underWay.share(with: base)
        memory.uncertain.formUnion(underWay)
        return memory
    }

    /// Takes over what an earlier stream of the same client left; before its first request.
    mutating func recall(_ memory: ClientMemory) {
        recalled = memory
        uncertain = memory.uncertain
    }

    /// What the client refused before, and what is still the same, isn't sent again.
    mutating func keepRejections(
        of versions: [ResourceName: Version],
        in journal: ResourceJournal
    ) {
        for (name, rejection) in recalled.rejections {
            guard isSubscribed(to: name), let refused = rejection.version,
                journal.version(of: name) == refused, versions[name] != refused
            else { continue }
            rejections[name] = rejection
        }
    }
}
