import Primitives
import Testing

@Suite struct StableHashTests {
    // Vectors of the reference implementation of MurmurHash3 x64-128, seed 0.
    @Test func `the hash agrees with the reference vectors`() {
        #expect(StableHash([]).hexadecimal == "00000000000000000000000000000000")
        #expect(StableHash(Array("hello".utf8)).hexadecimal == "cbd8a7b341bd9b025b1e906a48ae1d19")
        let fox = Array("The quick brown fox jumps over the lazy dog".utf8)
        #expect(StableHash(fox).hexadecimal == "e34bbc7bbc071b6c7a433ca9c49a9347")
    }

    @Test func `every length up to three blocks gives another hash`() {
        let hashes = (0...48).map { StableHash([UInt8](repeating: 7, count: $0)) }
        #expect(Set(hashes).count == 49)
    }
}
