import Primitives
import YAML

extension ScalarType where Value == String {
    /// A name as `NameRule` has it.
    static var label: Self {
        Self(expected: NameRule.expectation, placeholder: "") { (text: String) -> String? in
            NameRule.accepts(text) ? text : nil
        }
    }

    /// One text and nothing else.
    static func exactly(_ constant: String) -> Self {
        Self(expected: "\"\(constant)\"", placeholder: constant) { (text: String) -> String? in
            text == constant ? text : nil
        }
    }

    /// The start of a gRPC path, such as `/meridian.v1.ReportService/`.
    static var routePrefix: Self {
        Self(
            expected: "a path prefix that starts with '/', such as /meridian.v1.ReportService/, "
                + "of at most 256 characters without spaces, '?' and '#'",
            placeholder: ""
        ) { (text: String) -> String? in
            let isPath =
                text.utf8.first == UInt8(ascii: "/") && text.utf8.count <= 256
                && text.utf8.allSatisfy {
                    (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: "#")
                }
            return isPath ? text : nil
        }
    }

    /// A header's name (RFC 9110, section 5.1), as HTTP/2 has it.
    static var headerName: Self {
        Self(
            expected: "a header name in lower case, such as x-tenant, of at most 128 characters",
            placeholder: ""
        ) { (text: String) -> String? in
            let isName =
                (1...128).contains(text.utf8.count)
                && text.utf8.allSatisfy { byte in
                    switch byte {
                    case UInt8(ascii: "a")...UInt8(ascii: "z"),
                        UInt8(ascii: "0")...UInt8(ascii: "9"):
                        true
                    default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
                    }
                }
            return isName ? text : nil
        }
    }

    /// A header's value, its beginning or an expression for it.
    static var headerText: Self {
        Self(
            expected: "a text of 1 to 1024 characters without control characters",
            placeholder: ""
        ) { (text: String) -> String? in
            let isText =
                (1...1_024).contains(text.utf8.count)
                && text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
            return isText ? text : nil
        }
    }
}

extension ScalarType where Value == EndpointAddress {
    /// An IP address and a port.
    static var listenAddress: Self {
        Self(
            expected: "an IP address and a port, such as 127.0.0.1:15001 or [::1]:15001",
            placeholder: Mesh.defaultSidecarListenAddress
        ) { (text: String) -> EndpointAddress? in
            guard let address = EndpointAddress(text), address.hasLiteralHost else { return nil }
            return address
        }
    }
}

extension ScalarType where Value == Duration {
    /// The time to another region and back.
    static var roundTripTime: Self { duration(in: .zero ... .seconds(60)) }

    /// How long a call or a try may take.
    static var callTimeout: Self { duration(in: .milliseconds(1) ... .seconds(3_600)) }
}
