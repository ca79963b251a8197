import Foundation
import MeridianAPI
import Primitives
import Store
import SwiftProtobuf
import XDSCore

/// How raw resources are kept in the store.
///
/// One record for each selector, and one for each of its resources. A snapshot may be more than one
/// transaction takes, so its records are written under a generation of their own, which nobody
/// reads until the selector's record names it: that one write makes the snapshot real.
enum RawRecords {
    static let prefix: StoreKey = "/meridian/raw/"
    private static let sets: StoreKey = "/meridian/raw/sets/"

    static func key(_ selector: NodeSelector) -> StoreKey {
        "/meridian/raw/sets/\(hash(selector))"
    }

    static func key(
        _ reference: ResourceReference,
        of selector: NodeSelector,
        _ generation: UInt64
    ) -> StoreKey {
        let name = StableHash(
            Array(reference.typeURL.rawValue.utf8) + [0] + Array(reference.name.rawValue.utf8)
        )
        return StoreKey("\(prefix(selector, generation))\(name.hexadecimal)")
    }

    private static func prefix(_ selector: NodeSelector, _ generation: UInt64) -> String {
        "/meridian/raw/resources/\(hash(selector))/\(String(generation, radix: 16))/"
    }

    private static func hash(_ selector: NodeSelector) -> String {
        let texts = [
            selector.nodeID, selector.cluster, selector.zone, selector.region, selector.role,
        ]
        return StableHash(texts.flatMap { Array(($0 ?? "").utf8) + [0] }).hexadecimal
    }

    static func encode(_ selector: NodeSelector, generation: UInt64) throws -> [UInt8] {
        try Meridian_V1_RawSetRecord.with {
            $0.nodes = selector.wire
            $0.generation = generation
        }.serializedBytes()
    }

    static func encode(_ entry: RawEntry, _ reference: ResourceReference) throws -> [UInt8] {
        try Meridian_V1_RawResourceRecord.with { record in
            if let resource = entry.resource {
                record.resource = Meridian_V1_RawResource(resource)
                record.isSet = true
            } else {
                record.resource.name = reference.name.rawValue
                record.resource.encoded.typeURL = reference.typeURL.rawValue
            }
            record.versions = entry.versions.map { used in
                .with {
                    $0.version = used.version.rawValue
                    $0.content = used.content
                }
            }
        }.serializedBytes()
    }

    /// What is stored, and the keys of records that belong to no finished snapshot.
    ///
    /// A record that can't be read is thrown: without it nodes would lose what they have.
    static func load(
        _ entries: [StoreEntry]
    ) throws -> (sets: [NodeSelector: RawSet], leftovers: [StoreKey]) {
        var sets: [NodeSelector: RawSet] = [:]
        var selectorByPrefix: [String: NodeSelector] = [:]
        for entry in entries where entry.key.hasPrefix(Self.sets) {
            let record = try Meridian_V1_RawSetRecord(serializedBytes: entry.value)
            let selector = try NodeSelector(record.nodes, .stored)
            sets[selector] = RawSet(
                generation: record.generation,
                revision: entry.modRevision,
                entries: [:]
            )
            selectorByPrefix[prefix(selector, record.generation)] = selector
        }
        var leftovers: [StoreKey] = []
        for entry in entries where !entry.key.hasPrefix(Self.sets) {
            let key = entry.key.description
            let end = key.lastIndex(of: "/").map { key.index(after: $0) } ?? key.endIndex
            guard let selector = selectorByPrefix[String(key[..<end])] else {
                leftovers.append(entry.key)
                continue
            }
            let (reference, loaded) = try decode(entry, for: selector)
            sets[selector]?.entries[reference] = loaded
        }
        return (sets, leftovers)
    }

    private static func decode(
        _ entry: StoreEntry,
        for selector: NodeSelector
    ) throws -> (ResourceReference, RawEntry) {
        let record = try Meridian_V1_RawResourceRecord(serializedBytes: entry.value)
        let versions = record.versions.map {
            RawEntry.UsedVersion(version: XDSCore.Version($0.version), content: $0.content)
        }
        guard record.isSet else {
            let reference = ResourceReference(
                TypeURL(record.resource.encoded.typeURL),
                ResourceName(record.resource.name)
            )
            return (
                reference,
                RawEntry(resource: nil, versions: versions, revision: entry.modRevision)
            )
        }
        let resource = try EncodedResource(
            record.resource,
            at: entry.key.description,
            for: selector,
            .stored
        )
        .set(at: UInt64(entry.modRevision.rawValue))
        return (
            resource.reference,
            RawEntry(resource: resource, versions: versions, revision: entry.modRevision)
        )
    }
}

extension RawCatalog {
    /// What operators set for their nodes; removes what an unfinished snapshot left behind.
    static func load(
        from store: some Store,
        limits: RawLimits = RawLimits()
    ) async throws -> RawCatalog {
        let stored = try await store.range(prefix: RawRecords.prefix)
        let (sets, leftovers) = try RawRecords.load(stored.entries)
        for key in leftovers {
            _ = try await store.commit(Transaction(success: [.delete(key)]))
        }
        return RawCatalog(limits: limits, sets: sets)
    }
}
