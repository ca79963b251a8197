import Mesh
import Primitives
import Testing

@Suite struct NameRuleTests {
    @Test(arguments: ["eu", "eu-1", "1", "a--b", String(repeating: "a", count: 63)])
    func `a DNS label is a name`(_ text: String) {
        #expect(NameRule.accepts(text))
    }

    @Test(arguments: ["", "-eu", "eu-", "EU", "e.u", "e_u", "é", "a b"])
    func `anything else is no name`(_ text: String) {
        #expect(!NameRule.accepts(text))
    }

    @Test func `a name of 64 characters is too long`() {
        #expect(!NameRule.accepts(String(repeating: "a", count: 64)))
    }

    @Test(arguments: [
        "0.0.0.0", "127.0.0.1", "::", "::1", "2001:db8::1", "1:2:3:4:5:6:7:8", "::ffff:1.2.3.4",
    ])
    func `an address in text form is literal`(_ host: String) {
        #expect(EndpointAddress(host: host, port: 1).hasLiteralHost)
    }

    @Test(
        arguments: [
            "", "localhost", "1.2.3", "1.2.3.256", "01.2.3.4", "1.2.3.4.5", "+1.2.3.4", "1..2.3",
            ":", ":::", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "12345::", "g::",
            "1.2.3.4::",
            "fe80::1%eth0", "1:2:3:4:5:6:7:8::",
        ]
    )
    func `anything else is not literal`(_ host: String) {
        #expect(!EndpointAddress(host: host, port: 1).hasLiteralHost)
    }
}
