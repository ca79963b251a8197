import Testing

@testable import Membership

@Suite struct IPAddressTests {
    @Test(arguments: [
        ("127.0.0.1", "127.0.0.1"),
        ("255.255.255.254", "255.255.255.254"),
        ("::", "::"),
        ("::1", "::1"),
        ("1::", "1::"),
        ("0:0:0:0:0:0:0:1", "::1"),
        ("2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("fe80::0204:61ff:fe9d:f156", "fe80::204:61ff:fe9d:f156"),
        ("::ffff:10.1.2.3", "::ffff:a01:203"),
        ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"),
        ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"),
        ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
    ])
    func `an address is written in its canonical form`(text: String, canonical: String) {
        let address = IPAddress(text)
        #expect(address?.description == canonical)
    }

    @Test(arguments: [
        "", " ", "localhost", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.+4", "1.2.3.4 ",
        "1..2.3",
        ":", ":::", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "::12345",
        "::g",
        ":1:2:3:4:5:6:7", "fe80::1%eth0", "[::1]", "::1.2.3", "1.2.3.4::", "::1.2.3.4:5", "-1::",
        "１.2.3.4",
        "0000:0000:0000:0000:0000:0000:255.255.255.2555",
    ])
    func `what is not an address is not read`(text: String) {
        let address = IPAddress(text)
        #expect(address == nil)
    }
}
