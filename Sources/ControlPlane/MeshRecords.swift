import MeridianAPI
import Mesh
import Primitives
import Store
import SwiftProtobuf

/// How operators' objects are kept in the store: the mesh as it was applied, and the shares set
/// since.
enum MeshRecords {
    static let meshKey: StoreKey = "/meridian/mesh"
    static let sharesKey: StoreKey = "/meridian/shares"
    /// In which revisions the mesh's services became what they are.
    static let serviceRevisionsKey: StoreKey = "/meridian/service-revisions"

    static func encode(fileName: String, yaml: String) throws -> [UInt8] {
        let record = Meridian_V1_ApplyMeshRequest.with {
            $0.fileName = fileName
            $0.yaml = yaml
        }
        return try record.serializedBytes()
    }

    static func decodeMesh(_ bytes: [UInt8]) throws -> (fileName: String, yaml: String) {
        let record = try Meridian_V1_ApplyMeshRequest(serializedBytes: bytes)
        return (record.fileName, record.yaml)
    }

    /// One line for each service that a transaction leaves as it is.
    ///
    /// A service that isn't here became what it is in the revision of the record, which nobody knows
    /// before the transaction is made.
    static func encode(unchanged revisions: [ServiceName: UInt64]) -> [UInt8] {
        let lines = revisions.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)\n" }
        return Array(lines.joined().utf8)
    }

    static func decodeServiceRevisions(_ bytes: [UInt8]) -> [ServiceName: UInt64] {
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        return lines.reduce(into: [:]) { revisions, line in
            let words = line.split(separator: " ")
            guard words.count == 2, let revision = UInt64(words[1]) else { return }
            revisions[ServiceName(String(words[0]))] = revision
        }
    }

    static func encode(_ shares: Shares) throws -> [UInt8] {
        try Meridian_V1_GetMeshResponse.with { $0.shares = shares.wire }.serializedBytes()
    }

    static func decodeShares(_ bytes: [UInt8], mesh: Mesh) throws -> Shares {
        var shares = Shares()
        for entry in try Meridian_V1_GetMeshResponse(serializedBytes: bytes).shares {
            try shares.set(
                entry.percentByRegion,
                of: ServiceName(entry.service),
                from: RegionName(entry.fromRegion),
                in: mesh
            )
        }
        return shares
    }
}

extension Meridian_V1_SetSharesRequest {
    var percentByRegion: [RegionName: Int] {
        Dictionary(
            uniqueKeysWithValues: shares.map { (RegionName($0.key), Int($0.value)) }
        )
    }
}

extension Shares {
    var wire: [Meridian_V1_SetSharesRequest] {
        entries.map { entry in
            .with {
                $0.service = entry.service.rawValue
                $0.fromRegion = entry.from.rawValue
                switch entry.preference {
                case .nearestFirst: break
                case .split(let shares):
                    for region in shares.regions {
                        $0.shares[region.rawValue] = UInt32(shares.percent(of: region))
                    }
                }
            }
        }
    }
}
