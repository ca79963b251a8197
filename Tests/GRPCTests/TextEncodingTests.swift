import Primitives
import Testing

@testable import GRPC

struct PercentEncodingTests {
    private func decode(_ text: String) -> String {
        Array(text.utf8).withUnsafeBytes { PercentEncoding.decode($0) }
    }

    private func encode(_ text: String, maximumBytes: Int = .max) -> String {
        String(decoding: PercentEncoding.encode(text, maximumBytes: maximumBytes), as: UTF8.self)
    }

    @Test func `printable ASCII stays and everything else is encoded`() {
        #expect(encode("all is well: ~ !") == "all is well: ~ !")
        #expect(encode("100 %") == "100 %25")
        #expect(encode("a\nb\u{7f}") == "a%0Ab%7F")
        #expect(encode("für 5 €") == "f%C3%BCr 5 %E2%82%AC")
        #expect(encode("") == "")
    }

    @Test func `both cases of the digits are read`() {
        #expect(decode("%E2%82%AC%e2%82%ac") == "€€")
    }

    @Test(arguments: ["%", "%4", "%zz", "100%", "%%41", "a%g1"])
    func `what is no valid encoding is kept`(text: String) {
        let expected = text == "%%41" ? "%A" : text
        #expect(decode(text) == expected)
    }

    @Test func `bytes that are no UTF-8 do not stop the decoding`() {
        let text = decode("a%FFb")
        #expect(text.hasPrefix("a") && text.hasSuffix("b"))
    }

    @Test(arguments: 0..<50 as Range<UInt64>)
    func `any text comes back as it was`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var text = ""
        for _ in 0..<40 {
            let scalar = Unicode.Scalar(UInt32.random(in: 0...0x1_10FF, using: &random))
            if let scalar { text.unicodeScalars.append(scalar) }
        }
        let encoded = encode(text)
        #expect(encoded.utf8.allSatisfy { (0x20...0x7e).contains($0) })
        #expect(decode(encoded) == text, "seed \(seed)")
    }

    @Test func `a text that is too long is cut between characters`() {
        #expect(encode("aéb", maximumBytes: 8) == "a%C3%A9b")
        #expect(encode("aéb", maximumBytes: 7) == "a%C3%A9")
        #expect(encode("aéb", maximumBytes: 6) == "a")
        #expect(encode("aéb", maximumBytes: 3) == "a")
        #expect(encode("€", maximumBytes: 0) == "")
    }
}

struct Base64Tests {
    private func decode(_ text: String) -> [UInt8]? { Base64.decode(text.utf8) }

    // The vectors of RFC 4648, section 10.
    @Test(arguments: [
        ("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"),
        ("fooba", "Zm9vYmE"),
        ("foobar", "Zm9vYmFy"),
    ])
    func `the vectors of the RFC agree, with and without padding`(plain: String, encoded: String) {
        let bytes = Array(plain.utf8)
        let padding = String(repeating: "=", count: (4 - encoded.count % 4) % 4)
        #expect(Base64.encode(bytes) == encoded)
        #expect(decode(encoded) == bytes)
        #expect(decode(encoded + padding) == bytes)
    }

    @Test func `every byte survives`() {
        let bytes = (0...255).map { UInt8($0) }
        #expect(decode(Base64.encode(bytes)) == bytes)
        #expect(Base64.encode([0xFB, 0xFF]) == "+/8")
    }

    @Test(arguments: ["A", "Zm9vY", "Zm9v!", "Zg=v", "Zm 9v", "Zm-_", "é"])
    func `what is no Base64 is refused`(text: String) {
        #expect(decode(text) == nil)
    }

    @Test(arguments: 0..<50 as Range<UInt64>)
    func `any bytes come back as they were`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let count = Int.random(in: 0...300, using: &random)
        let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
        #expect(decode(Base64.encode(bytes)) == bytes, "seed \(seed)")
    }
}

struct GRPCTimeoutTests {
    private func parse(_ text: String) -> Duration? {
        Array(text.utf8).withUnsafeBytes { GRPCTimeout.parse($0) }
    }

    @Test func `every unit is read`() {
        #expect(parse("2H") == .seconds(7200))
        #expect(parse("2M") == .seconds(120))
        #expect(parse("2S") == .seconds(2))
        #expect(parse("2m") == .milliseconds(2))
        #expect(parse("2u") == .microseconds(2))
        #expect(parse("2n") == .nanoseconds(2))
        #expect(parse("0n") == .zero)
        #expect(parse("99999999H") == .seconds(99_999_999 * 3600))
    }

    @Test(arguments: [
        "", "1", "S", "1s", "1h", "-1S", "+1S", "1.5S", " 1S", "1S ", "123456789S", "1SS", "١S",
    ])
    func `what is malformed is refused`(text: String) {
        #expect(parse(text) == nil)
    }

    @Test func `the finest unit that fits is written`() {
        #expect(GRPCTimeout.format(.zero) == "0n")
        #expect(GRPCTimeout.format(.seconds(-1)) == "0n")
        #expect(GRPCTimeout.format(.milliseconds(20)) == "20000000n")
        #expect(GRPCTimeout.format(.seconds(1)) == "1000000u")
        #expect(GRPCTimeout.format(.seconds(100)) == "100000m")
        #expect(GRPCTimeout.format(.seconds(1_000_000)) == "1000000S")
        #expect(GRPCTimeout.format(.seconds(Int64.max)) == "99999999H")
    }

    @Test(arguments: 0..<300 as Range<UInt64>)
    func `a timeout that is written and read is never shorter`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        // Any number of digits is as likely as another, up to what the header can say at all.
        let seconds = Int64.random(in: 0...35, using: &random)
        let attoseconds = Int64.random(in: 0..<1_000_000_000_000_000_000, using: &random)
        let timeout = Duration(
            secondsComponent: (Int64(1) << seconds) - 1,
            attosecondsComponent: attoseconds >> Int64.random(in: 0...59, using: &random)
        )
        let text = GRPCTimeout.format(timeout)
        let read = try #require(parse(text), "seed \(seed): \(text)")
        #expect(read >= timeout, "seed \(seed): \(text)")
        #expect(read - timeout <= max(.nanoseconds(1), timeout / 10_000), "seed \(seed): \(text)")
    }
}
