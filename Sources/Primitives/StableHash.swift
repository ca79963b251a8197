/// A 128-bit content hash that is equal on every machine, in every process and after every restart.
///
/// MurmurHash3 x64-128 (public domain, Austin Appleby). It guards against accidental equality only;
/// nothing here relies on it against an attacker.
package struct StableHash: Hashable, Sendable {
    package let high: UInt64
    package let low: UInt64

    package init(_ bytes: [UInt8], seed: UInt64 = 0) {
        self = bytes.withUnsafeBytes { Self($0, seed: seed) }
    }

    package init(_ bytes: UnsafeRawBufferPointer, seed: UInt64 = 0) {
        var h1 = seed
        var h2 = seed
        let blocks = bytes.count / 16
        for block in 0..<blocks {
            let k1 = UInt64(
                littleEndian: bytes.loadUnaligned(fromByteOffset: block * 16, as: UInt64.self)
            )
            let k2 = UInt64(
                littleEndian: bytes.loadUnaligned(fromByteOffset: block * 16 + 8, as: UInt64.self)
            )
            h1 ^= Self.scrambled1(k1)
            h1 = (Self.rotated(h1, 27) &+ h2) &* 5 &+ 0x52dc_e729
            h2 ^= Self.scrambled2(k2)
            h2 = (Self.rotated(h2, 31) &+ h1) &* 5 &+ 0x3849_5ab5
        }
        var k1: UInt64 = 0
        var k2: UInt64 = 0
        for (index, byte) in bytes[(blocks * 16)...].enumerated() {
            if index < 8 {
                k1 |= UInt64(byte) << UInt64(index * 8)
            } else {
                k2 |= UInt64(byte) << UInt64((index - 8) * 8)
            }
        }
        h2 ^= Self.scrambled2(k2)
        h1 ^= Self.scrambled1(k1)
        h1 ^= UInt64(bytes.count)
        h2 ^= UInt64(bytes.count)
        h1 &+= h2
        h2 &+= h1
        h1 = Self.finalized(h1)
        h2 = Self.finalized(h2)
        h1 &+= h2
        h2 &+= h1
        self.high = h1
        self.low = h2
    }

    /// 32 lower-case hexadecimal digits.
    package var hexadecimal: String {
        var digits = [UInt8]()
        digits.reserveCapacity(32)
        for word in [high, low] {
            for shift in stride(from: 60, through: 0, by: -4) {
                let nibble = UInt8((word >> UInt64(shift)) & 0xF)
                digits.append(nibble < 10 ? 0x30 + nibble : 0x57 + nibble)
            }
        }
        return String(decoding: digits, as: UTF8.self)
    }

    private static let c1: UInt64 = 0x87c3_7b91_1142_53d5
    private static let c2: UInt64 = 0x4cf5_ad43_2745_937f

    private static func rotated(_ x: UInt64, _ by: UInt64) -> UInt64 {
        (x << by) | (x >> (64 - by))
    }

    private static func scrambled1(_ k: UInt64) -> UInt64 {
        rotated(k &* c1, 31) &* c2
    }

    private static func scrambled2(_ k: UInt64) -> UInt64 {
        rotated(k &* c2, 33) &* c1
    }

    private static func finalized(_ x: UInt64) -> UInt64 {
        var k = x
        k ^= k >> 33
        k = k &* 0xff51_afd7_ed55_8ccd
        k ^= k >> 33
        k = k &* 0xc4ce_b9fe_1a85_ec53
        k ^= k >> 33
        return k
    }
}
