import GRPC
import MeridianAPI
import Mesh
import Store
import Translation
import XDSCore

/// The resources that operators set themselves.
///
/// A change is found right by the catalog and the draft's check, is on the disk, and only then
/// takes effect.
extension Operator {
    func putRaw(_ request: Meridian_V1_PutRawRequest) async throws -> Meridian_V1_PutRawResponse {
        let selector = try NodeSelector(request.nodes, raw.limits)
        let resources = try decode(request.resources, for: selector)
        guard !resources.isEmpty else {
            throw GRPCError(.invalidArgument, "resources: expected at least one, got none")
        }
        let revision = try await inTurn {
            let change = try raw.putting(resources, for: selector)
            try await check(change, request.expectedRevision, request.allowInconsistent)
            return try await storeChange(change)
        }
        return .with { $0.revision = UInt64(revision.rawValue) }
    }

    func removeRaw(
        _ request: Meridian_V1_RemoveRawRequest
    ) async throws -> Meridian_V1_RemoveRawResponse {
        let selector = try NodeSelector(request.nodes, raw.limits)
        guard !request.resources.isEmpty else {
            throw GRPCError(.invalidArgument, "resources: expected at least one, got none")
        }
        let references = request.resources.map {
            ResourceReference(TypeURL($0.typeURL), ResourceName($0.name))
        }
        let revision = try await inTurn {
            let change = try raw.removing(references, for: selector)
            try await check(change, request.expectedRevision, request.allowInconsistent)
            return try await storeChange(change)
        }
        return .with { $0.revision = UInt64(revision.rawValue) }
    }

    func setRawSnapshot(
        _ request: Meridian_V1_SetRawSnapshotRequest
    ) async throws -> Meridian_V1_SetRawSnapshotResponse {
        let selector = try NodeSelector(request.nodes, raw.limits)
        let resources = try decode(request.resources, for: selector)
        let revision = try await inTurn {
            let change = try raw.replacing(
                with: resources,
                for: selector,
                generation: .random(in: 1 ... .max)
            )
            try await check(change, request.expectedRevision, request.allowInconsistent)
            return try await storeSnapshot(change)
        }
        return .with { $0.revision = UInt64(revision.rawValue) }
    }

    func listRaw(_ request: Meridian_V1_ListRawRequest) throws -> Meridian_V1_ListRawResponse {
        let only = request.hasNodes ? try NodeSelector(request.nodes, raw.limits) : nil
        var response = Meridian_V1_ListRawResponse()
        var bytes = 0
        for selector in raw.sets.keys.sorted() where only == nil || only == selector {
            let set = raw[selector]
            let resources = set.resources.filter { reference, _ in
                (request.typeURL.isEmpty || reference.typeURL.rawValue == request.typeURL)
                    && (request.name.isEmpty || reference.name.rawValue == request.name)
            }
            // Who asks for one selector wants its revision also when nothing is set.
            guard !resources.isEmpty || only != nil else { continue }
            if !request.excludeContent {
                bytes += resources.values.reduce(0) { $0 + $1.bytes.count }
            }
            guard bytes <= raw.limits.maximumAnswerBytes else {
                throw GRPCError(
                    .resourceExhausted,
                    """
                    the answer has more than \(raw.limits.maximumAnswerBytes) bytes of content: \
                    ask for less, or give exclude_content
                    """
                )
            }
            response.sets.append(
                .with {
                    $0.nodes = selector.wire
                    $0.revision = UInt64(set.revision.rawValue)
                    $0.resources = resources.sorted { $0.key < $1.key }.map {
                        .init($0.value, includesContent: !request.excludeContent)
                    }
                }
            )
        }
        return response
    }

    private func decode(
        _ resources: [Meridian_V1_RawResource],
        for selector: NodeSelector
    ) throws -> [EncodedResource] {
        try resources.enumerated().map { index, resource in
            try EncodedResource(resource, at: "resources[\(index)]", for: selector, raw.limits)
        }
    }

    // MARK: - Checking

    private func check(
        _ change: RawChange,
        _ expectedRevision: UInt64,
        _ allowsInconsistent: Bool
    ) async throws {
        let current = raw[change.selector].revision
        guard expectedRevision == 0 || expectedRevision == UInt64(current.rawValue) else {
            throw GRPCError(
                .failedPrecondition,
                """
                expected_revision: what is set for \(change.selector) is at revision \(current) by \
                now; get it and try again
                """
            )
        }
        if allowsInconsistent { return }
        let before = state.draft
        var after = before
        after.raw[change.selector] = change.next.resources
        let nodeID = change.selector.nodeID
        let nodes = await discovery.nodes(nodeID.map { [$0] })
        var check = DraftCheck(from: before, to: after)
        try check.run(
            [change.selector],
            nodes.filter { node in
                guard let scope = try? Scope(node: node, mesh: before.translator.mesh) else {
                    return false
                }
                return change.selector.selects(NodeAttributes(node, scope))
            }
        )
    }

    /// Throws when a new mesh would make resources that don't hold together, with raw ones or
    /// without.
    func check(_ mesh: Mesh, _ shares: Shares) async throws {
        let before = state.draft
        var after = before
        after.translator.meshChanged(to: mesh)
        after.translator.sharesChanged(to: shares)
        var check = DraftCheck(from: before, to: after)
        try check.run(
            [NodeSelector()] + before.raw.selectors,
            before.raw.isEmpty ? [] : await discovery.nodes()
        )
    }

    // MARK: - Storing

    private static var changedElsewhere: String {
        "what is set for these nodes was changed by another control plane; try again"
    }

    private func storeChange(_ change: RawChange) async throws -> StoreRevision {
        var change = change
        // Without one there is nothing stored yet.
        if change.next.generation == 0 { change.next.generation = .random(in: 1 ... .max) }
        let revision = try await commit(
            [isUnchanged(change.selector)],
            try records(of: change.changed, change).map { .put($0.key, $0.value) }
                + [setOperation(change)],
            whenChanged: Self.changedElsewhere
        )
        await publish(change, revision)
        return revision
    }

    private func storeSnapshot(_ change: RawChange) async throws -> StoreRevision {
        let old = raw[change.selector]
        let records = try records(of: change.next.entries, change)
        let revision: StoreRevision
        do {
            for batch in batches(records) {
                _ = try await commit([], batch.map { .put($0.key, $0.value) })
            }
            revision = try await commit(
                [isUnchanged(change.selector)],
                [try setOperation(change)],
                whenChanged: Self.changedElsewhere
            )
        } catch let error as GRPCError where error.code == .failedPrecondition {
            // Certainly not in force. After any other error it may be, and the next start will see.
            await forget(records.map(\.key))
            throw error
        }
        await publish(change, revision)
        await forget(
            old.entries.keys.map { RawRecords.key($0, of: change.selector, old.generation) }
        )
        return revision
    }

    /// Lets a stored change take effect, and forgets what there is no more room for.
    private func publish(_ change: RawChange, _ revision: StoreRevision) async {
        var change = change
        for (reference, entry) in change.changed {
            change.next.entries[reference]?.resource = entry.resource?.set(
                at: UInt64(revision.rawValue)
            )
        }
        raw.committed(change, at: revision)
        discovery.overlaysChanged(
            of: state.rawChanged(of: change.selector, to: raw[change.selector].resources)
        )
        let generation = raw[change.selector].generation
        let removals = raw.removalsToForget(of: change.selector)
        raw.forget(removals, of: change.selector)
        await forget(removals.map { RawRecords.key($0, of: change.selector, generation) })
        if let selector = raw.forgettable {
            let set = raw[selector]
            raw.forget(selector)
            await forget(
                [RawRecords.key(selector)]
                    + set.entries.keys.map { RawRecords.key($0, of: selector, set.generation) }
            )
        }
    }

    private func isUnchanged(_ selector: NodeSelector) -> Transaction.Compare {
        .modRevision(RawRecords.key(selector), .equal, raw[selector].revision)
    }

    private func setOperation(_ change: RawChange) throws -> Transaction.Operation {
        .put(
            RawRecords.key(change.selector),
            try RawRecords.encode(change.selector, generation: change.next.generation)
        )
    }

    private typealias Record = (key: StoreKey, value: [UInt8])

    private func records(
        of entries: [ResourceReference: RawEntry],
        _ change: RawChange
    ) throws -> [Record] {
        try entries.sorted { $0.key < $1.key }.map { reference, entry in
            (
                RawRecords.key(reference, of: change.selector, change.next.generation),
                try RawRecords.encode(entry, reference)
            )
        }
    }

    /// In lists that the store takes in one transaction each.
    private func batches(_ records: [Record]) -> [[Record]] {
        var batches: [[Record]] = []
        var (count, bytes) = (Int.max, 0)
        for record in records {
            let size = record.key.bytes.count + record.value.count
            if count >= raw.limits.maximumResourcesPerChange
                || bytes + size > raw.limits.maximumChangeBytes
            {
                batches.append([])
                (count, bytes) = (0, 0)
            }
            batches[batches.count - 1].append(record)
            (count, bytes) = (count + 1, bytes + size)
        }
        return batches
    }

    /// Removes records that nobody reads any more; what fails here is removed at the next start.
    private func forget(_ keys: [StoreKey]) async {
        for batch in batches(keys.map { ($0, []) }) {
            do {
                _ = try await commit([], batch.map { .delete($0.key) })
            } catch {
                logger.warning(
                    "records that nobody needs stay in the store",
                    metadata: ["error": "\(error)"]
                )
            }
        }
    }
}
