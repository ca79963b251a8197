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
