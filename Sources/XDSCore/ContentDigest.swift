import Primitives

/// A hash over a set of resources that is kept up to date in O(changes).
///
/// The sum of the hashes of (name, version, time to live): the order doesn't matter, and what goes is subtracted. As with
/// every `StableHash`, it guards against accidental equality, not against an attacker.
struct ContentDigest: Sendable, Hashable {
    private var high: UInt64 = 0
    private var low: UInt64 = 0

    mutating func add(_ resource: EncodedResource) {
        let hash = Self.hash(of: resource)
        high &+= hash.high
        low &+= hash.low
    }

    mutating func remove(_ resource: EncodedResource) {
        let hash = Self.hash(of: resource)
        high &-= hash.high
        low &-= hash.low
    }

    var version: Version {
        var bytes = [UInt8]()
        for word in [high, low] {
            for shift in stride(from: 56, through: 0, by: -8) {
                bytes.append(UInt8(truncatingIfNeeded: word >> UInt64(shift)))
            }
        }
        return Version(hashing: bytes)
    }

    private static func hash(of resource: EncodedResource) -> StableHash {
        var bytes = Array(resource.name.rawValue.utf8)
        bytes.append(0)
        bytes.append(contentsOf: resource.version.rawValue.utf8)
        if let timeToLive = resource.timeToLive {
            bytes.append(0)
            bytes.append(contentsOf: "\(timeToLive)".utf8)
        }
        return StableHash(bytes)
    }
}
