import Testing

@testable import TLS

/// The syntax of SPIFFE-ID.md.
struct SPIFFEIDTests {
    @Test(arguments: [
        "spiffe://example.org", "spiffe://example.org/ns/default/sa/Frontend_1",
        "spiffe://a-b_c.1/x", "spiffe://example.org/...",
    ])
    func `an ID is taken as it is written`(text: String) {
        let id = SPIFFEID(text)
        #expect(id?.description == text)
    }

    @Test func `an ID has a trust domain and a path`() {
        let id = SPIFFEID("spiffe://example.org/a/b")
        #expect(id?.trustDomain == "example.org")
        #expect(id?.path == "/a/b")
    }

    @Test(arguments: [
        "", "spiffe://", "spiffe:///a", "https://example.org/a", "SPIFFE://example.org",
        "spiffe://Example.org", "spiffe://example.org:80/a", "spiffe://user@example.org",
        "spiffe://example.org/", "spiffe://example.org/a/", "spiffe://example.org//a",
        "spiffe://example.org/./a", "spiffe://example.org/../a", "spiffe://example.org/a?b",
        "spiffe://example.org/a#b", "spiffe://example.org/a%20b", "spiffe://exämple.org",
        "spiffe://example.org/\0",
    ])
    func `anything else is no ID`(text: String) {
        #expect(SPIFFEID(text) == nil)
    }

    @Test func `an ID and its trust domain have a longest length`() {
        let domain = String(repeating: "a", count: 255)
        let path = "/" + String(repeating: "a", count: 2048 - "spiffe://example.org/".count)
        #expect(SPIFFEID("spiffe://" + domain) != nil)
        #expect(SPIFFEID("spiffe://a" + domain) == nil)
        #expect(SPIFFEID("spiffe://example.org" + path) != nil)
        #expect(SPIFFEID("spiffe://example.org" + path + "a") == nil)
    }
}
